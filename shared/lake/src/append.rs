//! Appending rows so that each key lands once, whoever else writes.
//!
//! An attempt reads the log up to its newest entry, drops the rows whose keys have landed, writes the rest as one Parquet
//! file, and creates the log entry of exactly the next version. The entry can be created only if no other writer has made
//! that version, so a created entry rests on a log that was read to its end. A writer that loses starts the next attempt
//! after the winner's entry. The library's own commit loop is not used: it would retry without this look.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

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
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::backoff::{of_the_store, pause_after_loss};
use crate::columns::to_batch;
use crate::entry::{COMMIT_ID, KEYS_NAMED, LogEntry, ROW_KEYS};
use crate::error::{ErrorKind, LakeError};
use crate::follow::Follower;
use crate::keys::Fingerprint;
use crate::table::version_of;
use crate::upgrade::bring_up_to_date;

/// Failures in a row before an append gives up, unless the lake is told otherwise: some ten seconds of pauses.
const ATTEMPTS: u32 = 20;

/// Lost races before an append gives up. Each is another writer's success, so this is no failure but a table that has
/// become too slow for its writers; fifty of them without any pacing were seen to lose some tens in a row.
const MOST_LOST_RACES: u32 = 2_000;

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
    /// Races for a version of the log that were lost on the way.
    pub conflicts: u32,
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
    conflicts: u32,
    /// How long the last try to create a log entry took.
    put_took: Duration,
}

/// What the log says, up to one version, about an append.
struct View {
    version: u64,
    fenced: Option<LakeError>,
    /// Which of the rows have landed.
    known: HashSet<RowKey>,
}

/// How an attempt to create a log entry ended.
enum Outcome {
    Landed,
    /// Another commit has the version.
    Lost(Box<LogEntry>),
    /// Nothing is there yet, or the log cannot be read: the entry may still appear.
    Unknown(LakeError),
}

/// Appends to one table, in turns.
#[derive(Debug)]
pub(crate) struct Appender {
    pub follower: Follower,
    /// Failures of the store in a row that an append bears.
    pub attempts: u32,
    /// Whose turn it is. Held while that lasts: turns are what it is for.
    turn: tokio::sync::Mutex<()>,
}

impl Appender {
    pub fn new(follower: Follower) -> Self {
        Self { follower, attempts: ATTEMPTS, turn: tokio::sync::Mutex::new(()) }
    }

    /// Appends `rows` as one Parquet file and one commit, each key once.
    pub async fn append(&self, rows: &[LabelRow], options: &AppendOptions) -> Result<Commit, LakeError> {
        let _turn = self.turn.lock().await;
        bring_up_to_date(self.follower.table()).await?;
        let mut pending = Pending::new(rows, options);
        let (mut failures, mut pauses) = (0, of_the_store());
        loop {
            match self.attempt(&mut pending).await {
                Ok(Some(commit)) => return Ok(commit),
                Ok(None) => {
                    (failures, pauses) = (0, of_the_store());
                    pending.conflicts += 1;
                    if pending.conflicts >= MOST_LOST_RACES {
                        return Err(LakeError::Contended { attempts: pending.conflicts });
                    }
                    tokio::time::sleep(pause_after_loss(pending.conflicts, pending.put_took)).await;
                }
                Err(error) if error.kind() == ErrorKind::Retry => {
                    failures += 1;
                    if failures >= self.attempts {
                        return Err(pending.ended(error));
                    }
                    tracing::debug!(%error, failures, "an append to the lake failed, trying again");
                    pauses.wait().await;
                }
                Err(error) => return Err(pending.ended(error)),
            }
        }
    }

    /// One attempt; none where another writer won.
    async fn attempt(&self, pending: &mut Pending<'_>) -> Result<Option<Commit>, LakeError> {
        let view = self.view(pending).await?;
        if let Some(version) = pending.unsettled
            && version <= view.version
        {
            if self.follower.table().entry(version).await?.is_some_and(|entry| entry.is_of(&pending.id)) {
                return Ok(Some(self.landed(pending, version)));
            }
            pending.unsettled = None;
        }
        if let Some(fenced) = view.fenced {
            return Err(fenced);
        }
        self.drop_known(&view.known, pending).await;
        if pending.rows.is_empty() && pending.options.transactions.is_empty() {
            return Ok(Some(pending.commit(None)));
        }
        if pending.file.is_none() && !pending.rows.is_empty() {
            pending.file = Some(write_file(&self.follower.table().snapshot(), &pending.rows).await?);
        }
        let version = view.version + 1;
        let start = Instant::now();
        let outcome = self.create_entry(version, pending).await?;
        pending.put_took = start.elapsed();
        match outcome {
            Outcome::Landed => Ok(Some(self.landed(pending, version))),
            Outcome::Lost(entry) => {
                self.follower.take_in(version, *entry).await?;
                Ok(None)
            }
            Outcome::Unknown(error) => {
                pending.unsettled = Some(version);
                Err(error)
            }
        }
    }

