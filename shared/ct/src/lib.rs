//! DICOM bytes to series, slice geometry, Hounsfield units and declared-contrast evidence.
//!
//! Invariant: no input or output, no async; bytes come in and values go out. Never panics on outside bytes,
//! never trusts a length that the bytes state.
//!
//! The modules use each other downwards only: `series`, `refusal`, then `header` and `pixel`, then `evidence` and
//! `values`, and `data_set`, `words` and `instance` at the bottom.

mod data_set;
mod deflated;
mod evidence;
mod geometry;
mod header;
mod instance;
pub mod pixel;
mod refusal;
mod series;
mod transfer_syntax;
mod values;
mod words;

pub use evidence::{declare, evidence_of_words};
pub use header::{FIRST_READ_BYTES, HeaderRead, HeaderReader, HeaderStep, read_header};
pub use instance::*;
pub use refusal::undecodable;
pub use series::{Contested, FramePixels, Grouping, Member, RefusedFrame, SeenPixels, Series, Slice, series_key};
pub use transfer_syntax::transfer_syntax_name;
pub use words::body_parts_of_words;
