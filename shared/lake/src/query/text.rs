//! Batches as text.

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::{DataType, TimeUnit};
use deltalake::arrow::error::ArrowError;
use deltalake::arrow::util::display::{ArrayFormatter, FormatOptions};

/// How times are written: as in RFC 3339, in UTC.
pub(crate) const INSTANT: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

/// A whole answer as text: the names of the columns, then the rows.
pub type TextTable = (Vec<String>, Vec<Vec<String>>);

/// Rows of text as CSV (RFC 4180).
pub(crate) fn csv_lines(rows: &[Vec<String>]) -> Vec<u8> {
    let quoted = |field: &String| {
        if field.contains(['"', ',', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.clone()
        }
    };
    let mut text = String::new();
    for row in rows {
        text.push_str(&row.iter().map(quoted).collect::<Vec<_>>().join(","));
        text.push('\n');
    }
    text.into_bytes()
}

/// The rows of a batch as text; null is the empty text.
pub(crate) fn rows_of(batch: &RecordBatch) -> Result<Vec<Vec<String>>, ArrowError> {
    let options = FormatOptions::new().with_timestamp_tz_format(Some(INSTANT));
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).try_to_string()).collect()).collect()
}

/// A type as SQL writes it; nested ones as Arrow does.
pub(crate) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        DataType::Int64 => "long".into(),
        DataType::Float64 => "double".into(),
        DataType::Float32 => "float".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp".into(),
        DataType::List(element) | DataType::LargeList(element) => format!("list<{}>", type_name(element.data_type())),
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| format!("{} {}", field.name(), type_name(field.data_type())));
            format!("struct<{}>", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
