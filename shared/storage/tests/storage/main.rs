//! Folders, archives and buckets, as they come and as they come from an enemy.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archives;
mod listing;
mod s3_round_trip;
