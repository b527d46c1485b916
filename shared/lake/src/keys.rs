//! Which row keys are in the lake.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bolus_study::RowKey;
use deltalake::DeltaTable;
use deltalake::arrow::array::{Array, AsArray, RecordBatch};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::DataType;
use deltalake::logstore::parquet_reader::ParquetObjectReader;
use deltalake::parquet::arrow::ProjectionMask;
use deltalake::parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use serde_json::Value;

use crate::entry::LogEntry;
use crate::error::LakeError;
use crate::lake::{Lake, version_of};

/// Files read at the same time while keys are looked for.
const FILES_AT_ONCE: usize = 8;

/// Rows of the key column in memory at a time, for each file.
const ROWS_AT_ONCE: usize = 8_192;

/// Keys remembered as absent; beyond it the memory is cleared, and the next look costs a scan.
const REMEMBERED_KEYS: usize = 200_000;

/// Commits that are read one by one rather than scanning the table.
const COMMITS_READ: u64 = 64;

/// Keys that a look at the lake did not find, with the version that was looked at: an append then needs to read only
/// the commits after it.
#[derive(Debug, Default)]
pub(crate) struct Absent(HashMap<RowKey, u64>);

impl Absent {
    fn remember(&mut self, keys: impl Iterator<Item = RowKey>, version: u64) {
        if self.0.len() > REMEMBERED_KEYS {
            self.0.clear();
        }
        self.0.extend(keys.map(|key| (key, version)));
    }

    pub(crate) fn forget<'a>(&mut self, keys: impl Iterator<Item = &'a RowKey>) {
        for key in keys {
            self.0.remove(key);
        }
    }
}

impl Lake {
    /// Which of `keys` are in the lake.
    ///
    /// Reads the column `row_key` alone, a part at a time, of those files whose range of keys could hold one. The
    /// answer is remembered for what is absent, so that a later append of those keys reads only newer commits.
    ///
    /// # Errors
    /// The store's.
    pub fn known_keys<'a>(&'a self, keys: &'a [RowKey]) -> BoxFuture<'a, Result<HashSet<RowKey>, LakeError>> {
        Box::pin(async move {
            let table = self.refreshed().await?;
            self.known_at(&table, keys).await
        })
    }

    /// Which of `keys` are in the lake at the version of `table`.
    pub(crate) async fn known_at(&self, table: &DeltaTable, keys: &[RowKey]) -> Result<HashSet<RowKey>, LakeError> {
        let version = version_of(table);
        let (unseen, seen) = self.by_last_look(keys, version);
        let mut known = HashSet::new();
        if !unseen.is_empty() {
            known.extend(self.scan_table(table, &unseen).await?);
        }
        for (since, wanted) in seen {
            known.extend(self.landed_between(table, since, &wanted).await?);
        }
        let mut absent = self.absent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        absent.forget(known.iter());
        absent.remember(keys.iter().filter(|key| !known.contains(key)).cloned(), version);
        Ok(known)
    }

    /// Splits `keys` into those never looked for (or too long ago), and those absent at an earlier version.
    fn by_last_look(&self, keys: &[RowKey], version: u64) -> (HashSet<RowKey>, HashMap<u64, HashSet<RowKey>>) {
        let absent = self.absent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut unseen = HashSet::new();
        let mut seen: HashMap<u64, HashSet<RowKey>> = HashMap::new();
        for key in keys {
            match absent.0.get(key) {
                Some(since) if version.saturating_sub(*since) <= COMMITS_READ => {
                    seen.entry(*since).or_default().insert(key.clone());
                }
                _ => {
                    unseen.insert(key.clone());
                }
            }
        }
        (unseen, seen)
    }

