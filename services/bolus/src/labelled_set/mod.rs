//! The labelled set that a user names: its file, and what the lake has of its series.

mod file;
mod rows;

pub use file::{of_split, read};
pub use rows::{look_up_thresholds, read as read_rows};
