//! Following the table's log: what [`Tail`] knows is kept up here.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bolus_study::RowKey;
use futures::{StreamExt, TryStreamExt, stream};

use crate::entry::LogEntry;
use crate::error::LakeError;
use crate::keys::Fingerprint;
use crate::scan::{scan_files, scan_table};
use crate::table::{Table, check_schema, version_of};
use crate::tail::Tail;

/// Entries that are read at the same time while the tail is far behind.
const READ_AHEAD: u64 = 16;

/// After this long without a look, entries may have been cleaned up, and that the next one is missing does not prove
/// that there is none: the log is then listed. Far below any retention of log entries (30 days by default).
const LISTING_TRUSTED: Duration = Duration::from_secs(300);

/// Transactions looked up in the log at the same time.
const LOOK_UPS_AT_ONCE: usize = 8;

/// A table, and what is known of its log.
#[derive(Debug)]
pub(crate) struct Follower {
    table: Arc<Table>,
    tail: Mutex<Tail>,
    /// Whose turn it is to read all keys. Held while that lasts: turns are what it is for.
    indexing: tokio::sync::Mutex<()>,
}

impl Follower {
    /// Follows the log of `table` from its newest snapshot on.
    pub fn new(table: Arc<Table>) -> Self {
        let tail = Mutex::new(Tail::at(version_of(&table.snapshot())));
        Self { table, tail, indexing: tokio::sync::Mutex::new(()) }
    }

    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    pub fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The newest version of the table, after taking in every entry up to it.
    pub async fn caught_up(&self) -> Result<u64, LakeError> {
        let long_ago = self.tail().unwatched() > LISTING_TRUSTED;
        let listed = if long_ago { Some(self.table.refreshed().await?) } else { None };
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
                    check_schema(self.table.url(), &table)?;
                    tail.begin_again(version_of(&table));
                }
                tail.watched();
                return Ok(tail.version);
            }
            ahead = (ahead * 2).min(READ_AHEAD);
        }
    }

    /// Up to `count` entries after `since`, as far as they follow on each other.
    async fn entries_after(&self, since: u64, count: u64) -> Result<Vec<(u64, LogEntry)>, LakeError> {
        let entries = stream::iter(since + 1..=since + count)
            .map(|version| async move { Ok(self.table.entry(version).await?.map(|entry| (version, entry))) })
            .buffered(READ_AHEAD as usize);
        entries
            .try_take_while(|entry| std::future::ready(Ok(entry.is_some())))
            .try_filter_map(|entry| async { Ok(entry) })
            .try_collect()
            .await
    }

    /// Takes in the entry of `version`, whoever wrote it.
    pub async fn take_in(&self, version: u64, entry: LogEntry) -> Result<(), LakeError> {
        if entry.redefines_table {
            check_schema(self.table.url(), &self.table.refreshed().await?)?;
        }
        // Keys that nobody has asked for yet are read with the whole table, when somebody does.
        let keys = match entry.row_keys {
            Some(keys) => Some(keys.iter().map(Fingerprint::of).collect()),
            None if entry.added.is_empty() => Some(Vec::new()),
            None if self.tail().keys.is_complete() => scan_files(self.table.log(), entry.added).await.ok(),
            None => None,
        };
        let mut tail = self.tail();
        if version == tail.version + 1 && (keys.is_none() || entry.takes_rows_away) {
            tail.keys.forget_all();
        }
        tail.take_in(version, entry.transactions, keys.into_iter().flatten());
        Ok(())
    }

    /// The versions that the transactions `app_ids` stand at, in their order, all as of the newest version of the table.
    pub async fn transaction_versions(&self, app_ids: &[String]) -> Result<Vec<Option<i64>>, LakeError> {
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
    }

    /// Makes the tail know where `app_ids` stand.
    pub async fn look_up(&self, app_ids: impl Iterator<Item = &str>) -> Result<(), LakeError> {
        let (beginnings, missing) = {
            let tail = self.tail();
            let missing = app_ids.filter(|app_id| tail.transaction(app_id).is_none());
            (tail.beginnings(), missing.map(str::to_owned).collect::<Vec<_>>())
        };
        if missing.is_empty() {
            return Ok(());
        }
        let table = self.table.refreshed().await?;
        let state = table.snapshot()?;
        let versions: Vec<(String, Option<i64>)> = stream::iter(missing)
            .map(|app_id| async move {
                let version = state.transaction_version(self.table.log().as_ref(), &app_id).await?;
                Ok::<_, LakeError>((app_id, version))
            })
            .buffered(LOOK_UPS_AT_ONCE)
            .try_collect()
            .await?;
        // Whoever moved one of them after the tail began is in an entry that the tail then has, and stands there.
        self.caught_up().await?;
        let mut tail = self.tail();
        if tail.beginnings() == beginnings && tail.version >= version_of(&table) {
            for (app_id, version) in versions {
                tail.looked_up(app_id, version);
            }
        }
        Ok(())
    }

    /// Which of `keys` are in the lake.
    pub async fn known_keys(&self, keys: &[RowKey]) -> Result<HashSet<RowKey>, LakeError> {
        self.caught_up().await?;
        loop {
            self.index_keys().await?;
            let tail = self.tail();
            if tail.keys.is_complete() {
                return Ok(keys.iter().filter(|key| tail.keys.holds(key) == Some(true)).cloned().collect());
            }
        }
    }

    /// Makes the tail know every key of the lake. Whoever comes while they are being read waits for that.
    pub async fn index_keys(&self) -> Result<(), LakeError> {
        if self.tail().keys.is_complete() {
            return Ok(());
        }
        let _turn = self.indexing.lock().await;
        let generation = {
            let tail = self.tail();
            if tail.keys.is_complete() {
                return Ok(());
            }
            tail.keys.generation()
        };
        let table = self.table.refreshed().await?;
        let found = scan_table(self.table.log(), &table).await?;
        // What the table has, the tail must have too, or an append would take its own late commit for another's.
        self.caught_up().await?;
        let mut tail = self.tail();
        if tail.version >= version_of(&table) {
            tail.keys.complete(generation, found.into_iter());
        }
        Ok(())
    }
}
