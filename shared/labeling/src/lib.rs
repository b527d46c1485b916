//! One series → one row: the stages that tie storage, ct, preprocess and inference together.
//!
//! [`discover`] lists inputs, [`take_inventory`] reads headers by ranged reads and groups them; [`Feed`] does both series by series, for inputs of any size; [`Labeler::label`] takes one series through plan, fetch, decode,
//! resample, inference and decision. Memory is bounded: planes of a series wait in the output's size, and series that are prepared at the same time
//! share a budget of bytes; so do all headers and all frames that are read at a time, in the whole process. Many series run at once; their slices meet in the engine's batches.
//! Where a run has several bundles, [`Router`] sends each series to the one for its body part. An adaptive label scores slices in rounds
//! until they settle the class.
//! [`Preparer`] goes the same path up to the tensor and needs no network: for training data and for [`Explainer`], which asks
//! the network again with parts of the slices covered.
//!
//! A store that fails for the moment must not become a label that misses slices. A caller that can try again, such as the
//! worker, asks [`LabelingError::is_transient`], [`Inventory::transient`] and [`Labeled::transient`] of everything that an event
//! led to; if any says so it commits nothing of the attempt, waits, and repeats it from [`discover`] on. After its last
//! attempt it commits what it has. `bolus label` makes one attempt.
//!
//! Invariant: knows neither Kafka nor Delta; a bad file costs its slice or its series, never the run.

mod budget;
mod compare;
mod digest;
mod engines;
mod error;
mod explainer;
mod frames;
#[cfg(test)]
mod golden_tests;
mod headers;
mod inventory;
mod keys;
mod labeler;
mod look;
mod patient;
mod prepare;
mod preparer;
mod progress;
mod refused;
mod remarks;
mod rounds;
#[cfg(test)]
mod rounds_tests;
mod router;
#[cfg(test)]
mod router_tests;
mod row;
mod stages;
mod stream;
#[cfg(test)]
mod transient_tests;

pub use digest::{Undecoded, nothing_decoded, pixel_digest};
pub use engines::Engines;
pub use error::LabelingError;
pub use explainer::{Chosen, ExplainedSlice, Explainer, Explanation};
pub use inventory::{Found, Inventory, Unit, discover, take_inventory};
pub use keys::SeriesKeys;
pub use labeler::{Labeled, Labeler, LabelerOptions};
pub use patient::PatientKey;
pub use prepare::{Prepared, Preview, Unprepared};
pub use preparer::Preparer;
pub use progress::{Counter, Progress};
pub use refused::FileRefusal;
pub use router::{Route, Routed, Router};
pub use row::{refused_files, unread_row};
pub use stages::Stages;
pub use stream::{Feed, FeedOptions, Part, PartId};
