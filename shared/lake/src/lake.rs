//! Opening a lake, and what its table looks like now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use deltalake::arrow::datatypes::Schema;
use deltalake::checkpoints::{cleanup_metadata, create_checkpoint};
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use deltalake::kernel::transaction::{CommitProperties, PROTOCOL};
use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::SaveMode;
use deltalake::{DeltaTable, DeltaTableError, TableProperty};
use futures::StreamExt;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use tokio::task::JoinHandle;
use url::Url;

use crate::append::ATTEMPTS;
use crate::error::LakeError;
use crate::mount::Mounted;
use crate::probe::PROBE;
use crate::schema;
use crate::tail::Tail;
use crate::upgrade::upgrade;

/// The table's folder in the lake.
const TABLE: &str = "labels";

/// Commits between two checkpoints of the log.
pub(crate) const CHECKPOINT_INTERVAL: u64 = 50;

/// Commits between two removals of expired log entries: each lists the whole log.
const CLEANUP_INTERVAL: u64 = 1_000;

/// A lake: a folder or prefix with the Delta table `labels`.
///
/// It is shared by reference: reads take the newest snapshot and do not wait for each other; appends through one
/// `Lake` take turns, appends through several (in one process or many) race as Delta's log lets them.
/// A kill at any moment leaves a lake that reads: a file that no commit names is never seen.
pub struct Lake {
    url: Url,
    pub(crate) store: Arc<dyn ObjectStore>,
    log: LogStoreRef,
    /// The newest snapshot that was asked for; it only ever moves forward. Appends rest on `tail` instead.
    current: Arc<RwLock<DeltaTable>>,
    pub(crate) tail: Mutex<Tail>,
    /// Whose turn it is to append, and to read all keys. Held while that lasts: turns are what they are for.
    pub(crate) writer: tokio::sync::Mutex<()>,
    pub(crate) indexing: tokio::sync::Mutex<()>,
    pub(crate) attempts: u32,
    upkeep: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Lake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lake").field("url", &self.url.as_str()).finish_non_exhaustive()
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
            let log = log_store(url, &store)?;
            let table = match load(url, &log).await {
                Err(LakeError::NotFound { .. }) => match refuse_foreign(url, &store).await {
                    Ok(()) => create(url, &log).await?,
                    // What lies there may be the table, made by another writer since the first look.
                    Err(foreign) => load(url, &log).await.map_err(|_| foreign)?,
                },
                other => other?,
            };
            let table = upgrade(url, &log, table).await?;
            Ok(Self::of(url, store, log, table))
        })
    }

    /// Opens the lake at `url` as it is; one of an earlier schema version is changed by the first append. `store` is as in [`Lake::open_or_create`].
    ///
    /// # Errors
    /// [`LakeError::NotFound`] where there is none, otherwise as [`Lake::open_or_create`].
    pub fn open(url: &Url, store: Arc<dyn ObjectStore>) -> BoxFuture<'_, Result<Self, LakeError>> {
        Box::pin(async move {
            let log = log_store(url, &store)?;
            let table = load(url, &log).await?;
            Ok(Self::of(url, store, log, table))
        })
    }

    fn of(url: &Url, store: Arc<dyn ObjectStore>, log: LogStoreRef, table: DeltaTable) -> Self {
        Self {
            url: url.clone(),
            store,
            log,
            tail: Mutex::new(Tail::at(version_of(&table))),
            current: Arc::new(RwLock::new(table)),
            writer: tokio::sync::Mutex::new(()),
            indexing: tokio::sync::Mutex::new(()),
            attempts: ATTEMPTS,
            upkeep: Mutex::new(None),
        }
    }

    /// Sets how many failures of the store in a row an append bears before it gives up: 20 by default. Lost races are
    /// none: somebody else's commit landed.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Where the lake lies.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn log(&self) -> &LogStoreRef {
        &self.log
    }

    /// The newest snapshot, after a look at the log.
    pub(crate) async fn refreshed(&self) -> Result<DeltaTable, LakeError> {
        refresh(&self.current).await
    }

    /// The newest snapshot that was asked for, without a look at the log.
    pub(crate) fn snapshot(&self) -> DeltaTable {
        seen(&self.current)
    }

    /// The newest version of the table.
    ///
    /// # Errors
    /// The store's.
    pub async fn version(&self) -> Result<u64, LakeError> {
        Ok(version_of(&self.refreshed().await?))
    }

    /// Number of rows, as the log counts them: no file is read.
    ///
    /// # Errors
    /// The store's.
    pub async fn row_count(&self) -> Result<usize, LakeError> {
        let table = self.refreshed().await?;
        Ok(table.snapshot()?.log_data().iter().filter_map(|file| file.num_records()).sum())
    }

    /// The live Parquet files, as absolute URIs (plain paths for a local lake), sorted.
    ///
    /// # Errors
    /// The store's.
    pub fn files(&self) -> BoxFuture<'_, Result<Vec<String>, LakeError>> {
        Box::pin(async move {
            let table = self.refreshed().await?;
            let paths = table.snapshot()?.log_data().iter().map(|file| file.object_store_path()).collect::<Vec<_>>();
            let mut uris = paths.iter().map(|path| self.uri_of(path)).collect::<Result<Vec<_>, _>>()?;
            uris.sort();
            Ok(uris)
        })
    }

    fn uri_of(&self, path: &Path) -> Result<String, LakeError> {
        let root = self.log.root_url();
        if let ("file", Ok(folder)) = (root.scheme(), root.to_file_path()) {
            return Ok(folder.join(path.as_ref()).to_string_lossy().into_owned());
        }
        Ok(format!("{}://{}/{}/{path}", root.scheme(), root.authority(), path_of(root)?))
    }

    /// Starts a checkpoint of the log and the removal of its expired entries, in the background, where the commit of
    /// `version` calls for it.
    /// One runs at a time; appends do not wait for it, and its failure costs only time at the next opening.
    pub(crate) fn keep_log_short(&self, version: u64) {
        let due = move |interval: u64| (version + 1).is_multiple_of(interval);
        if !due(CHECKPOINT_INTERVAL) {
            return;
        }
        let mut upkeep = self.upkeep.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if upkeep.as_ref().is_some_and(|running| !running.is_finished()) {
            return;
        }
        let current = Arc::clone(&self.current);
        *upkeep = Some(tokio::spawn(async move {
            let done = async {
                let table = refresh(&current).await?;
                create_checkpoint(&table, None).await?;
                if due(CLEANUP_INTERVAL) {
                    cleanup_metadata(&table, None).await?;
                }
                Ok::<_, LakeError>(())
            };
            if let Err(error) = done.await {
                tracing::warn!(%error, version, "could not write a checkpoint of the lake's log");
            }
        }));
    }

    /// Waits for upkeep of the log that is still running. A program that ends without it loses nothing.
    pub fn finish(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let running = self.upkeep.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
            if let Some(task) = running
                && let Err(error) = task.await
            {
                tracing::warn!(%error, "the upkeep of the lake's log ended early");
            }
        })
    }
}

