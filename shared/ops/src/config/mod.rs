//! Configuration from one TOML file, the environment and flags; each wins over the one before.
//!
//! ```
//! # use bolus_ops::config::{Loader, Period};
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Flush { every: Period, rows: u32 }
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config { flush: Flush }
//!
//! let config = Loader::new("BOLUS_WORKER")
//!     .text("worker.toml", "[flush]\nevery = \"2s\"\nrows = 10")
//!     .environment([("BOLUS_WORKER__FLUSH__ROWS".to_owned(), "20".to_owned())])
//!     .flag("--flush-every", "flush.every", Some("5s"))
//!     .load::<Config>()?;
//! assert_eq!((config.flush.every, config.flush.rows), (Period::from_secs(5), 20));
//! # Ok::<(), bolus_ops::config::ConfigErrors>(())
//! ```
//!
//! Every error names the key, where its value stands (file and line, environment variable or flag) and what would mend it, and
//! all of them are told at once: [`Loaded::check`] adds those that only the values together, or this machine, can tell. A
//! value from the environment or a flag is text: it becomes a number, a truth value or a list (`a,b,c`) as the field asks.
//! `#[serde(flatten)]` and untagged enums hide from serde what a field asks for; do without them.

mod error;
mod gather;
mod layers;
mod loaded;
mod problems;
mod quantity;
mod report;
mod secret;
mod show;
mod tree;

pub use error::{ConfigError, ConfigErrors, Origin};
pub use layers::Loader;
pub use loaded::Loaded;
pub use problems::{Problems, at_least_one, more_than_zero};
pub use quantity::{ByteSize, Period};
pub use report::{report_check, report_errors};
pub use secret::Secret;

#[cfg(test)]
mod tests;
