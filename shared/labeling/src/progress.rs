//! Counters that a run moves and a display reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far a run is. Counters only rise; a display may read them at any time.
#[derive(Debug, Default)]
pub struct Progress {
    /// Files found so far, members of archives counted one by one.
    pub files_found: Counter,
    /// Files whose header has been read or refused.
    pub headers_read: Counter,
    /// Series that will be labelled or exported, as far as headers are read.
    pub series_planned: Counter,
    /// Series that have ended, as a row or as tensors.
    pub series_done: Counter,
    /// Slices that the network is to score, or that are to be exported; as far as headers are read.
    pub slices_planned: Counter,
    /// Slices that the network has scored, or that are written.
    pub slices_scored: Counter,
    /// Slices whose pixel data was fetched.
    pub slices_fetched: Counter,
    /// Bytes read from files and objects.
    pub bytes_read: Counter,
}

/// A counter that only rises.
#[derive(Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The number itself, for one who counts and knows no more of the run.
    #[must_use]
    pub fn shared(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0)
    }

    /// The value now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
