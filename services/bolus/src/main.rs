//! The `bolus` command line.
fn main() {}
