//! The `bolus` program as its users run it, on real files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archives;
mod faults;
mod identity;
mod inspect;
mod label;
mod s3;
mod support;
