//! Standard output for people, for JSON and for programs, and lines on standard error.

use std::io::{IsTerminal, StdoutLock, Write};

use bolus_ops::printable::{PrintableWriter, printable_lines};

/// Standard output for people: every character that does not print as itself is escaped.
pub fn for_people() -> PrintableWriter<StdoutLock<'static>> {
    PrintableWriter::text(std::io::stdout().lock())
}

/// Standard output for JSON, whose strings hold such characters as escapes of JSON.
pub fn for_json() -> PrintableWriter<StdoutLock<'static>> {
    PrintableWriter::json(std::io::stdout().lock())
}

/// Standard output for programs: as it is where it goes to a file or a program, as [`for_people`] where it goes to a terminal.
pub fn for_programs() -> Box<dyn Write + Send> {
    let output = std::io::stdout();
    if output.is_terminal() { Box::new(PrintableWriter::text(output)) } else { Box::new(output) }
}

/// Prints a line to standard error.
#[allow(clippy::print_stderr, reason = "the one place that does")]
pub fn complain(line: &str) {
    eprintln!("{}", printable_lines(line));
}
