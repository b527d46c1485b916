//! Appending rows so that each key lands once, whoever else writes.
//!
//! An attempt reads the newest snapshot, drops the rows whose keys are in it, writes the rest as one Parquet file, and
//! creates the log entry of exactly the next version. The entry can be created only if no other writer has made that
//! version, so a created entry rests on a snapshot that was complete. A writer that loses starts the next attempt on
//! the winner's snapshot. The library's own commit loop is not used: it would retry without this look.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bolus_study::{LabelRow, RowKey};
use deltalake::DeltaTable;
use deltalake::kernel::transaction::{CommitData, TransactionError};
use deltalake::kernel::{Action, Add, Transaction};
use deltalake::logstore::CommitOrBytes;
use deltalake::parquet::basic::{Compression, ZstdLevel};
use deltalake::parquet::file::properties::WriterProperties;
use deltalake::parquet::schema::types::ColumnPath;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::writer::{DeltaWriter, RecordBatchWriter};
use futures::future::BoxFuture;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::entry::{COMMIT_ID, KEYS_NAMED, LogEntry, ROW_KEYS};
use crate::error::{ErrorKind, LakeError};
use crate::lake::{Lake, version_of};
use crate::rows;

/// Attempts before an append gives up, unless the lake is told otherwise: some ten seconds of pauses.
pub(crate) const ATTEMPTS: u32 = 20;

/// The first pause after a failed attempt, and the longest. Each is shortened by chance, so that writers part.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Rows of one row group: small enough that a query for few columns reads little.
const ROW_GROUP_ROWS: usize = 65_536;

/// A `txn` action to write with the rows: progress of the source that the rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionStep {
    /// Who makes progress, for example `bolus/<group>/<topic>/<partition>`.
    pub app_id: String,
    /// The version that the lake must hold for it: what this owner last read or wrote. None: never written.
    pub expected: Option<i64>,
    /// The version to write.
    pub version: i64,
}

/// How to append.
#[derive(Debug, Clone, Default)]
pub struct AppendOptions {
    /// Append rows even if their keys are in the lake; the views then show the newest.
    pub relabel: bool,
    /// Progress to write in the same commit. Where the lake holds another version than expected, nothing is written.
    pub transactions: Vec<TransactionStep>,
}

/// What an append did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The version that the rows landed as; none where there was nothing to write.
    pub version: Option<u64>,
    /// Rows that landed.
    pub appended: usize,
    /// Rows dropped because their keys were in the lake, or twice in the batch.
    pub already_there: usize,
}

/// An append under way.
struct Pending<'a> {
    id: String,
    rows: Vec<&'a LabelRow>,
    given: usize,
    options: &'a AppendOptions,
    file: Option<Add>,
    /// A version whose log entry may be this append's, as far as is known.
    unsettled: Option<u64>,
}

/// How an attempt to create a log entry ended.
enum Outcome {
    Landed,
    /// Another commit has the version.
    Lost,
    /// Nothing is there yet, or the log cannot be read: the entry may still appear.
    Unknown(LakeError),
}

