//! Kafka study events → labels in the lake.
//!
//! Invariant: an event is done only when the lake says so. What it led to lands in one commit with the partition's progress, and
//! the offsets given to the broker afterwards serve lag metrics alone.

pub mod book;
pub mod gate;
pub mod tracker;
