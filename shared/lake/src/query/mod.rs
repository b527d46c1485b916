//! Read-only SQL over the lake, under limits.

mod bounded;
mod limits;
mod run;

use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use deltalake::arrow::error::ArrowError;
use deltalake::arrow::json::writer::{LineDelimited, WriterBuilder};
use deltalake::arrow::util::display::{ArrayFormatter, FormatOptions};
use deltalake::datafusion::common::ScalarValue;
use deltalake::datafusion::execution::disk_manager::DiskManagerBuilder;
use deltalake::datafusion::execution::memory_pool::FairSpillPool;
use deltalake::datafusion::execution::runtime_env::RuntimeEnvBuilder;
use deltalake::datafusion::prelude::{SessionConfig, SessionContext, lit};
use futures::future::BoxFuture;

pub use self::limits::{QueryLimit, QueryLimits};
use self::run::Running;

use crate::error::LakeError;
use crate::lake::Lake;
use crate::upgrade::lacking;
use crate::views::{VIEWS, count_positive_slices};

/// Threads that queries use at most.
const QUERY_THREADS: usize = 4;

/// Of the memory of a query, the part that one answer of a function may take, and a table of text.
const OF_MEMORY_AT_ONCE: usize = 16;

/// How times are written: as in RFC 3339, in UTC.
const INSTANT: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

impl Lake {
    /// Runs a query of this program's own on the newest snapshot of the lake: as [`Lake::sql_within`], and neither the time nor
    /// the rows of its answer are limited.
    ///
    /// # Errors
    /// As [`Lake::sql_within`].
    pub fn sql<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<QueryResult, LakeError>> {
        self.sql_within(query, &QueryLimits::OWN)
    }

    /// Runs `query` on the newest snapshot of the lake, within `limits`.
    ///
    /// The table is `labels`; the views are `series_labels`, `slice_scores` and `failures`. Only queries are run: no
    /// statement that would write, define, set or read a file.
    ///
    /// # Errors
    /// [`LakeError::Query`] where the query is not valid, [`LakeError::QueryLimit`] and [`LakeError::QueryMemory`] where it
    /// breaks a limit (then, or while its answer is read), and the store's errors.
    pub fn sql_within<'a>(
        &'a self,
        query: &'a str,
        limits: &'a QueryLimits,
    ) -> BoxFuture<'a, Result<QueryResult, LakeError>> {
        Box::pin(async move {
            limits.check_text(query)?;
            let context = self.session(&self.refreshed().await?, limits).await?;
            Ok(QueryResult { running: Running::start(context, query.to_owned(), limits).await? })
        })
    }

    async fn session(&self, table: &DeltaTable, limits: &QueryLimits) -> Result<SessionContext, LakeError> {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(QUERY_THREADS);
        let config = SessionConfig::new().with_target_partitions(threads).with_information_schema(true);
        // A column of views holds on to the pages it was read from, and counts them whole each time it is sorted: a few
        // hundred small files, as streaming makes them, filled the memory of a query.
        let config = config.set_bool("datafusion.execution.parquet.schema_force_view_types", false);
        let pool_bytes = limits.memory_bytes / 2;
        // Each thread that sorts sets this aside for merging what it has put on disk.
        let config = config.with_sort_spill_reservation_bytes(pool_bytes / (4 * threads));
        let pool = Arc::new(FairSpillPool::new(pool_bytes));
        let disk = DiskManagerBuilder::default().with_max_temp_directory_size(limits.disk_bytes);
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(disk).build_arc()?;
        // Under the table's own URL, so that a file store of the runtime cannot stand in for the lake's store.
        runtime.register_object_store(self.log().root_url(), self.log().root_object_store(None));
        let context = SessionContext::new_with_config_rt(config, runtime);
        context.register_udf(count_positive_slices()?);
        let labels = table.table_provider().with_session(Arc::new(context.state())).await?;
        let lacking = lacking(table)?;
        if lacking.is_empty() {
            context.register_table("labels", labels)?;
        } else {
            // A lake of before that nobody has written to since: its rows have nothing in the newer columns.
            let mut whole = context.read_table(labels)?;
            for column in lacking {
                whole = whole.with_column(column.name(), lit(ScalarValue::try_from(column.data_type())?))?;
            }
            context.register_table("labels", whole.into_view())?;
        }
        for (name, query) in VIEWS {
            let view = context.sql(query).await?.into_view();
            context.register_table(name, view)?;
        }
        // After the views, which are ours.
        bounded::bound_functions(&context, limits.memory_bytes / OF_MEMORY_AT_ONCE);
        Ok(context)
    }
}

/// A whole answer as text: the names of the columns, then the rows.
pub type TextTable = (Vec<String>, Vec<Vec<String>>);

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
            let limit = if limits.watched { limits.memory_bytes / OF_MEMORY_AT_ONCE } else { usize::MAX };
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

/// Rows of text as CSV (RFC 4180).
fn csv_lines(rows: &[Vec<String>]) -> Vec<u8> {
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
fn type_name(data_type: &DataType) -> String {
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
