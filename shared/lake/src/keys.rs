//! Which row keys are in the lake.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
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

use crate::error::LakeError;
use crate::lake::{Lake, version_of};

/// Files read at the same time while keys are read.
const FILES_AT_ONCE: usize = 16;

/// Rows of the key column in memory at a time, for each file.
const ROWS_AT_ONCE: usize = 8_192;

/// Hexadecimal digits of a key that is a sha256.
const KEY_DIGITS: usize = 64;

/// New keys that are kept apart before they are sorted in: at least this many, and an eighth of all.
const FRESH_KEYS: usize = 65_536;

/// The first half of a key: 128 bits of a sha256, so that two keys of a lake never share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fingerprint(u128);

impl Fingerprint {
    pub fn of(key: &RowKey) -> Self {
        Self::of_text(key.as_str())
    }

    fn of_text(key: &str) -> Self {
        let digits = (key.len() == KEY_DIGITS).then(|| key.get(..KEY_DIGITS / 2)).flatten();
        let number = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        // A key of another form is not of this program's making.
        Self(number.unwrap_or_else(|| u128::from(hash(0, key)) << 64 | u128::from(hash(1, key))))
    }
}

fn hash(seed: u8, key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, key).hash(&mut hasher);
    hasher.finish()
}

/// The keys of the lake's rows, 16 bytes each.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex {
    sorted: Vec<Fingerprint>,
    fresh: HashSet<Fingerprint>,
    complete: bool,
    /// Counts how often everything was forgotten.
    generation: u64,
}

impl KeyIndex {
    /// Whether every key of the lake is here. Before that only those of the entries taken in are.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether `key` is in the lake; none where that is not known.
    pub fn holds(&self, key: &RowKey) -> Option<bool> {
        let key = Fingerprint::of(key);
        self.complete.then(|| self.fresh.contains(&key) || self.sorted.binary_search(&key).is_ok())
    }

    pub fn extend(&mut self, keys: impl Iterator<Item = Fingerprint>) {
        self.fresh.extend(keys);
        if self.fresh.len() > FRESH_KEYS.max(self.sorted.len() / 8) {
            self.sorted.extend(self.fresh.drain());
            // Stable, for the sake of its speed on what is sorted for the most part.
            self.sorted.sort();
            self.sorted.dedup();
        }
    }

    pub fn forget_all(&mut self) {
        *self = Self { generation: self.generation + 1, ..Self::default() };
    }
}

impl Lake {
    /// Which of `keys` are in the lake.
    ///
    /// The first call reads the column `row_key` of every file, a part at a time, and keeps 16 bytes for each row of the
    /// lake; from then on a call reads only the log entries that are new.
    ///
    /// # Errors
    /// The store's.
    pub fn known_keys<'a>(&'a self, keys: &'a [RowKey]) -> BoxFuture<'a, Result<HashSet<RowKey>, LakeError>> {
        Box::pin(async move {
            self.caught_up().await?;
            loop {
                self.index_keys().await?;
                let tail = self.tail();
                if tail.keys.is_complete() {
                    return Ok(keys.iter().filter(|key| tail.keys.holds(key) == Some(true)).cloned().collect());
                }
            }
        })
    }

    /// Makes the tail know every key of the lake. Whoever comes while they are being read waits for that.
    pub(crate) async fn index_keys(&self) -> Result<(), LakeError> {
        if self.tail().keys.is_complete() {
            return Ok(());
        }
        let _turn = self.indexing.lock().await;
        let generation = {
            let tail = self.tail();
            if tail.keys.is_complete() {
                return Ok(());
            }
            tail.keys.generation
        };
        let table = self.refreshed().await?;
        let found = self.scan_table(&table).await?;
        // What the table has, the tail must have too, or an append would take its own late commit for another's.
        self.caught_up().await?;
        let mut tail = self.tail();
        if tail.keys.generation == generation && tail.version >= version_of(&table) {
            tail.keys.extend(found.into_iter());
            tail.keys.complete = true;
        }
        Ok(())
    }

    async fn scan_table(&self, table: &DeltaTable) -> Result<Vec<Fingerprint>, LakeError> {
        let mut found = Vec::new();
        let mut files = Vec::new();
        for file in table.snapshot()?.log_data().iter() {
            match file.stats().and_then(|stats| keys_in_statistics(&stats)) {
                Some(keys) => found.extend(keys),
                None => files.push((file.object_store_path(), u64::try_from(file.size()).ok())),
            }
        }
        found.extend(self.scan_files(files).await?);
        Ok(found)
    }