/// The newest snapshot, after a look at the log.
async fn refresh(current: &RwLock<DeltaTable>) -> Result<DeltaTable, LakeError> {
    let mut table = seen(current);
    table.update_incremental(None).await?;
    let mut current = current.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    if table.version() > current.version() {
        *current = table.clone();
    }
    Ok(table)
}

fn seen(current: &RwLock<DeltaTable>) -> DeltaTable {
    current.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
}

/// The version of a loaded table; every table here is loaded.
pub(crate) fn version_of(table: &DeltaTable) -> u64 {
    table.version().unwrap_or(0)
}

/// The path that the table's library takes from a URL.
fn path_of(url: &Url) -> Result<Path, LakeError> {
    Path::from_url_path(url.path())
        .map_err(|error| LakeError::NotALake { url: url.to_string(), found: format!("its URL is not valid: {error}") })
}

fn log_store(url: &Url, store: &Arc<dyn ObjectStore>) -> Result<LogStoreRef, LakeError> {
    let mut location = url.clone();
    location
        .path_segments_mut()
        .map_err(|()| LakeError::NotALake { url: url.to_string(), found: "its URL names no folder".into() })?
        .pop_if_empty()
        .push(TABLE);
    let table = Arc::new(PrefixStore::new(Arc::clone(store), TABLE));
    let whole = Arc::new(Mounted::new(Arc::clone(store), path_of(url)?));
    Ok(default_logstore(table, whole, &location, &StorageConfig::default()))
}

