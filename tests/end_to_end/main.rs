//! The `bolus` program as its users run it, on real files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adaptive;
mod archives;
mod auto;
mod evaluate;
mod failures;
mod faults;
mod hostile_place;
mod hostile_text;
mod identity;
mod inspect;
mod kafka;
mod label;
mod limits;
mod model;
mod reconcile;
mod s3;
mod stacks;
mod stream;
mod submit;
mod support;
mod tensors;
mod transfer_syntaxes;