    /// Reads the log to its end and says what it holds for `pending`: all of it as of one version. (Taken apart, another
    /// task's look in between could show this append its own late commit as somebody else's.)
    async fn view(&self, pending: &Pending<'_>) -> Result<View, LakeError> {
        let transactions = &pending.options.transactions;
        let looks_for_keys = !pending.options.relabel && !pending.rows.is_empty();
        self.follower.caught_up().await?;
        loop {
            self.follower.look_up(transactions.iter().map(|step| step.app_id.as_str())).await?;
            if looks_for_keys {
                self.follower.index_keys().await?;
            }
            let tail = self.follower.tail();
            let stands = transactions.iter().map(|step| Some((step, tail.transaction(&step.app_id)?)));
            // None, and not complete, where the tail began anew in the meantime.
            let Some(stands) = stands.collect::<Option<Vec<_>>>() else { continue };
            if looks_for_keys && !tail.keys.is_complete() {
                continue;
            }
            let fenced = stands.into_iter().find(|(step, found)| *found != step.expected);
            let fenced = fenced.map(|(step, found)| LakeError::Fenced {
                app_id: step.app_id.clone(),
                expected: step.expected,
                found,
            });
            let rows = pending.rows.iter().filter(|row| looks_for_keys && tail.keys.holds(&row.key) == Some(true));
            return Ok(View { version: tail.version, fenced, known: rows.map(|row| row.key.clone()).collect() });
        }
    }

    /// Drops the rows whose keys are `known`, and the file that holds them.
    async fn drop_known(&self, known: &HashSet<RowKey>, pending: &mut Pending<'_>) {
        if known.is_empty() {
            return;
        }
        pending.rows.retain(|row| !known.contains(&row.key));
        if let Some(file) = pending.file.take() {
            // No commit names the file, and none will: every version it was written for is another's.
            let path = Path::from_url_path(&file.path).unwrap_or_else(|_| Path::from(file.path.as_str()));
            if let Err(error) = self.follower.table().log().object_store(None).delete(&path).await {
                tracing::debug!(%error, %path, "left a file behind that no commit names");
            }
        }
    }

    async fn create_entry(&self, version: u64, pending: &Pending<'_>) -> Result<Outcome, LakeError> {
        let bytes = CommitOrBytes::LogBytes(pending.entry()?.get_bytes()?);
        let error: LakeError =
            match self.follower.table().log().write_commit_entry(version, bytes, Uuid::new_v4()).await {
                Ok(()) => return Ok(Outcome::Landed),
                // "Exists" may be our own entry after a retry inside the store's client, or mean nothing (a 409 of S3).
                Err(TransactionError::VersionAlreadyExists(_)) => LakeError::Contended { attempts: 1 },
                Err(error) => error.into(),
            };
        Ok(match self.follower.table().entry(version).await {
            Ok(Some(entry)) if entry.is_of(&pending.id) => Outcome::Landed,
            Ok(Some(entry)) => Outcome::Lost(Box::new(entry)),
            Ok(None) | Err(_) => Outcome::Unknown(error),
        })
    }

    /// Takes note of a commit that landed.
    fn landed(&self, pending: &Pending<'_>, version: u64) -> Commit {
        let transactions = pending.options.transactions.iter().map(|step| (step.app_id.clone(), step.version));
        let keys = pending.rows.iter().map(|row| Fingerprint::of(&row.key));
        self.follower.tail().take_in(version, transactions.collect(), keys);
        pending.commit(Some(version))
    }
}

impl<'a> Pending<'a> {
    fn new(rows: &'a [LabelRow], options: &'a AppendOptions) -> Self {
        let mut seen = HashSet::new();
        let once = rows.iter().filter(|row| seen.insert(&row.key)).collect();
        let id = Uuid::new_v4().to_string();
        Self {
            id,
            rows: once,
            given: rows.len(),
            options,
            file: None,
            unsettled: None,
            conflicts: 0,
            put_took: Duration::ZERO,
        }
    }

    fn commit(&self, version: Option<u64>) -> Commit {
        let (appended, already_there) = (self.rows.len(), self.given - self.rows.len());
        Commit { version, appended, already_there, conflicts: self.conflicts }
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
    writer.write(to_batch(rows)?).await?;
    let mut files = writer.flush().await?;
    match (files.pop(), files.is_empty()) {
        (Some(file), true) => Ok(file),
        _ => Err(LakeError::Log { version: version_of(table), what: "a batch did not become one file".into() }),
    }
}
