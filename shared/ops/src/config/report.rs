//! What a service says of its configuration before it starts.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::{ConfigErrors, Loaded};
use crate::printable::printable_lines;

/// Exit status for a wrong configuration, as for a wrong flag.
const MISCONFIGURED: u8 = 2;

/// Says on standard error what is wrong, a line each, and gives the exit status: 2.
#[must_use]
pub fn report_errors(program: &str, errors: &ConfigErrors) -> ExitCode {
    let mut stderr = io::stderr().lock();
    for error in errors.iter() {
        // Where nobody reads it the status still tells.
        let _ = writeln!(stderr, "{program}: {}", printable_lines(&error.to_string()));
    }
    ExitCode::from(MISCONFIGURED)
}

/// Says whether a configuration that was read and checked will do, and with `show` what is in effect, and gives the exit status: 0
/// or 2.
#[must_use]
pub fn report_check<T: Serialize>(program: &str, loaded: Loaded<T>, show: bool) -> ExitCode {
    let shown = loaded.show().filter(|_| show);
    let finished = loaded.finish();
    let text = match (&shown, &finished) {
        (Some(shown), _) => shown.as_str(),
        (None, Ok(_)) => "the configuration is valid\n",
        (None, Err(_)) => "",
    };
    // A reader that has read enough is no failure.
    let _ = io::stdout().write_all(text.as_bytes());
    match finished {
        Ok(_) => ExitCode::SUCCESS,
        Err(errors) => report_errors(program, &errors),
    }
}
