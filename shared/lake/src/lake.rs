//! The lake as its users see it.

use std::collections::HashSet;
use std::sync::Arc;

use bolus_study::{LabelRow, RowKey};
use futures::future::BoxFuture;
use object_store::ObjectStore;
use url::Url;

use crate::append::{AppendOptions, Appender, Commit};
use crate::error::LakeError;
use crate::follow::Follower;
use crate::limits::QueryLimits;
use crate::open;
use crate::probe::probe_conditional_put;
use crate::query::result::QueryResult;
use crate::query::session::session;
use crate::read::counts::{self, LabelCount};
use crate::read::failures::{self, OpenFailure};
use crate::read::filter::RowFilter;
use crate::read::labels;
use crate::read::newest::{self, NewestRow};
use crate::read::places::{self, PlacedRow};
use crate::read::rows::Rows;
use crate::read::slices::{self, SliceProbabilities};
use crate::table::{Table, version_of};
use crate::upkeep::Upkeep;

/// A lake: a folder or prefix with the Delta table `labels`.
///
/// It is shared by reference: reads take the newest snapshot and do not wait for each other; appends through one
/// `Lake` take turns, appends through several (in one process or many) race as Delta's log lets them.
/// A kill at any moment leaves a lake that reads: a file that no commit names is never seen.
///
/// Programs read rows as structs: [`Lake::labels`], [`Lake::newest`], [`Lake::open_failures`], [`Lake::by_place`] and
/// [`Lake::slice_probabilities`]. [`Lake::sql_within`] is for people's queries, whose answer is text.
pub struct Lake {
    store: Arc<dyn ObjectStore>,
    table: Arc<Table>,
    appender: Appender,
    upkeep: Upkeep,
}

impl std::fmt::Debug for Lake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lake").field("url", &self.url().as_str()).finish_non_exhaustive()
    }
}

impl Lake {
    /// Opens the lake at `url` for writing, and makes it where nothing lies there. A lake of an earlier schema version gets the columns
    /// that it lacks: one entry in its log.
    ///
    /// The root of `store` is the lake's folder: what `url` names, seen through `url`'s store. It must honour
    /// [`object_store::PutMode::Create`]. A local folder exists already, empty or not.
    ///
    /// # Errors
    /// [`LakeError::NotALake`] where something else lies there, [`LakeError::Schema`] where the table is of
    /// another version, and the store's errors.
    pub fn open_or_create(url: &Url, store: Arc<dyn ObjectStore>) -> BoxFuture<'_, Result<Self, LakeError>> {
        Box::pin(async move {
            let table = open::open_or_create(url, &store).await?;
            Ok(Self::of(store, table))
        })
    }

    /// Opens the lake at `url` as it is; one of an earlier schema version is changed by the first append. `store` is as in [`Lake::open_or_create`].
    ///
    /// # Errors
    /// [`LakeError::NotFound`] where there is none, otherwise as [`Lake::open_or_create`].
    pub fn open(url: &Url, store: Arc<dyn ObjectStore>) -> BoxFuture<'_, Result<Self, LakeError>> {
        Box::pin(async move {
            let table = open::open(url, &store).await?;
            Ok(Self::of(store, table))
        })
    }

    fn of(store: Arc<dyn ObjectStore>, table: Table) -> Self {
        let table = Arc::new(table);
        let appender = Appender::new(Follower::new(Arc::clone(&table)));
        Self { store, table, appender, upkeep: Upkeep::default() }
    }

    /// Sets how many failures of the store in a row an append bears before it gives up: 20 by default. Lost races are
    /// none: somebody else's commit landed.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.appender.attempts = attempts.max(1);
        self
    }

    /// Where the lake lies.
    #[must_use]
    pub fn url(&self) -> &Url {
        self.table.url()
    }

    /// The newest version of the table.
    ///
    /// # Errors
    /// The store's.
    pub async fn version(&self) -> Result<u64, LakeError> {
        Ok(version_of(&self.table.refreshed().await?))
    }

    /// Number of rows, as the log counts them: no file is read.
    ///
    /// # Errors
    /// The store's.
    pub async fn row_count(&self) -> Result<usize, LakeError> {
        let table = self.table.refreshed().await?;
        Ok(table.snapshot()?.log_data().iter().filter_map(|file| file.num_records()).sum())
    }

    /// The live Parquet files, as absolute URIs (plain paths for a local lake), sorted.
    ///
    /// # Errors
    /// The store's.
    pub fn files(&self) -> BoxFuture<'_, Result<Vec<String>, LakeError>> {
        Box::pin(self.table.files())
    }

    /// Probes the lake's store as [`probe_conditional_put`] does. To be called once, before the first append of a program
    /// that writes side by side with others.
    ///
    /// # Errors
    /// As [`probe_conditional_put`].
    pub fn probe(&self) -> BoxFuture<'_, Result<(), LakeError>> {
        probe_conditional_put(Arc::clone(&self.store))
    }

    /// Waits for upkeep of the log that is still running. A program that ends without it loses nothing.
    pub fn finish(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.upkeep.finish())
    }
}

