//! Parquet files that are no part of a lake, such as a labelled set.

use bytes::Bytes;
use deltalake::arrow::error::ArrowError;
use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::error::LakeError;
use crate::query::text::{TextTable, rows_of};

/// Reads the bytes of a Parquet file as text: the names of its columns, then its rows, as SQL results have them. Null is the
/// empty text. Holds the whole file: for small ones.
///
/// # Errors
/// [`LakeError::ParquetFile`] where the bytes are no Parquet file or one that cannot be read.
pub fn parquet_to_table(bytes: Vec<u8>) -> Result<TextTable, LakeError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).map_err(file_error)?;
    let columns = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut rows = Vec::new();
    for batch in builder.build().map_err(file_error)? {
        rows.extend(batch.and_then(|batch| rows_of(&batch)).map_err(file_error)?);
    }
    Ok((columns, rows))
}

fn file_error(error: impl Into<ArrowError>) -> LakeError {
    LakeError::ParquetFile(error.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use deltalake::arrow::array::{BooleanArray, Float64Array, RecordBatch, StringArray};
    use deltalake::parquet::arrow::ArrowWriter;

    use super::*;

    #[test]
    fn columns_of_every_type_come_as_text() {
        let batch = RecordBatch::try_from_iter([
            ("series_uid", Arc::new(StringArray::from(vec![Some("1.1"), Some("1.2")])) as _),
            ("contrast", Arc::new(Float64Array::from(vec![Some(1.0), None])) as _),
            ("flag", Arc::new(BooleanArray::from(vec![Some(true), Some(false)])) as _),
        ]);
        let batch = batch.unwrap();
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let (columns, rows) = parquet_to_table(file).unwrap();
        assert_eq!(columns, ["series_uid", "contrast", "flag"]);
        assert_eq!(rows, [["1.1", "1.0", "true"], ["1.2", "", "false"]]);
        assert!(parquet_to_table(b"series_uid,contrast".to_vec()).is_err());
    }
}
