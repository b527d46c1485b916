//! What outside bytes may not do: end the process, take more memory or more time than stated.
//!
//! Each [`Target`] takes any bytes. `tests/fuzz/libfuzzer` feeds them by coverage (`make fuzz`), and the test `corpus` feeds
//! them the seeds and every input that was ever found to break one.

mod archives;
mod dicom;
mod measure;
mod targets;

pub use measure::{peak_bytes, processor_time, reset_peak};
pub use targets::{TARGETS, Target};
