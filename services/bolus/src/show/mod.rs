//! What people see: tables, errors, progress. Standard output carries results, standard error everything else.

mod progress;
mod spinner;

use std::io::{ErrorKind, IsTerminal};

use bolus_ops::printable::printable_lines;

pub use bolus::output::{CsvWriter, complain, json_output, output, raw_output, table};
pub use progress::Display;
pub use spinner::Spinner;

/// `1 row`, `2 rows`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A short name for a series: the folder or file that it came from, the end of its UID, and its stack's number where it has several.
pub fn series_name(source_uri: &str, uid: &str, stack: Option<u32>) -> String {
    let place = source_uri.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let tail = uid.char_indices().rev().nth(5).map_or(uid, |(start, _)| &uid[start..]);
    stacked(&format!("{place} …{tail}"), stack)
}

/// `name`, and the number of the stack that is meant where the series has several: `name /2`.
pub fn stacked(name: &str, stack: Option<u32>) -> String {
    stack.map_or_else(|| name.to_owned(), |number| format!("{name} /{number}"))
}

/// The usual name of a transfer syntax, or its UID.
pub fn codec_name(uid: &str) -> &str {
    bolus_ct::transfer_syntax_name(uid).unwrap_or(uid)
}

/// Whether the reader of standard output has gone, as with `| head`: not an error.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == ErrorKind::BrokenPipe))
}

/// Prints an error with its causes.
#[allow(clippy::print_stderr, reason = "its head has a colour")]
pub fn error(error: &anyhow::Error) {
    let head = if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        "\u{1b}[31;1merror:\u{1b}[0m"
    } else {
        "error:"
    };
    let mut shown = error.to_string();
    eprintln!("{head} {}", printable_lines(&shown));
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // Errors of the stores repeat the text of the layer below.
        if !shown.contains(&text) {
            complain(&format!("  because: {text}"));
            shown.push_str(&text);
        }
    }
}
