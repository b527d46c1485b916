//! Opening a lake, and making one.

use std::collections::HashMap;
use std::sync::Arc;

use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::CommitProperties;
use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::SaveMode;
use deltalake::{DeltaTable, DeltaTableError, TableProperty};
use futures::StreamExt;
use object_store::ObjectStore;
use object_store::prefix::PrefixStore;
use url::Url;

use crate::error::LakeError;
use crate::mount::Mounted;
use crate::probe::PROBE;
use crate::schema;
use crate::table::{Table, check_schema, path_of};
use crate::upgrade::upgrade;
use crate::upkeep::CHECKPOINT_INTERVAL;

/// The table's folder in the lake.
const TABLE: &str = "labels";

/// Opens the table of the lake at `url` as it is.
pub(crate) async fn open(url: &Url, store: &Arc<dyn ObjectStore>) -> Result<Table, LakeError> {
    let log = log_store(url, store)?;
    let table = load(url, &log).await?;
    Ok(Table::new(url, log, table))
}

/// Opens the table of the lake at `url` with every column of this version, and makes it where nothing lies there.
pub(crate) async fn open_or_create(url: &Url, store: &Arc<dyn ObjectStore>) -> Result<Table, LakeError> {
    let log = log_store(url, store)?;
    let table = match load(url, &log).await {
        Err(LakeError::NotFound { .. }) => match refuse_foreign(url, store).await {
            Ok(()) => create(url, &log).await?,
            // What lies there may be the table, made by another writer since the first look.
            Err(foreign) => load(url, &log).await.map_err(|_| foreign)?,
        },
        other => other?,
    };
    let table = upgrade(url, &log, table).await?;
    Ok(Table::new(url, log, table))
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
