//! Helpers for tests: what lies outside the repository (servers, more real files, an interpreter), where the real files
//! lie, and synthetic CT series on disk.
//!
//! Invariant: a dev-dependency only.

mod clock;
mod data;
mod meta;
mod multiframe;
mod required;
pub mod servers;
mod synthetic;

pub use clock::thread_time;
pub use data::{real_data, shared};
pub use meta::with_own_meta;
pub use multiframe::Frames;
pub use synthetic::SyntheticSeries;
