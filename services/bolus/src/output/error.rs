//! How a command's error is told.

use std::io::{ErrorKind, IsTerminal};

use bolus_ops::printable::printable_lines;

use super::streams::complain;

/// Whether the reader of standard output has gone, as with `| head`: not an error.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == ErrorKind::BrokenPipe))
}

/// Prints an error with its causes.
#[allow(clippy::print_stderr, reason = "its head has a colour")]
pub fn print_error(error: &anyhow::Error) {
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
