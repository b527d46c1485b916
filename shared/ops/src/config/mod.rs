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
//! let loaded = Loader::new("BOLUS_WORKER")
//!     .text("worker.toml", "[flush]\nevery = \"2s\"\nrows = 10")
//!     .environment([("BOLUS_WORKER__FLUSH__ROWS".to_owned(), "20".to_owned())])
//!     .flag("--flush-every", "flush.every", Some("5s"))
//!     .load::<Config>()?;
//! assert_eq!((loaded.value.flush.every, loaded.value.flush.rows), (Period::from_secs(5), 20));
//! # Ok::<(), bolus_ops::config::ConfigError>(())
//! ```
//!
//! Every error names the key, where its value stands (file and line, environment variable or flag) and what would mend it. A
//! value from the environment or a flag is text: it becomes a number, a truth value or a list (`a,b,c`) as the field asks.
//! `#[serde(flatten)]` and untagged enums hide from serde what a field asks for; do without them.

mod error;
mod layers;
mod quantity;
mod secret;
mod tree;

pub use error::{ConfigError, Origin};
pub use layers::{Loaded, Loader};
pub use quantity::{ByteSize, Period};
pub use secret::Secret;

#[cfg(test)]
mod tests;
