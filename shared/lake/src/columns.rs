//! Rows to columns.

use std::sync::Arc;

use bolus_study::{LabelRow, Prediction, SliceScore};
use deltalake::arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use deltalake::arrow::buffer::OffsetBuffer;
use deltalake::arrow::datatypes::{Field, Fields};
use deltalake::arrow::error::ArrowError;

use crate::schema;

/// Puts `rows` into columns, in the order of the schema.
pub(crate) fn to_batch(rows: &[&LabelRow]) -> Result<RecordBatch, ArrowError> {
    let mut columns = identity_columns(rows);
    columns.extend(series_columns(rows)?);
    columns.extend(label_columns(rows)?);
    columns.extend(run_columns(rows)?);
    columns.extend(added_columns(rows)?);
    RecordBatch::try_new(schema::labels_schema(), columns)
}

fn text<'a>(rows: &[&'a LabelRow], value: impl Fn(&'a LabelRow) -> &'a str) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows.iter().map(|row| value(row))))
}

fn optional_text<'a>(rows: &[&'a LabelRow], value: impl Fn(&'a LabelRow) -> Option<&'a str>) -> ArrayRef {
    Arc::new(rows.iter().map(|row| value(row)).collect::<StringArray>())
}

fn number(rows: &[&LabelRow], value: impl Fn(&LabelRow) -> Option<f64>) -> ArrayRef {
    Arc::new(rows.iter().map(|row| value(row)).collect::<Float64Array>())
}

fn count(rows: &[&LabelRow], value: impl Fn(&LabelRow) -> Option<usize>) -> ArrayRef {
    Arc::new(rows.iter().map(|row| value(row).map(to_long)).collect::<Int64Array>())
}

/// Counts beyond `i64` do not occur: they count things in memory.
fn to_long(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The elements of all rows' lists. They are gathered first: the array wants to know their number.
fn elements(values: impl Iterator<Item = impl AsRef<str>>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values.collect::<Vec<_>>()))
}

/// One list a row; `elements` holds all rows' elements, one row after the other.
fn list(lengths: impl IntoIterator<Item = usize>, elements: ArrayRef) -> Result<ArrayRef, ArrowError> {
    let field = Arc::new(Field::new("element", elements.data_type().clone(), false));
    Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), elements, None)?))
}

fn structs(fields: Fields, columns: Vec<ArrayRef>) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(StructArray::try_new(fields, columns, None)?))
}

fn prediction<T>(row: &LabelRow, value: impl FnOnce(&Prediction) -> T) -> Option<T> {
    row.prediction().map(value)
}

fn identity_columns(rows: &[&LabelRow]) -> Vec<ArrayRef> {
    vec![
        text(rows, |row| row.key.as_str()),
        text(rows, |row| row.status().as_str()),
        optional_text(rows, |row| row.reason().map(|reason| reason.code.as_str())),
        optional_text(rows, |row| row.reason().map(|reason| reason.detail.as_str())),
        optional_text(rows, |row| row.study_uid.as_ref().map(|uid| uid.as_str())),
        optional_text(rows, |row| row.series_uid.as_ref().map(|uid| uid.as_str())),
        Arc::new(rows.iter().map(|row| Some(row.series_uid_derived)).collect::<BooleanArray>()),
        optional_text(rows, |row| row.patient_key.as_deref()),
        text(rows, |row| &row.source_uri),
        text(rows, |row| row.content.as_str()),
        text(rows, |row| &row.bundle.name),
        text(rows, |row| &row.bundle.version),
        text(rows, |row| &row.bundle.digest),
    ]
}

fn series_columns(rows: &[&LabelRow]) -> Result<Vec<ArrayRef>, ArrowError> {
    let syntaxes = rows.iter().flat_map(|row| &row.facts.transfer_syntaxes);
    let body_part = rows.iter().map(|row| row.body_part.as_ref().map(|found| found.joined()));
    Ok(vec![
        optional_text(rows, |row| row.facts.modality.as_deref()),
        list(rows.iter().map(|row| row.facts.transfer_syntaxes.len()), elements(syntaxes))?,
        optional_text(rows, |row| row.facts.manufacturer.as_deref()),
        optional_text(rows, |row| row.facts.kernel.as_deref()),
        count(rows, |row| Some(row.facts.slices)),
        count(rows, |row| row.facts.rows),
        count(rows, |row| row.facts.columns),
        number(rows, |row| row.facts.pixel_spacing_mm.map(|[y, _]| y)),
        number(rows, |row| row.facts.pixel_spacing_mm.map(|[_, x]| x)),
        number(rows, |row| row.facts.slice_spacing_mm),
        number(rows, |row| row.facts.slice_thickness_mm),
        count(rows, |row| Some(row.facts.gaps)),
        number(rows, |row| row.facts.shear_deg),
        Arc::new(body_part.collect::<StringArray>()),
        optional_text(rows, |row| row.body_part.as_ref().map(|found| found.source.as_str())),
    ])
}

