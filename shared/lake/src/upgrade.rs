//! Bringing a table of an earlier schema version up to this one.
//!
//! Versions only add columns that may be null, so an upgrade is one entry in the log and touches no file: rows of before have null
//! there. A program of the earlier version that writes to the same lake meets the entry before its next commit, and stops with an
//! error that names the version.

use std::collections::HashMap;

use deltalake::arrow::datatypes::{Field, Schema};
use deltalake::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use deltalake::kernel::transaction::{CommitData, TransactionError};
use deltalake::kernel::{Action, MetadataExt, StructField, StructType};
use deltalake::logstore::{CommitOrBytes, LogStoreRef};
use deltalake::protocol::DeltaOperation;
use deltalake::{DeltaTable, DeltaTableError};
use url::Url;
use uuid::Uuid;

use crate::backoff::of_the_store;
use crate::error::LakeError;
use crate::schema;
use crate::table::{Table, check_schema, version_of};

/// Attempts before an upgrade gives up. Each that fails without an error of the store is another writer's success.
const ATTEMPTS: u32 = 100;

/// Failures of the store before an upgrade gives up.
const FAILURES: u32 = 10;

/// The columns of the schema in code that `table` lacks.
pub(crate) fn lacking(table: &DeltaTable) -> Result<Vec<Field>, LakeError> {
    let found: Schema = table.snapshot()?.schema().as_ref().try_into_arrow()?;
    Ok(schema::missing_fields(&found))
}

/// Adds the columns that `table` lacks, and gives the newest snapshot.
pub(crate) async fn upgrade(url: &Url, log: &LogStoreRef, mut table: DeltaTable) -> Result<DeltaTable, LakeError> {
    let (mut failures, mut pauses) = (0, of_the_store());
    for _ in 0..ATTEMPTS {
        if lacking(&table)?.is_empty() {
            return Ok(table);
        }
        let bytes = CommitOrBytes::LogBytes(entry(&table)?.get_bytes()?);
        // The entry rests on the snapshot, so it must be the next; whatever the answer, the log then says what has landed.
        match log.write_commit_entry(version_of(&table) + 1, bytes, Uuid::new_v4()).await {
            Ok(()) => tracing::info!(version = schema::SCHEMA_VERSION, "the lake has the new schema"),
            Err(TransactionError::VersionAlreadyExists(_)) => pauses.wait().await,
            Err(error) => {
                failures += 1;
                if failures >= FAILURES {
                    return Err(error.into());
                }
                pauses.wait().await;
            }
        }
        table.update_incremental(None).await?;
        check_schema(url, &table)?;
    }
    Err(LakeError::Contended { attempts: ATTEMPTS })
}

fn entry(table: &DeltaTable) -> Result<CommitData, LakeError> {
    let state = table.snapshot()?;
    let columns: StructType = schema::labels_schema().as_ref().try_into_kernel()?;
    let added = lacking(table)?;
    let fields: Vec<StructField> =
        columns.fields().filter(|field| added.iter().any(|new| new.name() == field.name())).cloned().collect();
    let metadata = state.metadata().clone().with_schema(&columns).map_err(DeltaTableError::from)?;
    let (property, version) = (schema::SCHEMA_PROPERTY.to_owned(), schema::SCHEMA_VERSION.to_string());
    let metadata = metadata.add_config_key(property, version).map_err(DeltaTableError::from)?;
    let operation = DeltaOperation::AddColumn { fields };
    Ok(CommitData::new(vec![Action::Metadata(metadata)], operation, HashMap::new(), Vec::new()))
}

/// Makes `table` one that this version's rows can be written to.
pub(crate) async fn bring_up_to_date(table: &Table) -> Result<(), LakeError> {
    if !lacking(&table.snapshot())?.is_empty() {
        upgrade(table.url(), table.log(), table.refreshed().await?).await?;
        table.refreshed().await?;
    }
    Ok(())
}
