//! The Delta table `labels`: where it lies, and its newest snapshot.

use std::sync::RwLock;

use deltalake::DeltaTable;
use deltalake::arrow::datatypes::Schema;
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake::kernel::transaction::PROTOCOL;
use deltalake::logstore::LogStoreRef;
use object_store::path::Path;
use url::Url;

use crate::entry::LogEntry;
use crate::error::LakeError;
use crate::schema;

/// The table of a lake. Reads take the newest snapshot and do not wait for each other.
#[derive(Debug)]
pub(crate) struct Table {
    /// The lake's, not the table's own.
    url: Url,
    log: LogStoreRef,
    /// The newest snapshot that was asked for; it only ever moves forward.
    current: RwLock<DeltaTable>,
}

impl Table {
    /// The table of the lake at `url`, as `loaded`.
    pub fn new(url: &Url, log: LogStoreRef, loaded: DeltaTable) -> Self {
        Self { url: url.clone(), log, current: RwLock::new(loaded) }
    }

    /// Where the lake lies.
    pub fn url(&self) -> &Url {
        &self.url
    }

    pub fn log(&self) -> &LogStoreRef {
        &self.log
    }

    /// The newest snapshot, after a look at the log.
    pub async fn refreshed(&self) -> Result<DeltaTable, LakeError> {
        let mut table = self.snapshot();
        table.update_incremental(None).await?;
        let mut current = self.current.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if table.version() > current.version() {
            *current = table.clone();
        }
        Ok(table)
    }

    /// The newest snapshot that was asked for, without a look at the log.
    pub fn snapshot(&self) -> DeltaTable {
        self.current.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// The log entry of `version`; none where there is no such entry.
    pub async fn entry(&self, version: u64) -> Result<Option<LogEntry>, LakeError> {
        match self.log.read_commit_entry(version).await? {
            Some(bytes) => LogEntry::parse(version, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The live Parquet files, as absolute URIs (plain paths for a local lake), sorted.
    pub async fn files(&self) -> Result<Vec<String>, LakeError> {
        let table = self.refreshed().await?;
        let paths = table.snapshot()?.log_data().iter().map(|file| file.object_store_path()).collect::<Vec<_>>();
        let mut uris = paths.iter().map(|path| self.uri_of(path)).collect::<Result<Vec<_>, _>>()?;
        uris.sort();
        Ok(uris)
    }

    fn uri_of(&self, path: &Path) -> Result<String, LakeError> {
        let root = self.log.root_url();
        if let ("file", Ok(folder)) = (root.scheme(), root.to_file_path()) {
            return Ok(folder.join(path.as_ref()).to_string_lossy().into_owned());
        }
        Ok(format!("{}://{}/{}/{path}", root.scheme(), root.authority(), path_of(root)?))
    }
}

/// The version of a loaded table; every table here is loaded.
pub(crate) fn version_of(table: &DeltaTable) -> u64 {
    table.version().unwrap_or(0)
}

/// The path that the table's library takes from a URL.
pub(crate) fn path_of(url: &Url) -> Result<Path, LakeError> {
    Path::from_url_path(url.path())
        .map_err(|error| LakeError::NotALake { url: url.to_string(), found: format!("its URL is not valid: {error}") })
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
