//! Helpers for tests: where the real files lie, and synthetic CT series on disk.
//!
//! Invariant: a dev-dependency only.

mod data;
mod meta;
mod multiframe;
mod synthetic;

pub use data::{extra_data, real_data};
pub use meta::with_own_meta;
pub use multiframe::Frames;
pub use synthetic::SyntheticSeries;
