//! Kafka object events → study events, once a study is complete.
//!
//! Two stages, in one process or in many, each scaled out by its consumer group:
//!
//! 1. **route** reads the object topics, settles keys that could be read in two ways by HEAD, finds the study's folder and
//!    writes each created object to the internal topic, keyed by study ([`wire`] describes its records). What is no event
//!    goes to the study topic as it came, where the worker makes a failed row of it.
//! 2. **assemble** reads the internal topic, where all objects of a study meet in one partition, and writes a study event
//!    once the study is complete ([`assembly`] says when).
//!
//! Invariant: an offset is committed only when all below it has led to acknowledged records; writes no lake.

pub mod acks;
mod assemble;
pub mod assembly;
mod beacon;
pub mod cli;
pub mod config;
pub mod grouping;
mod member;
mod meters;
mod outbox;
mod route;
pub mod router;
mod settle;
mod start;
pub mod wire;

pub use start::run;
