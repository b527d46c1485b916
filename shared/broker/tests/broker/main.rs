//! Consumers and producers against a real broker, against one of their own that is killed, and against librdkafka's mock.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod consume;
mod faults;
mod group;
mod restart;
mod support;
mod throughput;
