//! Plans and tensors against implementations that share no code with them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod golden;
mod oracle;
