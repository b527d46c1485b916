//! The parts of the command line that stand by themselves, each with its tests: what is printed, tensors as files, and the
//! calibration written into a manifest.

// What is printed goes through `output`, which makes it safe for a terminal.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod manifest_edit;
pub mod output;
pub mod tensors;
