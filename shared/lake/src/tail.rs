//! What this process knows of the table's log, kept up by reading each entry once.
//!
//! An append must know, as of the newest version, where its transactions stand and which of its keys have landed. Asked of
//! the table's library, either costs a replay of the log since the last checkpoint or a read of every file, each time.
//! The tail begins at the version that the lake was opened at and takes in one entry after the other, so that an append
//! costs what has been committed since the last look, however long the log is.

use std::collections::HashMap;
use std::sync::MutexGuard;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use crate::entry::LogEntry;
use crate::error::LakeError;
use crate::keys::{Fingerprint, KeyIndex};
use crate::lake::{Lake, check_schema, version_of};

/// Entries that are read at the same time while the tail is far behind.
const READ_AHEAD: u64 = 16;

/// After this long without a look, entries may have been cleaned up, and that the next one is missing does not prove
/// that there is none: the log is then listed. Far below any retention of log entries (30 days by default).
const LISTING_TRUSTED: Duration = Duration::from_secs(300);

/// Transactions looked up in the log at the same time.
const LOOK_UPS_AT_ONCE: usize = 8;

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

    /// Begins anew at `version`: entries before it can no longer be read.
    fn begin_again(&mut self, version: u64) {
        self.version = version;
        self.beginnings += 1;
        self.transactions.clear();
        self.keys.forget_all();
    }
}

impl Lake {
    pub(crate) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The newest version of the table, after taking in every entry up to it.
    pub(crate) async fn caught_up(&self) -> Result<u64, LakeError> {
        let long_ago = self.tail().looked.elapsed() > LISTING_TRUSTED;
        let listed = if long_ago { Some(self.refreshed().await?) } else { None };
        let mut ahead = 1;
        loop {
            let since = self.tail().version;
            let entries = self.entries_after(since, ahead).await?;
            let at_the_end = (entries.len() as u64) < ahead;
            for (version, entry) in entries {
                self.take_in(version, entry).await?;
            }
            if at_the_end {
                let mut tail = self.tail();
                if let Some(table) = listed.filter(|table| version_of(table) > tail.version) {
                    check_schema(self.url(), &table)?;
                    tail.begin_again(version_of(&table));
                }
                tail.looked = Instant::now();
                return Ok(tail.version);
            }
            ahead = (ahead * 2).min(READ_AHEAD);
        }
    }

    /// Up to `count` entries after `since`, as far as they follow on each other.
    async fn entries_after(&self, since: u64, count: u64) -> Result<Vec<(u64, LogEntry)>, LakeError> {
        let entries = stream::iter(since + 1..=since + count)
            .map(|version| async move { Ok(self.entry(version).await?.map(|entry| (version, entry))) })
            .buffered(READ_AHEAD as usize);
        entries
            .try_take_while(|entry| std::future::ready(Ok(entry.is_some())))
            .try_filter_map(|entry| async { Ok(entry) })
            .try_collect()
            .await
    }

    /// The log entry of `version`; none where there is no such entry.
    pub(crate) async fn entry(&self, version: u64) -> Result<Option<LogEntry>, LakeError> {
        match self.log().read_commit_entry(version).await? {
            Some(bytes) => LogEntry::parse(version, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Takes in the entry of `version`, whoever wrote it.
    pub(crate) async fn take_in(&self, version: u64, entry: LogEntry) -> Result<(), LakeError> {
        if entry.redefines_table {
            check_schema(self.url(), &self.refreshed().await?)?;
        }
        // Keys that nobody has asked for yet are read with the whole table, when somebody does.
        let keys = match entry.row_keys {
            Some(keys) => Some(keys.iter().map(Fingerprint::of).collect()),
            None if entry.added.is_empty() => Some(Vec::new()),
            None if self.tail().keys.is_complete() => self.scan_files(entry.added).await.ok(),
            None => None,
        };
        let mut tail = self.tail();
        if version == tail.version + 1 && (keys.is_none() || entry.takes_rows_away) {
            tail.keys.forget_all();
        }
        tail.take_in(version, entry.transactions, keys.into_iter().flatten());
        Ok(())
    }

    /// The version that transaction `app_id` stands at, if it was ever written.
    ///
    /// # Errors
    /// The store's.
    pub async fn transaction_version(&self, app_id: &str) -> Result<Option<i64>, LakeError> {
        let versions = self.transaction_versions(&[app_id.to_owned()]).await?;
        Ok(versions.into_iter().next().flatten())
    }

    /// The versions that the transactions `app_ids` stand at, in their order, all as of the newest version of the table.
    ///
    /// What was looked up or moved before costs nothing beyond reading the entries since; each other one costs a replay
    /// of the log since its last checkpoint.
    ///
    /// # Errors
    /// The store's.
    pub fn transaction_versions<'a>(
        &'a self,
        app_ids: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<i64>>, LakeError>> {
        Box::pin(async move {
            self.caught_up().await?;
            loop {
                self.look_up(app_ids.iter().map(String::as_str)).await?;
                let tail = self.tail();
                let versions = app_ids.iter().map(|app_id| tail.transaction(app_id));
                // None where the tail began anew in the meantime.
                if let Some(versions) = versions.collect() {
                    return Ok(versions);
                }
            }
        })
    }

    /// Makes the tail know where `app_ids` stand.
    pub(crate) async fn look_up(&self, app_ids: impl Iterator<Item = &str>) -> Result<(), LakeError> {
        let (beginnings, missing) = {
            let tail = self.tail();
            let missing = app_ids.filter(|app_id| tail.transaction(app_id).is_none());
            (tail.beginnings, missing.map(str::to_owned).collect::<Vec<_>>())
        };
        if missing.is_empty() {
            return Ok(());
        }
        let table = self.refreshed().await?;
        let state = table.snapshot()?;
        let versions: Vec<(String, Option<i64>)> = stream::iter(missing)
            .map(|app_id| async move {
                let version = state.transaction_version(self.log().as_ref(), &app_id).await?;
                Ok::<_, LakeError>((app_id, version))
            })
            .buffered(LOOK_UPS_AT_ONCE)
            .try_collect()
            .await?;
        // Whoever moved one of them after the tail began is in an entry that the tail then has, and stands there.
        self.caught_up().await?;
        let mut tail = self.tail();
        if tail.beginnings == beginnings && tail.version >= version_of(&table) {
            for (app_id, version) in versions {
                tail.transactions.entry(app_id).or_insert(version);
            }
        }
        Ok(())
    }
}
