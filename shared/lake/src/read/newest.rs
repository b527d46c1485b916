//! The newest row of each series.

use bolus_study::{BundleRef, PredictedClass, RowKey, SeriesUid, Status};

use crate::error::LakeError;
use crate::read::batch::{Batch, Numbers, Odd, Texts};
use crate::read::filter::RowFilter;
use crate::read::rows::{Rows, ask};
use crate::table::Table;

/// The newest row of a series, or of one of its stacks, under one bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct NewestRow {
    /// The row's key.
    pub key: RowKey,
    /// When the row was made, microseconds since the Unix epoch, UTC.
    pub created_at_us: i64,
    /// The series.
    pub series: SeriesUid,
    /// Which stack of it, where it has several.
    pub stack: Option<u32>,
    /// The bundle.
    pub bundle: BundleRef,
    /// How it ended.
    pub outcome: NewestOutcome,
    /// Body parts, joined by `+`.
    pub body_part: Option<String>,
    /// Transfer syntax UIDs of the instances.
    pub transfer_syntaxes: Vec<String>,
    /// Nominal slice thickness in millimetres.
    pub slice_thickness_mm: Option<f64>,
    /// Where the data were read.
    pub source_uri: String,
}

/// How it ended, without the slices: [`crate::Lake::slice_probabilities`] has them.
#[derive(Debug, Clone, PartialEq)]
pub enum NewestOutcome {
    /// It has a label.
    Labelled {
        /// The class at the bundle's thresholds.
        class: PredictedClass,
        /// The calibrated probability of intravenous contrast.
        probability: f64,
        /// The aggregate of the slice probabilities before calibration.
        raw_probability: f64,
        /// Slices that the bundle's preprocessing plans; none in rows of before schema version 2.
        slices_planned: Option<usize>,
        /// Whether only a part of these was scored.
        in_part: bool,
    },
    /// It was refused, for the reason of that code, as it is stored.
    Refused(String),
    /// It failed, for the reason of that code, as it is stored.
    Failed(String),
}

const NEWEST: &str = "
    SELECT row_key, created_at, series_instance_uid, stack, bundle_name, bundle_version, bundle_digest, status, reason_code,
           probability, raw_probability, predicted_class, slices_planned, in_part, body_part, transfer_syntaxes,
           slice_thickness_mm, source_uri
    FROM (
        SELECT *, row_number() OVER (
            PARTITION BY series_instance_uid, stack, bundle_digest, status = 'labelled', in_part
            ORDER BY created_at DESC, row_key
        ) AS newest
        FROM (
            SELECT row_key, created_at, series_instance_uid, stack, bundle_name, bundle_version, bundle_digest, status,
                   reason_code, probability, raw_probability, predicted_class, slices_planned,
                   coalesce(slices_planned > array_length(slices), false) AS in_part, body_part, transfer_syntaxes,
                   slice_thickness_mm, source_uri
            FROM chosen
            WHERE series_instance_uid IS NOT NULL
        )
    )
    WHERE newest = 1";

pub(crate) async fn read(table: &Table, filter: &RowFilter) -> Result<Rows<NewestRow>, LakeError> {
    ask(table, filter, None, NEWEST, newest).await
}

fn newest(batch: &Batch) -> Result<Vec<NewestRow>, LakeError> {
    let (keys, made, series) =
        (batch.texts("row_key")?, batch.instants("created_at")?, batch.texts("series_instance_uid")?);
    let names = (batch.texts("bundle_name")?, batch.texts("bundle_version")?, batch.texts("bundle_digest")?);
    let (stacks, parts) = (batch.longs("stack")?, batch.texts("body_part")?);
    let (syntaxes, thickness) = (batch.text_lists("transfer_syntaxes")?, batch.numbers("slice_thickness_mm")?);
    let (sources, outcomes) = (batch.texts("source_uri")?, outcomes(batch)?);
    batch.rows(|row| {
        Ok(NewestRow {
            key: RowKey::from_stored(keys.required(row)?),
            created_at_us: made.required(row)?,
            series: series.parsed(row, "a UID", |text| SeriesUid::try_from(text.to_owned()).ok())?,
            stack: stacks.optional(row)?,
            bundle: BundleRef { name: names.0.owned(row)?, version: names.1.owned(row)?, digest: names.2.owned(row)? },
            outcome: outcomes(row)?,
            body_part: parts.optional(row).map(str::to_owned),
            transfer_syntaxes: syntaxes.read(row, |at| syntaxes.elements.owned(at))?,
            slice_thickness_mm: thickness.optional(row),
            source_uri: sources.owned(row)?,
        })
    })
}

/// Reads the outcome of a row by its place.
fn outcomes(batch: &Batch) -> Result<impl Fn(usize) -> Result<NewestOutcome, Odd>, LakeError> {
    let (statuses, codes): (Texts, Texts) = (batch.texts("status")?, batch.texts("reason_code")?);
    let (probability, raw): (Numbers, Numbers) = (batch.numbers("probability")?, batch.numbers("raw_probability")?);
    let (classes, planned) = (batch.texts("predicted_class")?, batch.longs("slices_planned")?);
    let in_part = batch.flags("in_part")?;
    Ok(move |row| {
        Ok(match statuses.parsed(row, "labelled, refused or failed", Status::from_name)? {
            Status::Labelled => NewestOutcome::Labelled {
                class: classes.parsed(row, "enhanced, native or indeterminate", PredictedClass::from_name)?,
                probability: probability.required(row)?,
                raw_probability: raw.required(row)?,
                slices_planned: planned.optional(row)?,
                in_part: in_part.required(row)?,
            },
            Status::Refused => NewestOutcome::Refused(codes.owned(row)?),
            Status::Failed => NewestOutcome::Failed(codes.owned(row)?),
        })
    })
}
