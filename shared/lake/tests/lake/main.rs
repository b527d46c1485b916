//! The lake on a local folder, in memory, and on stores that fail.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
// One `json!` object lists the forty-odd columns.
#![recursion_limit = "256"]

mod append;
mod contract;
mod duck;
mod facts;
mod faults;
mod limits;
mod open;
mod probe;
mod query;
mod read;
mod roundtrip;
mod store;
mod support;
mod upgrade;
