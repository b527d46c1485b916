//! The views over `labels`, as SQL. `schemas/labels.json` says what their columns mean.

use std::sync::Arc;

use deltalake::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use deltalake::arrow::datatypes::{DataType, Float32Type};
use deltalake::datafusion::common::{DataFusionError, exec_datafusion_err};
use deltalake::datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

use crate::schema::labels_schema;

/// A slice counts as positive at or above this probability.
const POSITIVE: f32 = 0.5;

/// The newest label of each series, or of each of its stacks, under each bundle, one row each, without nested columns. A label of the
/// series as a whole that later ones of its stacks replaced is not among them, nor are those of stacks before a later one of the whole.
const SERIES_LABELS: &str = "
    SELECT row_key, study_instance_uid, series_instance_uid, series_uid_derived, patient_key, source_uri, content_sha256,
           bundle_name, bundle_version, bundle_digest, modality, manufacturer, kernel, slice_count, rows, columns,
           pixel_spacing_y_mm, pixel_spacing_x_mm, slice_spacing_mm, slice_thickness_mm, gaps, shear_deg, body_part,
           body_part_source, declared_contrast, predicted_class, probability, raw_probability, audit, scored_slices,
           positive_slices, slices_planned, device, runtime, files, seconds, created_at, program_version,
           stack, stack_parted_by, coverage
    FROM (
        SELECT *, row_number() OVER (
            PARTITION BY series_instance_uid, stack, bundle_name ORDER BY created_at DESC, row_key
        ) AS newest, first_value(stack IS NULL) OVER (
            PARTITION BY series_instance_uid, bundle_name ORDER BY created_at DESC, row_key
        ) AS newest_is_whole
        FROM (
            SELECT *, CAST(coalesce(array_length(slices), 0) AS BIGINT) AS scored_slices,
                   count_positive_slices(slices) AS positive_slices
            FROM labels
            WHERE status = 'labelled'
        )
    )
    WHERE newest = 1 AND (stack IS NULL) = newest_is_whole";

/// The slices of the rows of `series_labels`, one row each. The join is against the rows that newer ones replace, which
/// are few: the table itself streams through, however long it is.
const SLICE_SCORES: &str = "
    SELECT row_key, study_instance_uid, series_instance_uid, bundle_name, bundle_version, slice['z_mm'] AS z_mm,
           slice['sop_instance_uid'] AS sop_instance_uid, slice['probability'] AS probability, stack
    FROM (
        SELECT l.row_key, l.study_instance_uid, l.series_instance_uid, l.bundle_name, l.bundle_version, l.stack,
               unnest(l.slices) AS slice
        FROM (
            SELECT row_key AS old_key, created_at AS old_created_at
            FROM (
                SELECT row_key, created_at, stack, row_number() OVER (
                    PARTITION BY series_instance_uid, stack, bundle_name ORDER BY created_at DESC, row_key
                ) AS newest, first_value(stack IS NULL) OVER (
                    PARTITION BY series_instance_uid, bundle_name ORDER BY created_at DESC, row_key
                ) AS newest_is_whole
                FROM labels
                WHERE status = 'labelled'
            )
            WHERE newest > 1 OR (stack IS NULL) <> newest_is_whole
        )
        RIGHT ANTI JOIN labels l ON old_key = l.row_key AND old_created_at = l.created_at
        WHERE l.status = 'labelled'
    )";

/// What was not labelled, and why.
const FAILURES: &str = "
    SELECT row_key, status, reason_code, reason, study_instance_uid, series_instance_uid, source_uri, bundle_name,
           bundle_version, modality, body_part, slice_count, files, attempts, event, created_at, program_version,
           stack, stack_parted_by
    FROM labels
    WHERE status <> 'labelled'";

/// Name and query of each view; a later one may rest on an earlier one.
pub(crate) const VIEWS: [(&str, &str); 3] =
    [("series_labels", SERIES_LABELS), ("slice_scores", SLICE_SCORES), ("failures", FAILURES)];

/// `count_positive_slices(slices)`: how many elements of the column `slices` have a probability of at least 0.5.
pub(crate) fn count_positive_slices() -> Result<ScalarUDF, DataFusionError> {
    let slices = labels_schema().field_with_name("slices")?.data_type().clone();
    let count = |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let slices = arrays.first().ok_or_else(|| exec_datafusion_err!("count_positive_slices takes one argument"))?;
        Ok(ColumnarValue::Array(positive_slices(slices)?))
    };
    Ok(create_udf("count_positive_slices", vec![slices], DataType::Int64, Volatility::Immutable, Arc::new(count)))
}

fn positive_slices(slices: &ArrayRef) -> Result<ArrayRef, DataFusionError> {
    let wrong = || exec_datafusion_err!("count_positive_slices takes the column `slices`, not {}", slices.data_type());
    let lists = slices.as_list_opt::<i32>().ok_or_else(wrong)?;
    let elements = lists.values().as_struct_opt().ok_or_else(wrong)?;
    let probability = elements.column_by_name("probability").ok_or_else(wrong)?;
    let probability = probability.as_primitive_opt::<Float32Type>().ok_or_else(wrong)?;
    let counts = lists.offsets().windows(2).map(|bounds| {
        let &[first, end] = bounds else { return 0 };
        let length = usize::try_from(end - first).unwrap_or(0);
        let list = probability.slice(usize::try_from(first).unwrap_or(0), length);
        i64::try_from(list.iter().flatten().filter(|value| *value >= POSITIVE).count()).unwrap_or(i64::MAX)
    });
    Ok(Arc::new(Int64Array::from_iter_values(counts)))
}
