//! Checkpoints of the table's log, the removal of its expired entries, and of the memory that commits leave behind, beside the appends.

use std::sync::{Arc, Mutex};

use deltalake::checkpoints::{cleanup_metadata, create_checkpoint};
use tokio::task::JoinHandle;

use crate::error::LakeError;
use crate::memory;
use crate::table::Table;

/// Commits between two checkpoints of the log.
pub(crate) const CHECKPOINT_INTERVAL: u64 = 50;

/// Commits between two removals of expired log entries: each lists the whole log.
const CLEANUP_INTERVAL: u64 = 1_000;

/// The upkeep of one table. Its failure costs only time at the next opening.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    running: Mutex<Option<JoinHandle<()>>>,
}

impl Upkeep {
    /// Starts what the commit of `version` calls for, in the background. One runs at a time; appends do not wait for it.
    pub fn after(&self, version: u64, table: &Arc<Table>) {
        if !is_due(version, CHECKPOINT_INTERVAL) {
            return;
        }
        let mut running = self.running.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if running.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let table = Arc::clone(table);
        *running = Some(tokio::spawn(async move {
            if let Err(error) = shorten(&table, version).await {
                tracing::warn!(%error, version, "could not write a checkpoint of the lake's log");
            }
            if tokio::task::spawn_blocking(memory::give_back).await.is_err() {
                tracing::warn!("free memory could not be given back");
            }
        }));
    }

    /// Waits for what is still running.
    pub async fn finish(&self) {
        let running = self.running.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(task) = running
            && let Err(error) = task.await
        {
            tracing::warn!(%error, "the upkeep of the lake's log ended early");
        }
    }
}

async fn shorten(table: &Table, version: u64) -> Result<(), LakeError> {
    let table = table.refreshed().await?;
    create_checkpoint(&table, None).await?;
    if is_due(version, CLEANUP_INTERVAL) {
        cleanup_metadata(&table, None).await?;
    }
    Ok(())
}

fn is_due(version: u64, interval: u64) -> bool {
    (version + 1).is_multiple_of(interval)
}