    /// The keys in `files` (path in the table, size in bytes where known).
    pub(crate) async fn scan_files(&self, files: Vec<(Path, Option<u64>)>) -> Result<Vec<Fingerprint>, LakeError> {
        stream::iter(files)
            .map(|(path, size)| self.scan_file(path, size))
            .buffer_unordered(FILES_AT_ONCE)
            .try_fold(Vec::new(), |mut all, found| async move {
                all.extend(found);
                Ok(all)
            })
            .await
    }

    async fn scan_file(&self, path: Path, size: Option<u64>) -> Result<Vec<Fingerprint>, LakeError> {
        let mut reader = ParquetObjectReader::new(self.log().object_store(None), path);
        if let Some(size) = size {
            reader = reader.with_file_size(size);
        }
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await?;
        let column = ProjectionMask::columns(builder.parquet_schema(), ["row_key"]);
        let mut batches = builder.with_projection(column).with_batch_size(ROWS_AT_ONCE).build()?;
        let mut found = Vec::new();
        while let Some(batch) = batches.try_next().await? {
            collect(&batch, &mut found)?;
        }
        Ok(found)
    }
}

fn collect(batch: &RecordBatch, found: &mut Vec<Fingerprint>) -> Result<(), LakeError> {
    let Some(column) = batch.columns().first() else { return Ok(()) };
    let text = if *column.data_type() == DataType::Utf8 { Arc::clone(column) } else { cast(column, &DataType::Utf8)? };
    found.extend(text.as_string::<i32>().iter().flatten().map(Fingerprint::of_text));
    Ok(())
}

/// The keys of a file of one or two rows: its statistics name them. None where they say less, or shorten them.
fn keys_in_statistics(stats: &str) -> Option<Vec<Fingerprint>> {
    let stats: Value = serde_json::from_str(stats).ok()?;
    let rows = stats.get("numRecords").and_then(Value::as_u64)?;
    let bound = |side: &str| {
        let key = stats.get(side)?.get("row_key")?.as_str()?;
        (key.len() == KEY_DIGITS).then(|| Fingerprint::of_text(key))
    };
    let (least, greatest) = (bound("minValues")?, bound("maxValues")?);
    match rows {
        1 if least == greatest => Some(vec![least]),
        2 if least != greatest => Some(vec![least, greatest]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(digit: char) -> String {
        std::iter::repeat_n(digit, KEY_DIGITS).collect()
    }

    fn statistics(rows: u32, least: &str, greatest: &str) -> String {
        format!(r#"{{"numRecords":{rows},"minValues":{{"row_key":"{least}"}},"maxValues":{{"row_key":"{greatest}"}}}}"#)
    }

    #[test]
    fn statistics_name_the_keys_of_small_files_only() {
        let (a, b) = (key('a'), key('b'));
        let (of_a, of_b) = (Fingerprint::of_text(&a), Fingerprint::of_text(&b));
        assert_eq!(keys_in_statistics(&statistics(1, &a, &a)), Some(vec![of_a]));
        assert_eq!(keys_in_statistics(&statistics(2, &a, &b)), Some(vec![of_a, of_b]));
        assert_eq!(keys_in_statistics(&statistics(3, &a, &b)), None);
        assert_eq!(keys_in_statistics(&statistics(1, &a, &b)), None);
        assert_eq!(keys_in_statistics(&statistics(1, &a[..32], &a[..32])), None);
        assert_eq!(keys_in_statistics("{}"), None);
    }

    #[test]
    fn an_index_finds_what_was_put_in_before_and_after_it_was_sorted() {
        let keys: Vec<RowKey> =
            (0..200_000_u128).map(|n| RowKey::from_stored(&format!("{:032x}{n:032x}", n * 7919))).collect();
        let mut index = KeyIndex::default();
        index.extend(keys.iter().step_by(2).map(Fingerprint::of));
        assert_eq!(index.holds(&keys[0]), None);
        index.complete = true;
        assert!(index.sorted.len() > FRESH_KEYS);
        index.extend(std::iter::once(Fingerprint::of(&keys[1])));
        assert_eq!(index.fresh.len(), 1);
        assert!([0, 1, 2, 199_998].iter().all(|place| index.holds(&keys[*place]) == Some(true)));
        assert!([3, 199_999].iter().all(|place| index.holds(&keys[*place]) == Some(false)));
        assert_ne!(Fingerprint::of_text("k1"), Fingerprint::of_text("k2"));
        index.forget_all();
        assert_eq!(index.holds(&keys[0]), None);
    }
}