async fn load(url: &Url, log: &LogStoreRef) -> Result<DeltaTable, LakeError> {
    if !log.is_delta_table_location().await? {
        return Err(LakeError::NotFound { url: url.to_string() });
    }
    let mut table = DeltaTable::new(Arc::clone(log));
    table.load().await?;
    check_schema(url, &table)?;
    Ok(table)
}

/// Refuses a table that this program cannot write to.
pub(crate) fn check_schema(url: &Url, table: &DeltaTable) -> Result<(), LakeError> {
    let state = table.snapshot()?;
    PROTOCOL.can_write_to(state)?;
    let found: Schema = state.schema().as_ref().try_into_arrow()?;
    if let Some(difference) = schema::difference(&found) {
        let stated = state.metadata().configuration().get(schema::SCHEMA_PROPERTY);
        return Err(LakeError::Schema {
            url: url.to_string(),
            found: stated.cloned().unwrap_or_else(|| "unknown".into()),
            expected: schema::SCHEMA_VERSION,
            difference,
        });
    }
    Ok(())
}

/// Refuses a folder that holds anything: a typing error must not scatter a lake over a folder of images.
async fn refuse_foreign(url: &Url, store: &Arc<dyn ObjectStore>) -> Result<(), LakeError> {
    let mut objects = store.list(None);
    while let Some(object) = objects.next().await {
        let location = object?.location;
        let parts: Vec<String> = location.parts().map(|part| part.as_ref().to_owned()).collect();
        let found = match parts.first().map(String::as_str) {
            Some("_delta_log") => "it is itself a Delta table; a lake is a folder that holds the table `labels`".into(),
            Some(name) if name.starts_with('.') || name == PROBE => continue,
            _ => format!("it holds other files, such as {location}"),
        };
        return Err(LakeError::NotALake { url: url.to_string(), found });
    }
    Ok(())
}

async fn create(url: &Url, log: &LogStoreRef) -> Result<DeltaTable, LakeError> {
    let columns: StructType = schema::labels_schema().as_ref().try_into_kernel()?;
    let properties = HashMap::from([
        (schema::SCHEMA_PROPERTY.to_owned(), Some(schema::SCHEMA_VERSION.to_string())),
        (TableProperty::CheckpointInterval.as_ref().to_owned(), Some(CHECKPOINT_INTERVAL.to_string())),
        (TableProperty::DataSkippingStatsColumns.as_ref().to_owned(), Some(schema::STATISTICS_COLUMNS.to_owned())),
    ]);
    let created = CreateBuilder::new()
        .with_log_store(Arc::clone(log))
        .with_save_mode(SaveMode::ErrorIfExists)
        .with_table_name(TABLE)
        .with_columns(columns.fields().cloned())
        .with_configuration(properties)
        .with_raise_if_key_not_exists(false)
        .with_commit_properties(CommitProperties::default().with_max_retries(0).with_create_checkpoint(false))
        .await;
    match created {
        Ok(_) => load(url, log).await,
        // Another writer may have made it first, or the answer to our own put was lost: the log says which.
        Err(error) => load(url, log).await.map_err(|reading| first_cause(error, reading)),
    }
}

/// Of the errors of a failed creation and of the look after it, the one that says more.
fn first_cause(creating: DeltaTableError, reading: LakeError) -> LakeError {
    match reading {
        LakeError::NotFound { .. } => creating.into(),
        other => other,
    }
}