fn label_columns(rows: &[&LabelRow]) -> Result<Vec<ArrayRef>, ArrowError> {
    Ok(vec![
        optional_text(rows, |row| row.declared.as_ref().map(|declared| declared.verdict.as_str())),
        evidence_column(rows)?,
        optional_text(rows, |row| prediction(row, |label| label.class.as_str())),
        number(rows, |row| prediction(row, |label| label.probability)),
        number(rows, |row| prediction(row, |label| label.raw_probability)),
        optional_text(rows, |row| prediction(row, |label| label.audit.as_str())),
        slices_column(rows)?,
        optional_text(rows, |row| row.prediction().map(|label| label.device.as_str())),
        optional_text(rows, |row| row.prediction().map(|label| label.runtime.as_str())),
    ])
}

fn run_columns(rows: &[&LabelRow]) -> Result<Vec<ArrayRef>, ArrowError> {
    let created = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.created_at_us));
    Ok(vec![
        count(rows, |row| Some(row.files)),
        refused_column(rows)?,
        number(rows, |row| Some(row.seconds)),
        Arc::new(created.with_timezone("UTC")),
        text(rows, |row| &row.program_version),
        optional_text(rows, |row| row.event.as_deref()),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| i64::from(row.attempts)))),
    ])
}

fn added_columns(rows: &[&LabelRow]) -> Result<Vec<ArrayRef>, ArrowError> {
    let stack = rows.iter().map(|row| row.stack.as_ref().map(|stack| i64::from(stack.number)));
    Ok(vec![
        count(rows, |row| prediction(row, |label| label.slices_planned).flatten()),
        Arc::new(stack.collect::<Int64Array>()),
        optional_text(rows, |row| row.stack.as_ref().map(|stack| stack.parted_by.as_str())),
        number(rows, |row| prediction(row, |label| label.coverage).flatten()),
        remarks_column(rows)?,
    ])
}

fn evidence_column(rows: &[&LabelRow]) -> Result<ArrayRef, ArrowError> {
    let of = |row: &&LabelRow| row.declared.as_ref().map_or(0, |declared| declared.evidence.len());
    let all = || rows.iter().filter_map(|row| row.declared.as_ref()).flat_map(|declared| &declared.evidence);
    let columns: Vec<ArrayRef> = vec![
        elements(all().map(|evidence| &evidence.attribute)),
        elements(all().map(|evidence| &evidence.value)),
        elements(all().map(|evidence| evidence.says.as_str())),
        elements(all().map(|evidence| &evidence.rule)),
    ];
    list(rows.iter().map(of), structs(schema::evidence_fields(), columns)?)
}

fn scores<'a>(rows: &[&'a LabelRow]) -> impl Iterator<Item = &'a SliceScore> {
    rows.iter().filter_map(|row| row.prediction()).flat_map(|label| &label.slices)
}

fn slices_column(rows: &[&LabelRow]) -> Result<ArrayRef, ArrowError> {
    let of = |row: &&LabelRow| prediction(row, |label| label.slices.len()).unwrap_or(0);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from_iter_values(scores(rows).map(|slice| slice.z_mm))),
        elements(scores(rows).map(|slice| slice.sop_instance_uid.as_str())),
        Arc::new(Float32Array::from_iter_values(scores(rows).map(|slice| slice.probability))),
    ];
    list(rows.iter().map(of), structs(schema::slice_fields(), columns)?)
}

fn refused_column(rows: &[&LabelRow]) -> Result<ArrayRef, ArrowError> {
    let all = || rows.iter().flat_map(|row| &row.refused_slices);
    let columns: Vec<ArrayRef> = vec![
        elements(all().map(|(reason, _)| reason)),
        Arc::new(Int64Array::from_iter_values(all().map(|(_, slices)| to_long(*slices)))),
    ];
    list(rows.iter().map(|row| row.refused_slices.len()), structs(schema::refused_fields(), columns)?)
}

fn remarks_column(rows: &[&LabelRow]) -> Result<ArrayRef, ArrowError> {
    let all = || rows.iter().flat_map(|row| &row.remarks);
    let columns: Vec<ArrayRef> =
        vec![elements(all().map(|remark| remark.code.as_str())), elements(all().map(|remark| &remark.detail))];
    list(rows.iter().map(|row| row.remarks.len()), structs(schema::remark_fields(), columns)?)
}
