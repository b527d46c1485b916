//! What the table's library does with two commits of one application id: one fact that would be relied upon in vain.

use deltalake::kernel::Transaction;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaResult, DeltaTable};
use url::Url;

use bolus_lake::Lake;

use crate::support::{folder_url, local_store};

/// Two handles of the table of one lake, both at version 0.
async fn two_owners() -> (tempfile::TempDir, DeltaTable, DeltaTable) {
    let folder = tempfile::tempdir().unwrap();
    Lake::open_or_create(&folder_url(&folder), local_store(&folder)).await.unwrap();
    let url = Url::from_directory_path(folder.path().join("my lake/labels")).unwrap();
    let open = || deltalake::open_table(url.clone());
    let (one, other) = (open().await.unwrap(), open().await.unwrap());
    (folder, one, other)
}

/// Commits through the library's own path, as seen from the snapshot of `table`; gives the version.
async fn commit(table: &DeltaTable, app_id: &str, version: i64) -> DeltaResult<u64> {
    let properties = CommitProperties::default().with_application_transaction(Transaction::new(app_id, version));
    let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
    let commit = CommitBuilder::from(properties).build(Some(table.snapshot()?), table.log_store(), operation).await?;
    Ok(commit.version())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_commit_with_the_same_application_id_is_refused_and_with_another_accepted() {
    let (_folder, owner, stale) = two_owners().await;
    assert_eq!(commit(&owner, "bolus/g/t/0", 5).await.unwrap(), 1);
    let error = commit(&stale, "bolus/g/t/0", 3).await.unwrap_err();
    assert!(error.to_string().contains("Concurrent transaction failed"), "{error}");
    assert_eq!(commit(&stale, "bolus/g/t/1", 3).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_owner_that_refreshed_first_is_accepted_so_the_look_is_ours_to_make() {
    let (_folder, owner, mut stale) = two_owners().await;
    assert_eq!(commit(&owner, "bolus/g/t/0", 5).await.unwrap(), 1);
    stale.update_incremental(None).await.unwrap();
    assert_eq!(commit(&stale, "bolus/g/t/0", 3).await.unwrap(), 2);
    let newest = stale.snapshot().unwrap().transaction_version(stale.log_store().as_ref(), "bolus/g/t/0").await;
    assert_eq!(newest.unwrap(), Some(5), "the snapshot before its own commit");
    stale.update_incremental(None).await.unwrap();
    let newest = stale.snapshot().unwrap().transaction_version(stale.log_store().as_ref(), "bolus/g/t/0").await;
    assert_eq!(newest.unwrap(), Some(3), "progress went back");
}
