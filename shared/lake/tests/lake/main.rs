//! The lake on a local folder, in memory, and on stores that fail.

mod append;
mod contract;
mod duck;
mod faults;
mod open;
mod query;
mod roundtrip;
mod store;
mod support;
