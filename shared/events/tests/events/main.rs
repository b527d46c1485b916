//! Events of every sender, in and out: their shapes, the schema, and bytes that nobody should send.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;
mod hostile;
mod schema;
mod shapes;
