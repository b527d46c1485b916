//! Errors that end a run; everything smaller becomes a row.

use bolus_inference::InferenceError;
use bolus_storage::StorageError;

/// The reason a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LabelingError {
    /// An input cannot be listed or read at all.
    #[error("cannot read the input")]
    Storage(#[from] StorageError),
    /// The network or the runtime cannot be used.
    #[error("cannot run the network")]
    Inference(#[from] InferenceError),
    /// A part of the program died: its panic is in the log. What is missing then is not known, so the run ends.
    #[error("a part of the run ended unexpectedly: {0}")]
    Lost(&'static str),
    /// The user or the system asked to stop.
    #[error("stopped on request")]
    Cancelled,
}

impl LabelingError {
    /// Whether another attempt, with a new listing, may succeed: the store failed for the moment.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Storage(error) if error.code.is_transient())
    }
}
