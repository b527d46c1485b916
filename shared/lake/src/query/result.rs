//! The answer to a query of people, as text.

use std::io::Write;
use std::sync::Arc;

use deltalake::arrow::datatypes::SchemaRef;
use deltalake::arrow::json::writer::{LineDelimited, WriterBuilder};
use deltalake::datafusion::prelude::SessionContext;
use futures::future::BoxFuture;

use crate::error::LakeError;
use crate::limits::{QueryLimit, QueryLimits};
use crate::query::run::Running;
use crate::query::text::{INSTANT, TextTable, csv_lines, rows_of, type_name};

/// The answer to a query, read a part at a time.
pub struct QueryResult {
    running: Running,
}

impl std::fmt::Debug for QueryResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryResult").field("columns", &self.columns()).finish_non_exhaustive()
    }
}

impl QueryResult {
    /// Begins to run `query` in `context`.
    pub(crate) async fn start(context: SessionContext, query: &str, limits: &QueryLimits) -> Result<Self, LakeError> {
        Ok(Self { running: Running::start(context, query.to_owned(), limits).await? })
    }

    /// The names of the columns.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        self.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The names and types of the columns, types as SQL writes them.
    #[must_use]
    pub fn column_types(&self) -> Vec<(String, String)> {
        self.schema().fields().iter().map(|field| (field.name().clone(), type_name(field.data_type()))).collect()
    }

    /// Which columns hold numbers, for the alignment of a printed table.
    #[must_use]
    pub fn numeric_columns(&self) -> Vec<bool> {
        self.schema().fields().iter().map(|field| field.data_type().is_numeric()).collect()
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.running.schema)
    }

    /// The next rows as text, one `Vec` a row; none at the end. Null is the empty text.
    ///
    /// # Errors
    /// The query's.
    pub async fn next_rows(&mut self) -> Result<Option<Vec<Vec<String>>>, LakeError> {
        match self.running.next().await? {
            Some(batch) => Ok(Some(rows_of(&batch)?)),
            None => Ok(None),
        }
    }

    /// All rows as text, with the names of the columns. Holds the whole answer: for small ones.
    ///
    /// # Errors
    /// The query's, and [`QueryLimit::Table`] where the text is larger than a part of the query's memory.
    pub fn to_table(mut self) -> BoxFuture<'static, Result<TextTable, LakeError>> {
        Box::pin(async move {
            let columns = self.columns();
            let (mut rows, mut bytes) = (Vec::new(), 0);
            let limits = self.running.limits();
            let limit = if limits.watched { limits.at_once() } else { usize::MAX };
            while let Some(more) = self.next_rows().await? {
                bytes += more.iter().flatten().map(|cell| size_of::<String>() + cell.len()).sum::<usize>();
                if bytes > limit {
                    return Err(QueryLimit::Table { limit }.into());
                }
                rows.extend(more);
            }
            Ok((columns, rows))
        })
    }

    /// Writes one JSON object a row and line; null is written as `null`. Returns the number of rows.
    ///
    /// # Errors
    /// The query's, and [`LakeError::Output`] where `output` fails.
    pub fn write_json_lines(mut self, output: &mut (dyn Write + Send)) -> BoxFuture<'_, Result<usize, LakeError>> {
        Box::pin(async move {
            let mut rows = 0;
            while let Some(batch) = self.running.next().await? {
                let mut text = Vec::new();
                let builder = WriterBuilder::new().with_explicit_nulls(true).with_timestamp_tz_format(INSTANT.into());
                let mut writer = builder.build::<_, LineDelimited>(&mut text);
                writer.write(&batch)?;
                writer.finish()?;
                output.write_all(&text).map_err(LakeError::Output)?;
                rows += batch.num_rows();
            }
            output.flush().map_err(LakeError::Output)?;
            Ok(rows)
        })
    }

    /// Writes a header and one line a row; nested columns are written as text. Returns the number of rows.
    ///
    /// # Errors
    /// The query's, and [`LakeError::Output`] where `output` fails.
    pub fn write_csv(mut self, output: &mut (dyn Write + Send)) -> BoxFuture<'_, Result<usize, LakeError>> {
        Box::pin(async move {
            let mut rows = 0;
            output.write_all(&csv_lines(&[self.columns()])).map_err(LakeError::Output)?;
            while let Some(more) = self.next_rows().await? {
                output.write_all(&csv_lines(&more)).map_err(LakeError::Output)?;
                rows += more.len();
            }
            output.flush().map_err(LakeError::Output)?;
            Ok(rows)
        })
    }
}
