//! Read-only queries over the lake, under limits.

mod bounded;
pub(crate) mod result;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod text;
mod views;
