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
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("warn,bolus={level}")));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    // A second call (in tests) leaves the first logger in place.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .with_target(false)
        .try_init();
}
