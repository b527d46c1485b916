//! Reading the keys of the table's files.

use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::arrow::array::{Array, AsArray, RecordBatch};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::DataType;
use deltalake::logstore::LogStoreRef;
use deltalake::logstore::parquet_reader::ParquetObjectReader;
use deltalake::parquet::arrow::ProjectionMask;
use deltalake::parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use serde_json::Value;

use crate::error::LakeError;
use crate::keys::{Fingerprint, KEY_DIGITS};

/// Files read at the same time while keys are read.
const FILES_AT_ONCE: usize = 16;

/// Rows of the key column in memory at a time, for each file.
const ROWS_AT_ONCE: usize = 8_192;

/// The keys of the whole `table`.
pub(crate) async fn scan_table(log: &LogStoreRef, table: &DeltaTable) -> Result<Vec<Fingerprint>, LakeError> {
    let mut found = Vec::new();
    let mut files = Vec::new();
    for file in table.snapshot()?.log_data().iter() {
        match file.stats().and_then(|stats| keys_in_statistics(&stats)) {
            Some(keys) => found.extend(keys),
            None => files.push((file.object_store_path(), u64::try_from(file.size()).ok())),
        }
    }
    found.extend(scan_files(log, files).await?);
    Ok(found)
}

/// The keys in `files` (path in the table, size in bytes where known).
pub(crate) async fn scan_files(
    log: &LogStoreRef,
    files: Vec<(Path, Option<u64>)>,
) -> Result<Vec<Fingerprint>, LakeError> {
    stream::iter(files)
        .map(|(path, size)| scan_file(log, path, size))
        .buffer_unordered(FILES_AT_ONCE)
        .try_fold(Vec::new(), |mut all, found| async move {
            all.extend(found);
            Ok(all)
        })
        .await
}

async fn scan_file(log: &LogStoreRef, path: Path, size: Option<u64>) -> Result<Vec<Fingerprint>, LakeError> {
    let mut reader = ParquetObjectReader::new(log.object_store(None), path);
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
}
