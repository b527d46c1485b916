//! The parts of the command line that stand by themselves: going through an archive and sending its studies to the workers, and
//! tensors as files.

pub mod backfill;
pub mod tensors;
