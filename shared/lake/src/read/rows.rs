//! Asking, and reading the answer a part at a time.

use deltalake::datafusion::logical_expr::ScalarUDF;
use futures::future::BoxFuture;

use crate::error::LakeError;
use crate::limits::QueryLimits;
use crate::query::run::Running;
use crate::query::session::session;
use crate::read::batch::Batch;
use crate::read::filter::RowFilter;
use crate::table::Table;

/// Reads the rows of one batch.
pub(super) type Reader<T> = fn(&Batch) -> Result<Vec<T>, LakeError>;

/// Rows as they are read, a part at a time.
pub struct Rows<T> {
    running: Running,
    url: String,
    read: Reader<T>,
}

impl<T> std::fmt::Debug for Rows<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("lake", &self.url).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Rows<T> {
    /// The next rows, at least one; none at the end.
    ///
    /// # Errors
    /// [`LakeError::Row`] where one of them cannot be read, and the store's errors.
    pub fn next_rows(&mut self) -> BoxFuture<'_, Result<Option<Vec<T>>, LakeError>> {
        Box::pin(async move {
            match self.running.next().await? {
                Some(batch) => (self.read)(&Batch::of(&self.url, &batch)).map(Some),
                None => Ok(None),
            }
        })
    }

    /// All rows. Holds the whole answer: for small ones.
    ///
    /// # Errors
    /// As [`Rows::next_rows`].
    pub fn all(mut self) -> BoxFuture<'static, Result<Vec<T>, LakeError>> {
        Box::pin(async move {
            let mut all = Vec::new();
            while let Some(rows) = self.next_rows().await? {
                all.extend(rows);
            }
            Ok(all)
        })
    }
}

/// Asks `sql`, one of the constant texts here, of `labels` and of `chosen`, the rows of it that `filter` chooses.
pub(super) async fn ask<T>(
    table: &Table,
    filter: &RowFilter,
    functions: impl IntoIterator<Item = ScalarUDF>,
    sql: &'static str,
    read: Reader<T>,
) -> Result<Rows<T>, LakeError> {
    let context = session(table, &QueryLimits::OWN).await?;
    functions.into_iter().for_each(|function| context.register_udf(function));
    let mut chosen = context.table("labels").await?;
    if let Some(condition) = filter.expression() {
        chosen = chosen.filter(condition)?;
    }
    context.register_table("chosen", chosen.into_view())?;
    let running = Running::start(context, sql.to_owned(), &QueryLimits::OWN).await?;
    Ok(Rows { running, url: table.url().to_string(), read })
}