impl Lake {
    /// Appends `rows` as one Parquet file and one commit, each key once.
    ///
    /// On [`ErrorKind::Retry`] the same rows can be appended again: those that landed after all are then dropped. (With
    /// `relabel` they would be written again; the views show one of them.) If the future is dropped, the same holds.
    ///
    /// # Errors
    /// [`LakeError::Fenced`] where a transaction stands elsewhere than expected, [`LakeError::Contended`] after too many
    /// lost races, [`LakeError::Unsettled`] where it cannot be known whether the rows landed, and the store's errors.
    pub fn append<'a>(
        &'a self,
        rows: &'a [LabelRow],
        options: &'a AppendOptions,
    ) -> BoxFuture<'a, Result<Commit, LakeError>> {
        Box::pin(async move {
            let _turn = self.writer.lock().await;
            let mut pending = Pending::new(rows, options);
            let mut failure = None;
            for attempt in 0..self.attempts {
                if attempt > 0 {
                    tokio::time::sleep(pause(attempt)).await;
                }
                match self.attempt(&mut pending).await {
                    Ok(Some(commit)) => return Ok(commit),
                    Ok(None) => failure = None,
                    Err(error) if error.kind() == ErrorKind::Retry => {
                        tracing::debug!(%error, attempt, "an append to the lake failed, trying again");
                        failure = Some(error);
                    }
                    Err(error) => return Err(pending.ended(error)),
                }
            }
            Err(pending.ended(failure.unwrap_or(LakeError::Contended { attempts: self.attempts })))
        })
    }

    /// One attempt; none where another writer won.
    async fn attempt(&self, pending: &mut Pending<'_>) -> Result<Option<Commit>, LakeError> {
        let table = self.refreshed().await?;
        if let Some(version) = pending.unsettled
            && version <= version_of(&table)
        {
            if self.is_ours(version, &pending.id).await? == Some(true) {
                return Ok(Some(self.landed(pending, version).await));
            }
            pending.unsettled = None;
        }
        self.check_fence(&table, pending.options).await?;
        self.drop_known(&table, pending).await?;
        if pending.rows.is_empty() && pending.options.transactions.is_empty() {
            return Ok(Some(pending.commit(None)));
        }
        if pending.file.is_none() && !pending.rows.is_empty() {
            pending.file = Some(write_file(&table, &pending.rows).await?);
        }
        let version = version_of(&table) + 1;
        match self.create_entry(version, pending).await? {
            Outcome::Landed => Ok(Some(self.landed(pending, version).await)),
            Outcome::Lost => Ok(None),
            Outcome::Unknown(error) => {
                pending.unsettled = Some(version);
                Err(error)
            }
        }
    }

    async fn check_fence(&self, table: &DeltaTable, options: &AppendOptions) -> Result<(), LakeError> {
        for step in &options.transactions {
            let found = table.snapshot()?.transaction_version(self.log().as_ref(), &step.app_id).await?;
            if found != step.expected {
                let (app_id, expected) = (step.app_id.clone(), step.expected);
                return Err(LakeError::Fenced { app_id, expected, found });
            }
        }
        Ok(())
    }

    /// Drops the rows whose keys are in `table`, and the file that holds them.
    async fn drop_known(&self, table: &DeltaTable, pending: &mut Pending<'_>) -> Result<(), LakeError> {
        if pending.options.relabel || pending.rows.is_empty() {
            return Ok(());
        }
        let known = self.known_at(table, &pending.keys()).await?;
        if known.is_empty() {
            return Ok(());
        }
        pending.rows.retain(|row| !known.contains(&row.key));
        if let Some(file) = pending.file.take() {
            // No commit names the file, and none will: every version it was written for is another's.
            let path = Path::from_url_path(&file.path).unwrap_or_else(|_| Path::from(file.path.as_str()));
            if let Err(error) = self.log().object_store(None).delete(&path).await {
                tracing::debug!(%error, %path, "left a file behind that no commit names");
            }
        }
        Ok(())
    }

    async fn create_entry(&self, version: u64, pending: &Pending<'_>) -> Result<Outcome, LakeError> {
        let entry = CommitOrBytes::LogBytes(pending.entry()?.get_bytes()?);
        let error: LakeError = match self.log().write_commit_entry(version, entry, Uuid::new_v4()).await {
            Ok(()) => return Ok(Outcome::Landed),
            // "Exists" may be our own entry after a retry inside the store's client, or mean nothing (a 409 of S3).
            Err(TransactionError::VersionAlreadyExists(_)) => LakeError::Contended { attempts: 1 },
            Err(error) => error.into(),
        };
        Ok(match self.is_ours(version, &pending.id).await {
            Ok(Some(true)) => Outcome::Landed,
            Ok(Some(false)) => Outcome::Lost,
            Ok(None) | Err(_) => Outcome::Unknown(error),
        })
    }

    /// Whether the log entry of `version` carries the commit id `id`; none where there is no such entry.
    async fn is_ours(&self, version: u64, id: &str) -> Result<Option<bool>, LakeError> {
        let Some(bytes) = self.log().read_commit_entry(version).await? else { return Ok(None) };
        let entry = LogEntry::parse(version, &bytes)?;
        Ok(Some(entry.commit_id.as_deref() == Some(id)))
    }

    /// Takes note of a commit that landed. Its rows are safe whether or not the new snapshot can be read now.
    async fn landed(&self, pending: &Pending<'_>, version: u64) -> Commit {
        self.absent.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).forget(pending.keys().iter());
        match self.refreshed().await {
            Ok(table) => self.keep_log_short(&table, version),
            Err(error) => tracing::debug!(%error, version, "could not read the log after a commit"),
        }
        pending.commit(Some(version))
    }
}

impl<'a> Pending<'a> {
    fn new(rows: &'a [LabelRow], options: &'a AppendOptions) -> Self {
        let mut seen = HashSet::new();
        let once = rows.iter().filter(|row| seen.insert(&row.key)).collect();
        Self { id: Uuid::new_v4().to_string(), rows: once, given: rows.len(), options, file: None, unsettled: None }
    }

    fn keys(&self) -> Vec<RowKey> {
        self.rows.iter().map(|row| row.key.clone()).collect()
    }

    fn commit(&self, version: Option<u64>) -> Commit {
        Commit { version, appended: self.rows.len(), already_there: self.given - self.rows.len() }
    }

    /// The error to end with: not knowing whether the rows landed outweighs the reason.
    fn ended(&self, error: LakeError) -> LakeError {
        match self.unsettled {
            Some(version) => LakeError::Unsettled { commit_id: self.id.clone(), version, source: Box::new(error) },
            None => error,
        }
    }

    fn entry(&self) -> Result<CommitData, LakeError> {
        let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
        let mut metadata: HashMap<String, Value> = HashMap::from([(COMMIT_ID.into(), json!(self.id))]);
        if self.rows.len() <= KEYS_NAMED {
            let keys: Vec<&str> = self.rows.iter().map(|row| row.key.as_str()).collect();
            metadata.insert(ROW_KEYS.into(), json!(keys));
        }
        let actions = self.file.iter().cloned().map(Action::Add).collect();
        let now = chrono::Utc::now().timestamp_millis();
        let transactions = self.options.transactions.iter();
        let transactions =
            transactions.map(|step| Transaction::new_with_last_update(&step.app_id, step.version, Some(now))).collect();
        Ok(CommitData::new(actions, operation, metadata, transactions))
    }
}

/// Writes `rows` as one Parquet file beside the table's others. Nothing sees it before a commit names it.
async fn write_file(table: &DeltaTable, rows: &[&LabelRow]) -> Result<Add, LakeError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_column_dictionary_enabled(ColumnPath::from("row_key"), false)
        .build();
    let mut writer = RecordBatchWriter::for_table(table)?.with_writer_properties(properties);
    writer.write(rows::to_batch(rows)?).await?;
    let mut files = writer.flush().await?;
    match (files.pop(), files.is_empty()) {
        (Some(file), true) => Ok(file),
        _ => Err(LakeError::Log { version: version_of(table), what: "a batch did not become one file".into() }),
    }
}

/// The pause before `attempt`: doubled each time up to a limit, and any part of that.
fn pause(attempt: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(8)).min(LONGEST_PAUSE);
    let [a, b, ..] = *Uuid::new_v4().as_bytes();
    longest.mul_f64(f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX))
}
