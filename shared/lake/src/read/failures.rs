//! What failed and nothing newer replaces.

use std::sync::Arc;

use bolus_study::{RowKey, SeriesUid};
use deltalake::arrow::array::{ArrayRef, AsArray, ListBuilder, StringArray, StringBuilder};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Field};
use deltalake::datafusion::common::{DataFusionError, exec_datafusion_err};
use deltalake::datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

use crate::error::LakeError;
use crate::read::batch::Batch;
use crate::read::filter::RowFilter;
use crate::read::rows::{Rows, ask};
use crate::table::Table;

/// A failed row that nothing newer replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFailure {
    /// The row's key.
    pub key: RowKey,
    /// The reason's code, as it is stored: what a newer version made is told too.
    pub reason_code: String,
    /// The reason's particulars.
    pub reason: String,
    /// The series; none where a file or an event failed.
    pub series: Option<SeriesUid>,
    /// Where the data were read.
    pub source_uri: String,
    /// The bundle's name.
    pub bundle_name: String,
    /// Attempts made, at least 1.
    pub attempts: u32,
    /// When the row was made, microseconds since the Unix epoch, UTC.
    pub created_at_us: i64,
    /// The event as received; none for `bolus label`.
    pub event: Option<String>,
}

/// Both joins are by equal columns: that a row lies below the place of an event is asked as whether the event's place is one of those
/// that the row lies in. The failures, few, are kept; the rows stream by.
const FAILURES: &str = "
    SELECT row_key, reason_code, reason, series_instance_uid, source_uri, bundle_name, attempts, created_at, event
    FROM (
        SELECT row_key, reason_code, reason, series_instance_uid, source_uri, bundle_name, attempts, created_at, event, stack,
               coalesce(series_instance_uid, source_uri) AS who,
               CASE WHEN series_instance_uid IS NULL THEN rtrim(source_uri, '/') || '/' END AS place
        FROM chosen
        WHERE status = 'failed'
    )
    LEFT ANTI JOIN (
        SELECT coalesce(series_instance_uid, source_uri) AS newer_who, bundle_name AS newer_bundle, created_at AS newer_at,
               stack AS newer_stack
        FROM labels
    ) ON who = newer_who AND bundle_name = newer_bundle AND newer_at > created_at
         AND (stack IS NULL OR newer_stack IS NULL OR stack = newer_stack)
    LEFT ANTI JOIN (
        SELECT unnest(places_of(source_uri)) AS within, bundle_name AS below_bundle, created_at AS below_at FROM labels
    ) ON place = within AND bundle_name = below_bundle AND below_at > created_at
    ORDER BY created_at DESC, row_key";

pub(crate) async fn read(table: &Table, filter: &RowFilter) -> Result<Rows<OpenFailure>, LakeError> {
    ask(table, filter, Some(places_of()), FAILURES, failures).await
}

fn failures(batch: &Batch) -> Result<Vec<OpenFailure>, LakeError> {
    let (keys, codes, reasons) = (batch.texts("row_key")?, batch.texts("reason_code")?, batch.texts("reason")?);
    let (series, sources) = (batch.texts("series_instance_uid")?, batch.texts("source_uri")?);
    let (bundles, events) = (batch.texts("bundle_name")?, batch.texts("event")?);
    let (attempts, made) = (batch.longs("attempts")?, batch.instants("created_at")?);
    batch.rows(|row| {
        Ok(OpenFailure {
            key: RowKey::from_stored(keys.required(row)?),
            reason_code: codes.owned(row)?,
            reason: reasons.owned(row)?,
            series: series.optional_parsed(row, "a UID", |text| SeriesUid::try_from(text.to_owned()).ok())?,
            source_uri: sources.owned(row)?,
            bundle_name: bundles.owned(row)?,
            attempts: attempts.required(row)?,
            created_at_us: made.required(row)?,
            event: events.optional(row).map(str::to_owned),
        })
    })
}

/// `places_of(uri)`: the places that a URI lies in, itself among them, each with a slash at its end.
fn places_of() -> ScalarUDF {
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    let places = |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let uris = arrays.first().ok_or_else(|| exec_datafusion_err!("places_of takes one argument"))?;
        Ok(ColumnarValue::Array(lists_of_places(uris)?))
    };
    create_udf("places_of", vec![DataType::Utf8], list, Volatility::Immutable, Arc::new(places))
}

fn lists_of_places(uris: &ArrayRef) -> Result<ArrayRef, DataFusionError> {
    let uris = cast(uris, &DataType::Utf8)?;
    let uris: &StringArray = uris.as_string::<i32>();
    let mut lists = ListBuilder::new(StringBuilder::new());
    for uri in uris {
        let folder = format!("{}/", uri.unwrap_or_default());
        for (slash, _) in folder.match_indices('/') {
            lists.values().append_value(&folder[..=slash]);
        }
        lists.append(uri.is_some());
    }
    Ok(Arc::new(lists.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_lies_in_itself_and_in_each_folder_above() {
        let uris: ArrayRef = Arc::new(StringArray::from(vec!["s3://a/b", "s3://a/b/", ""]));
        let lists = lists_of_places(&uris).unwrap();
        let places = |at: usize| -> Vec<String> {
            lists.as_list::<i32>().value(at).as_string::<i32>().iter().flatten().map(str::to_owned).collect()
        };
        assert_eq!(places(0), ["s3:/", "s3://", "s3://a/", "s3://a/b/"]);
        assert_eq!(places(1), ["s3:/", "s3://", "s3://a/", "s3://a/b/", "s3://a/b//"]);
        assert_eq!(places(2), ["/"]);
    }
}
