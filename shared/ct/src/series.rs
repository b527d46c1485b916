//! Groups instances into series, series into stacks, and orders their slices.

#[cfg(test)]
mod case_tests;
mod compare;
#[cfg(test)]
mod compare_tests;
#[cfg(test)]
mod enhanced_tests;
mod group;
mod members;
mod passes;
mod placed;
mod planes;
mod stack;
#[cfg(test)]
pub(crate) mod tests;
mod types;

pub use compare::{Contested, FramePixels, SeenPixels};
pub use group::{Grouping, series_key};
pub use types::{Member, RefusedFrame, Series, Slice};