/// Writing, and what a writer asks.
impl Lake {
    /// Appends `rows` as one Parquet file and one commit, each key once.
    ///
    /// A batch may be empty: transactions are then moved alone. What is written is read back from the log, so an append costs
    /// what was committed since the last one, not what the log or the table hold. Only the first needs every key once
    /// (see [`Lake::known_keys`]). Appends of other writers that land first are no failure: it goes on until it is its turn.
    ///
    /// On [`ErrorKind::Retry`](crate::ErrorKind::Retry) the same rows can be appended again: those that landed after all are then
    /// dropped. (With `relabel` they would be written again; the views show one of them.) If the future is dropped, the same holds.
    ///
    /// # Errors
    /// [`LakeError::Fenced`] where a transaction stands elsewhere than expected: another owner has moved it, or (where it
    /// stands at this step's own version) an earlier call that ended in [`LakeError::Unsettled`] has landed after all; [`LakeError::Contended`] after too many
    /// lost races, [`LakeError::Unsettled`] where it cannot be known whether the rows landed, and the store's errors.
    pub fn append<'a>(
        &'a self,
        rows: &'a [LabelRow],
        options: &'a AppendOptions,
    ) -> BoxFuture<'a, Result<Commit, LakeError>> {
        Box::pin(async move {
            let commit = self.appender.append(rows, options).await?;
            if let Some(version) = commit.version {
                self.upkeep.after(version, &self.table);
            }
            Ok(commit)
        })
    }

    /// Which of `keys` are in the lake.
    ///
    /// The first call reads the column `row_key` of every file, a part at a time, and keeps 16 bytes for each row of the
    /// lake; from then on a call reads only the log entries that are new.
    ///
    /// # Errors
    /// The store's.
    pub fn known_keys<'a>(&'a self, keys: &'a [RowKey]) -> BoxFuture<'a, Result<HashSet<RowKey>, LakeError>> {
        Box::pin(self.appender.follower.known_keys(keys))
    }

    /// The version that transaction `app_id` stands at, if it was ever written.
    ///
    /// # Errors
    /// The store's.
    pub async fn transaction_version(&self, app_id: &str) -> Result<Option<i64>, LakeError> {
        let versions = self.transaction_versions(&[app_id.to_owned()]).await?;
        Ok(versions.into_iter().next().flatten())
    }

    /// The versions that the transactions `app_ids` stand at, in their order, all as of the newest version of the table.
    ///
    /// What was looked up or moved before costs nothing beyond reading the entries since; each other one costs a replay
    /// of the log since its last checkpoint.
    ///
    /// # Errors
    /// The store's.
    pub fn transaction_versions<'a>(
        &'a self,
        app_ids: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<i64>>, LakeError>> {
        Box::pin(self.appender.follower.transaction_versions(app_ids))
    }
}

/// Reading rows as structs. Each read sees the newest snapshot, streams, and ends with [`LakeError::Row`] at a row that cannot be read.
impl Lake {
    /// The rows that `filter` chooses, whole, in any order.
    ///
    /// # Errors
    /// The store's.
    pub fn labels<'a>(&'a self, filter: &'a RowFilter) -> BoxFuture<'a, Result<Rows<LabelRow>, LakeError>> {
        Box::pin(labels::read(&self.table, filter))
    }

    /// Of the rows of series that `filter` chooses, the newest of each series, stack and bundle digest: of labels from all planned
    /// slices, of those from a part of them, and of refusals and failures, one each. In any order.
    ///
    /// # Errors
    /// The store's.
    pub fn newest<'a>(&'a self, filter: &'a RowFilter) -> BoxFuture<'a, Result<Rows<NewestRow>, LakeError>> {
        Box::pin(newest::read(&self.table, filter))
    }

    /// The probabilities of the slices of the labelled rows that `filter` chooses, in any order.
    ///
    /// # Errors
    /// The store's.
    pub fn slice_probabilities<'a>(
        &'a self,
        filter: &'a RowFilter,
    ) -> BoxFuture<'a, Result<Rows<SliceProbabilities>, LakeError>> {
        Box::pin(slices::read(&self.table, filter))
    }

    /// The failures that `filter` chooses and nothing newer in the lake replaces, the newest first.
    ///
    /// A newer row of the same series (and stack, where both name one), or of the same file where there is no series, replaces a
    /// failure under the same bundle. An event that failed as a whole has a row without a series: any newer row at or below its
    /// place replaces it.
    ///
    /// # Errors
    /// The store's.
    pub fn open_failures<'a>(&'a self, filter: &'a RowFilter) -> BoxFuture<'a, Result<Rows<OpenFailure>, LakeError>> {
        Box::pin(failures::read(&self.table, filter))
    }

    /// The rows that `filter` chooses, sorted by where their data lie: an archive's rows by the archive.
    ///
    /// # Errors
    /// The store's.
    pub fn by_place<'a>(&'a self, filter: &'a RowFilter) -> BoxFuture<'a, Result<Rows<PlacedRow>, LakeError>> {
        Box::pin(places::read(&self.table, filter))
    }

    /// How many series, or stacks of series, have a label under each bundle, sorted by name and version.
    ///
    /// # Errors
    /// The store's.
    pub fn label_counts(&self) -> BoxFuture<'_, Result<Vec<LabelCount>, LakeError>> {
        Box::pin(counts::read(&self.table))
    }
}

/// SQL, for people.
impl Lake {
    /// As [`Lake::sql_within`], and neither the time nor the rows of its answer are limited.
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
            QueryResult::start(session(&self.table, limits).await?, query, limits).await
        })
    }
}
