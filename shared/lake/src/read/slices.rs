//! The slices' probabilities.

use bolus_study::RowKey;

use crate::error::LakeError;
use crate::read::batch::Batch;
use crate::read::filter::RowFilter;
use crate::read::rows::{Rows, ask};
use crate::table::Table;

/// The slices of one labelled row. A series that is labelled again keeps its key: key and time together name a row.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceProbabilities {
    /// The row's key.
    pub key: RowKey,
    /// When the row was made, microseconds since the Unix epoch, UTC.
    pub created_at_us: i64,
    /// The probability of each scored slice as the network gave it, from caudal to cranial.
    pub probabilities: Vec<f32>,
}

const SLICES: &str = "SELECT row_key, created_at, slices FROM chosen WHERE status = 'labelled'";

pub(crate) async fn read(table: &Table, filter: &RowFilter) -> Result<Rows<SliceProbabilities>, LakeError> {
    ask(table, filter, None, SLICES, slices).await
}

fn slices(batch: &Batch) -> Result<Vec<SliceProbabilities>, LakeError> {
    let (keys, made) = (batch.texts("row_key")?, batch.instants("created_at")?);
    let slices = batch.struct_lists("slices")?;
    let probabilities = slices.elements.singles("probability")?;
    batch.rows(|row| {
        Ok(SliceProbabilities {
            key: RowKey::from_stored(keys.required(row)?),
            created_at_us: made.required(row)?,
            probabilities: slices.read(row, |slice| probabilities.required(slice))?,
        })
    })
}
