//! The `bolus` program as its users run it, on real files.

mod archives;
mod faults;
mod identity;
mod inspect;
mod label;
mod s3;
mod support;
