//! The labelled set that the user names, CSV or Parquet.

use std::path::Path;

use anyhow::Context;
use bolus_evaluation::truth::{LabelledSet, Split};

/// What a Parquet file begins with.
const PARQUET_MAGIC: &[u8] = b"PAR1";

/// Reads the labelled set at `path`. What the file is, its first bytes say, not its name.
pub fn read(path: &Path) -> anyhow::Result<LabelledSet> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read truth file {name}"))?;
    if !bytes.starts_with(PARQUET_MAGIC) {
        return Ok(LabelledSet::from_csv(&name, &bytes)?);
    }
    let (columns, rows) = bolus_lake::parquet_to_table(bytes).with_context(|| format!("truth file {name}"))?;
    Ok(LabelledSet::from_table(&name, &columns, &rows)?)
}

/// The series of one split, or all; a split that nothing is in is an error.
pub fn of_split(truth: &LabelledSet, split: Option<Split>, path: &Path) -> anyhow::Result<LabelledSet> {
    let Some(split) = split else { return Ok(truth.clone()) };
    let chosen = truth.of_split(split);
    let has_splits = truth.iter().any(|series| series.split.is_some());
    let hint = if has_splits { "its series are in other splits" } else { "its column `split` is missing or empty" };
    anyhow::ensure!(!chosen.is_empty(), "truth file {} has no series of split {split}: {hint}", path.display());
    Ok(chosen)
}
