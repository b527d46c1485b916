//! The parts of the command line that stand by themselves: what is printed, and tensors as files.

// What is printed goes through `output`, which makes it safe for a terminal.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod output;
pub mod tensors;
