//! What can go wrong with a lake, and what the caller should do about it.

use deltalake::DeltaTableError;
use deltalake::arrow::error::ArrowError;
use deltalake::datafusion::error::DataFusionError;
use deltalake::kernel::transaction::TransactionError;
use deltalake::parquet::errors::ParquetError;

use crate::limits::QueryLimit;

/// What the caller should do about a [`LakeError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The store or another writer stood in the way: the same call may succeed later. Nothing lands twice.
    Retry,
    /// The call itself cannot succeed: a bad query, rows that another owner has superseded, a place that is no lake.
    Reject,
    /// Nothing can be done here before a person acts: no permission, a broken log.
    Fatal,
}

/// An error of the lake.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The folder or prefix holds no lake.
    #[error("no lake at {url}: it has no table `labels`; `bolus label --lake {url}` makes one")]
    NotFound {
        /// Where the lake was looked for.
        url: String,
    },
    /// The folder or prefix holds something that is not a lake.
    #[error("{url} is not a lake: {found}; name an empty or a new folder")]
    NotALake {
        /// Where the lake was looked for.
        url: String,
        /// What lies there.
        found: String,
    },
    /// The table has another schema than this program.
    #[error(
        "the table `labels` of {url} has schema version {found}, this program reads and writes version {expected}: {difference}"
    )]
    Schema {
        /// The lake.
        url: String,
        /// The version that the table states, or `unknown`.
        found: String,
        /// The version that this program knows.
        expected: u32,
        /// The first difference.
        difference: String,
    },
    /// The query is not valid, or does more than read.
    #[error("{0}")]
    Query(String),
    /// The query broke one of its limits.
    #[error(transparent)]
    QueryLimit(#[from] QueryLimit),
    /// A query needs more memory than its pool has.
    #[error("the query needs more memory than it is given: {0}")]
    QueryMemory(String),
    /// The store failed while a query ran.
    #[error("the lake's store failed during the query: {message}")]
    QueryStore {
        /// What to do about it, by the store's own error.
        kind: ErrorKind,
        /// The error in words.
        message: String,
    },
    /// Another owner has moved the transaction on: this batch is not to be written.
    #[error(
        "transaction `{app_id}` stands at {found:?}, this writer expected {expected:?}: another owner has moved it"
    )]
    Fenced {
        /// The application id of the transaction.
        app_id: String,
        /// The version that the caller last saw.
        expected: Option<i64>,
        /// The version that the lake holds.
        found: Option<i64>,
    },
    /// Other writers won every race for a log version.
    #[error("lost {attempts} races for the next version of the table `labels`: too many writers, or too small batches")]
    Contended {
        /// Races lost.
        attempts: u32,
    },
    /// It is not known whether the commit landed. Appending the same rows again is safe.
    #[error("could not learn whether commit {commit_id} landed as version {version}: {source}")]
    Unsettled {
        /// The commit's identifier, as in its `commitInfo`.
        commit_id: String,
        /// The version that it was written for.
        version: u64,
        /// Why the log could not be written.
        source: Box<LakeError>,
    },
    /// The store lets more than one writer create the same object, or forgets what it said: nothing can be exactly once.
    #[error(
        "the store {store} cannot hold a lake: {what}. A lake needs a store whose PUT with `If-None-Match: *` is won by \
         exactly one of several writers at the same time"
    )]
    UnsafeStore {
        /// The store, as it names itself.
        store: String,
        /// What it did wrong.
        what: String,
    },
    /// The log says something that cannot be.
    #[error("the log of the table `labels` is broken at version {version}: {what}")]
    Log {
        /// The version of the log entry.
        version: u64,
        /// What is wrong.
        what: String,
    },
    /// A row of the table says what no row of this program can.
    #[error(
        "the row {key} of the table `labels` of {url} cannot be read: {problem}. If a newer version of Bolus wrote it, use that \
         version; otherwise delete the row (`DELETE FROM labels WHERE row_key = '{key}'` by any writer of Delta Lake) and label \
         its source again"
    )]
    Row {
        /// The lake.
        url: String,
        /// The row's key.
        key: String,
        /// The column, what it holds, and what it should.
        problem: String,
    },
    /// A result could not be written where the caller wants it.
    #[error("cannot write the result: {0}")]
    Output(#[source] std::io::Error),
    /// The object store failed.
    #[error("the lake's store failed: {0}")]
    Store(#[from] object_store::Error),
    /// The table's library failed.
    #[error("the table `labels` failed: {0}")]
    Delta(#[source] DeltaTableError),
    /// Rows could not be put into or read from columns.
    #[error("cannot convert rows: {0}")]
    Arrow(#[from] ArrowError),
    /// A Parquet file could not be read.
    #[error("cannot read a Parquet file of the table `labels`: {0}")]
    Parquet(#[from] ParquetError),
    /// A Parquet file outside the lake could not be read.
    #[error("cannot read the Parquet file: {0}")]
    ParquetFile(#[source] ArrowError),
}

impl LakeError {
    /// What to do about the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Contended { .. } | Self::QueryMemory(_) => ErrorKind::Retry,
            Self::Unsettled { source, .. } => match source.kind() {
                ErrorKind::Fatal => ErrorKind::Fatal,
                ErrorKind::Retry | ErrorKind::Reject => ErrorKind::Retry,
            },
            Self::NotFound { .. }
            | Self::NotALake { .. }
            | Self::Schema { .. }
            | Self::Query(_)
            | Self::QueryLimit(_)
            | Self::Fenced { .. }
            | Self::Output(_)
            | Self::ParquetFile(_) => ErrorKind::Reject,
            Self::UnsafeStore { .. } | Self::Log { .. } | Self::Row { .. } | Self::Arrow(_) => ErrorKind::Fatal,
            Self::QueryStore { kind, .. } => *kind,
            Self::Store(error) => kind_of_store(error),
            Self::Delta(error) => kind_of_delta(error),
            Self::Parquet(error) => kind_of_source(error),
        }
    }
}

impl From<DeltaTableError> for LakeError {
    fn from(error: DeltaTableError) -> Self {
        match error {
            DeltaTableError::ObjectStore { source } => Self::Store(source),
            DeltaTableError::Arrow { source } => Self::Arrow(source),
            DeltaTableError::Parquet { source } => Self::Parquet(source),
            other => Self::Delta(other),
        }
    }
}

impl From<TransactionError> for LakeError {
    fn from(error: TransactionError) -> Self {
        DeltaTableError::from(error).into()
    }
}

impl From<DataFusionError> for LakeError {
    fn from(error: DataFusionError) -> Self {
        let message = error.strip_backtrace();
        if let DataFusionError::ResourcesExhausted(what) = error.find_root() {
            return Self::QueryMemory(what.clone());
        }
        match store_error(&error) {
            Some(store) => Self::QueryStore { kind: kind_of_store(store), message },
            None => Self::Query(message),
        }
    }
}

fn kind_of_store(error: &object_store::Error) -> ErrorKind {
    use object_store::Error;
    match error {
        Error::PermissionDenied { .. }
        | Error::Unauthenticated { .. }
        | Error::NotSupported { .. }
        | Error::NotImplemented { .. }
        | Error::UnknownConfigurationKey { .. }
        | Error::InvalidPath { .. } => ErrorKind::Fatal,
        _ => ErrorKind::Retry,
    }
}

/// The store's error in the chain of causes of `error`, if one is there.
fn store_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a object_store::Error> {
    std::iter::successors(Some(error), |current| current.source()).find_map(|cause| cause.downcast_ref())
}

fn kind_of_source(error: &(dyn std::error::Error + 'static)) -> ErrorKind {
    store_error(error).map_or(ErrorKind::Fatal, kind_of_store)
}

fn kind_of_delta(error: &DeltaTableError) -> ErrorKind {
    match error {
        DeltaTableError::Generic(_)
        | DeltaTableError::GenericError { .. }
        | DeltaTableError::Io { .. }
        | DeltaTableError::Transaction { .. }
        | DeltaTableError::VersionAlreadyExists(_) => ErrorKind::Retry,
        other => kind_of_source(other),
    }
}