    /// Which of `wanted`, absent at version `since`, have landed up to the version of `table`.
    async fn landed_between(
        &self,
        table: &DeltaTable,
        since: u64,
        wanted: &HashSet<RowKey>,
    ) -> Result<HashSet<RowKey>, LakeError> {
        let mut known = HashSet::new();
        for version in since + 1..=version_of(table) {
            let Some(bytes) = self.log().read_commit_entry(version).await? else {
                // Log entries that a checkpoint has replaced may be gone.
                return self.scan_table(table, wanted).await;
            };
            let entry = LogEntry::parse(version, &bytes)?;
            match entry.row_keys {
                Some(keys) => known.extend(keys.into_iter().filter(|key| wanted.contains(key))),
                None => known.extend(self.scan_files(entry.added, wanted).await?),
            }
        }
        Ok(known)
    }

    async fn scan_table(&self, table: &DeltaTable, wanted: &HashSet<RowKey>) -> Result<HashSet<RowKey>, LakeError> {
        let mut sorted: Vec<&str> = wanted.iter().map(RowKey::as_str).collect();
        sorted.sort_unstable();
        let files = table
            .snapshot()?
            .log_data()
            .iter()
            .filter(|file| file.stats().is_none_or(|stats| may_hold(&stats, &sorted)))
            .map(|file| (file.object_store_path(), u64::try_from(file.size()).ok()))
            .collect();
        self.scan_files(files, wanted).await
    }

    /// Which of `wanted` are in `files` (path in the table, size in bytes where known).
    async fn scan_files(
        &self,
        files: Vec<(Path, Option<u64>)>,
        wanted: &HashSet<RowKey>,
    ) -> Result<HashSet<RowKey>, LakeError> {
        stream::iter(files)
            .map(|(path, size)| self.scan_file(path, size, wanted))
            .buffer_unordered(FILES_AT_ONCE)
            .try_fold(HashSet::new(), |mut known, found| async move {
                known.extend(found);
                Ok(known)
            })
            .await
    }

    async fn scan_file(
        &self,
        path: Path,
        size: Option<u64>,
        wanted: &HashSet<RowKey>,
    ) -> Result<HashSet<RowKey>, LakeError> {
        let mut reader = ParquetObjectReader::new(self.log().object_store(None), path);
        if let Some(size) = size {
            reader = reader.with_file_size(size);
        }
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await?;
        let column = ProjectionMask::columns(builder.parquet_schema(), ["row_key"]);
        let mut batches = builder.with_projection(column).with_batch_size(ROWS_AT_ONCE).build()?;
        let mut known = HashSet::new();
        while let Some(batch) = batches.try_next().await? {
            collect(&batch, wanted, &mut known)?;
        }
        Ok(known)
    }
}

fn collect(batch: &RecordBatch, wanted: &HashSet<RowKey>, known: &mut HashSet<RowKey>) -> Result<(), LakeError> {
    let Some(column) = batch.columns().first() else { return Ok(()) };
    let text = if *column.data_type() == DataType::Utf8 { Arc::clone(column) } else { cast(column, &DataType::Utf8)? };
    for key in text.as_string::<i32>().iter().flatten() {
        let key = RowKey::from_stored(key);
        if wanted.contains(&key) {
            known.insert(key);
        }
    }
    Ok(())
}

/// Whether a file with these statistics may hold one of `sorted`. The log may hold shortened values: the smallest one
/// cut off, the largest one cut off and raised.
fn may_hold(stats: &str, sorted: &[&str]) -> bool {
    let Ok(stats) = serde_json::from_str::<Value>(stats) else { return true };
    let bound = |side: &str| stats.get(side).and_then(|values| values.get("row_key")).and_then(Value::as_str);
    let (Some(least), Some(greatest)) = (bound("minValues"), bound("maxValues")) else { return true };
    let first = sorted.partition_point(|key| *key < least);
    sorted.get(first).is_some_and(|key| *key <= greatest || key.starts_with(greatest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_rule_out_only_what_cannot_be_there() {
        let stats = r#"{"numRecords":2,"minValues":{"row_key":"b"},"maxValues":{"row_key":"d"}}"#;
        assert!(may_hold(stats, &["a", "c"]));
        assert!(may_hold(stats, &["d5"]));
        assert!(!may_hold(stats, &["a", "e"]));
        assert!(may_hold("{}", &["a"]));
    }
}
