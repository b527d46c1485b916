//! Logs go to standard error, so that standard output carries results alone.

use tracing_subscriber::EnvFilter;

use crate::cpu::quiet_pool_panics;

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
