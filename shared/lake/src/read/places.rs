//! Rows in the order of where their data lie.

use bolus_study::{RowKey, Status};

use crate::error::LakeError;
use crate::read::batch::Batch;
use crate::read::filter::RowFilter;
use crate::read::rows::{Rows, ask};
use crate::table::Table;

/// A row, as far as it matters for what became of the data at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedRow {
    /// The row's key.
    pub key: RowKey,
    /// Where its data lie: the URI of a folder, an object or an archive, with a slash at its end.
    pub place: String,
    /// What the row is about; a newer row about the same replaces it. A series of several stacks has one row a stack: its size and
    /// spacing tell them apart, content would also tell a series from itself with late slices.
    pub about: String,
    /// How it ended.
    pub status: Status,
    /// Whether it is about an event as a whole.
    pub of_event: bool,
    /// Files that it stands for.
    pub files: u64,
    /// When it was made, microseconds since the Unix epoch, UTC.
    pub created_at_us: i64,
}

const PLACES: &str = r"
    SELECT row_key,
           rtrim(regexp_replace(source_uri, '(?i)(\.(?:zip|tar|tar\.gz|tgz))!/.*$', '\1'), '/') || '/' AS place,
           concat_ws('|', coalesce(series_instance_uid, source_uri), CAST(rows AS VARCHAR), CAST(columns AS VARCHAR),
                     CAST(pixel_spacing_x_mm AS VARCHAR)) AS about,
           status, series_instance_uid IS NULL AND files = 0 AS of_event, files, created_at
    FROM chosen
    ORDER BY place";

pub(crate) async fn read(table: &Table, filter: &RowFilter) -> Result<Rows<PlacedRow>, LakeError> {
    ask(table, filter, None, PLACES, places).await
}

fn places(batch: &Batch) -> Result<Vec<PlacedRow>, LakeError> {
    let (keys, places, about) = (batch.texts("row_key")?, batch.texts("place")?, batch.texts("about")?);
    let (statuses, of_event) = (batch.texts("status")?, batch.flags("of_event")?);
    let (files, made) = (batch.longs("files")?, batch.instants("created_at")?);
    batch.rows(|row| {
        Ok(PlacedRow {
            key: RowKey::from_stored(keys.required(row)?),
            place: places.owned(row)?,
            about: about.owned(row)?,
            status: statuses.parsed(row, "labelled, refused or failed", Status::from_name)?,
            of_event: of_event.required(row)?,
            files: files.required(row)?,
            created_at_us: made.required(row)?,
        })
    })
}
