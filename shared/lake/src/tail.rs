//! What this process knows of the table's log, kept up by reading each entry once.
//!
//! An append must know, as of the newest version, where its transactions stand and which of its keys have landed. Asked of
//! the table's library, either costs a replay of the log since the last checkpoint or a read of every file, each time.
//! The tail begins at the version that the lake was opened at and takes in one entry after the other, so that an append
//! costs what has been committed since the last look, however long the log is.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::keys::{Fingerprint, KeyIndex};

/// The state of the log at one version.
#[derive(Debug)]
pub(crate) struct Tail {
    /// Every entry up to this one has been taken in.
    pub version: u64,
    /// Where transactions stand: all that were moved since the tail began, and those looked up since.
    transactions: HashMap<String, Option<i64>>,
    /// The keys that are in the lake, once they have been read.
    pub keys: KeyIndex,
    /// Counts how often the tail began anew.
    beginnings: u64,
    looked: Instant,
}

impl Tail {
    pub fn at(version: u64) -> Self {
        Self { version, transactions: HashMap::new(), keys: KeyIndex::default(), beginnings: 0, looked: Instant::now() }
    }

    /// Where `app_id` stands; outer none where that has not been looked up.
    pub fn transaction(&self, app_id: &str) -> Option<Option<i64>> {
        self.transactions.get(app_id).copied()
    }

    /// Takes in the entry of `version`, if it is the next one.
    pub fn take_in(&mut self, version: u64, transactions: Vec<(String, i64)>, keys: impl Iterator<Item = Fingerprint>) {
        if version != self.version + 1 {
            return;
        }
        self.version = version;
        self.looked = Instant::now();
        self.transactions.extend(transactions.into_iter().map(|(app_id, to)| (app_id, Some(to))));
        self.keys.extend(keys);
    }

    /// How long ago somebody looked for an entry after the last.
    pub fn unwatched(&self) -> Duration {
        self.looked.elapsed()
    }

    /// Notes that somebody has looked just now.
    pub fn watched(&mut self) {
        self.looked = Instant::now();
    }

    /// How often the tail began anew.
    pub fn beginnings(&self) -> u64 {
        self.beginnings
    }

    /// Takes in where `app_id` stood when it was looked up; what was taken in since is newer.
    pub fn looked_up(&mut self, app_id: String, version: Option<i64>) {
        self.transactions.entry(app_id).or_insert(version);
    }

    /// Begins anew at `version`: entries before it can no longer be read.
    pub fn begin_again(&mut self, version: u64) {
        self.version = version;
        self.beginnings += 1;
        self.transactions.clear();
        self.keys.forget_all();
    }
}
