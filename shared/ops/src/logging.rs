//! Logs go to standard error, so that standard output carries results alone.

use std::fmt;

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::cpu::quiet_pool_panics;
use crate::printable::printable;

/// Starts logging at `level` (`error`, `warn`, `info`, `debug` or `trace`); `RUST_LOG` wins.
///
/// The level is that of our own crates; libraries tell warnings and errors only, unless `RUST_LOG` asks for more. Colours are used on a terminal only.
///
/// Panics on the CPU pool's threads, which their callers get as errors, are told at level `debug` only.
pub fn init_logging(level: &str) {
    quiet_pool_panics();
    // A second call (in tests) leaves the first logger in place.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .fmt_fields(fields())
        .with_writer(std::io::stderr)
        .with_ansi(colours())
        .with_target(false)
        .try_init();
}

/// `RUST_LOG`, or `level` for our own crates and warnings from libraries.
pub(crate) fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("warn,bolus={level}")))
}

/// Whether standard error is a terminal that wants colours.
pub(crate) fn colours() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none()
}

/// How the values of a line for people are written: nothing in them moves the cursor or makes a line of its own.
pub(crate) fn fields() -> impl for<'writer> FormatFields<'writer> {
    debug_fn(write_field).delimited(" ")
}

fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = format!("{value:?}");
    let value = printable(&value);
    match field.name() {
        "message" => writer.write_str(&value),
        // Where a record of the crate `log` comes from.
        name if name.starts_with("log.") => Ok(()),
        name if writer.has_ansi_escapes() => write!(writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{value}"),
        name => write!(writer, "{name}={value}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_in_a_log_line_moves_the_cursor_or_begins_another_line() {
        let (written, evil) = (Written::default(), "CT\u{1b}[2J\u{9b}31m\u{202e}\nERROR forged");
        let writer = written.clone();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).fmt_fields(fields());
        tracing::subscriber::with_default(lines.finish(), || {
            let error = io::Error::other(evil);
            let _span = tracing::info_span!("read", file = evil).entered();
            tracing::warn!(text = evil, shown = %evil, error = &error as &dyn std::error::Error, "refused {evil}");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.matches("forged").count() == 5 && text.matches("u{202e}").count() == 5, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{text:?}");
    }
}
