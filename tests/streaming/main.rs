//! The `bolus-worker` program as its operators run it: a real Kafka, a real S3 server, real processes.
//!
//! Where `infra/test` has not started the servers: see `bolus_testkit::servers`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod config;
mod crashes;
mod events;
mod group;
mod secure;
mod telemetry;
mod world;
