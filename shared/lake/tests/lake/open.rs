//! Opening: what is a lake and what is not.

use std::sync::Arc;

use bolus_lake::{ErrorKind, Lake, LakeError};
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::support::{
    KEEP, assert_each_once, folder_url, local_store, memory_lake, memory_store, memory_url, one, rows,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_lake_answers_with_no_rows() {
    let lake = memory_lake().await;
    for table in ["labels", "series_labels", "slice_scores", "failures"] {
        let (columns, found) = lake.sql(&format!("SELECT * FROM {table}")).await.unwrap().to_table().await.unwrap();
        assert!(!columns.is_empty(), "{table}");
        assert!(found.is_empty(), "{table}");
        assert_eq!(one(&lake, &format!("SELECT count(*) FROM {table}")).await, "0");
    }
    assert!(lake.files().await.unwrap().is_empty());
    assert_eq!(lake.row_count().await.unwrap(), 0);
    assert_eq!(lake.version().await.unwrap(), 0);
}

#[tokio::test]
async fn a_lake_on_one_thread_works_and_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder_url(&folder);
    let missing = Lake::open(&url, local_store(&folder)).await.unwrap_err();
    assert!(matches!(missing, LakeError::NotFound { .. }), "{missing}");
    assert_eq!(missing.kind(), ErrorKind::Reject);

    let lake = Lake::open_or_create(&url, local_store(&folder)).await.unwrap();
    lake.append(&rows(0..3), &KEEP).await.unwrap();
    drop(lake);
    let lake = Lake::open(&url, local_store(&folder)).await.unwrap();
    assert_each_once(&lake, 3).await;
    assert_eq!(lake.row_count().await.unwrap(), 3);
    for file in lake.files().await.unwrap() {
        assert!(std::path::Path::new(&file).is_file(), "{file}");
    }
}

#[tokio::test]
async fn a_folder_with_other_files_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("my lake/series")).unwrap();
    std::fs::write(folder.path().join("my lake/.hidden"), b"").unwrap();
    let url = folder_url(&folder);
    std::fs::write(folder.path().join("my lake/series/1.dcm"), b"DICM").unwrap();
    let error = Lake::open_or_create(&url, local_store(&folder)).await.unwrap_err();
    assert!(matches!(&error, LakeError::NotALake { found, .. } if found.contains("series/1.dcm")), "{error}");
    assert_eq!(error.kind(), ErrorKind::Reject);

    std::fs::remove_file(folder.path().join("my lake/series/1.dcm")).unwrap();
    Lake::open_or_create(&url, local_store(&folder)).await.unwrap();
}

#[tokio::test]
async fn a_delta_table_is_not_a_lake() {
    let store = memory_store();
    Lake::open_or_create(&memory_url(), store.clone()).await.unwrap();
    let table = Arc::new(PrefixStore::new(store, "labels"));
    let error = Lake::open_or_create(&memory_url(), table).await.unwrap_err();
    assert!(matches!(&error, LakeError::NotALake { found, .. } if found.contains("Delta table")), "{error}");
}

#[tokio::test]
async fn a_table_with_another_schema_is_refused_with_its_version() {
    let store = memory_store();
    Lake::open_or_create(&memory_url(), store.clone()).await.unwrap();
    let entry = "labels/_delta_log/00000000000000000000.json".into();
    let text = store.get(&entry).await.unwrap().bytes().await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let newer =
        text.replace("audit", "audit_v2").replace(r#""bolus.schemaVersion":"2""#, r#""bolus.schemaVersion":"3""#);
    assert_ne!(newer, text);
    store.put(&entry, newer.into()).await.unwrap();
    let error = Lake::open_or_create(&memory_url(), store).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, LakeError::Schema { .. }), "{text}");
    assert!(text.contains("version 3") && text.contains("no column `audit`"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_make_the_same_lake_meet_in_it() {
    let store = memory_store();
    let open = |number: usize| {
        let store: Arc<dyn ObjectStore> = store.clone();
        tokio::spawn(async move {
            let lake = Lake::open_or_create(&memory_url(), store).await.unwrap();
            lake.append(&rows([number]), &KEEP).await.unwrap();
        })
    };
    let opened: Vec<_> = (0..8).map(open).collect();
    for task in opened {
        task.await.unwrap();
    }
    assert_each_once(&Lake::open(&memory_url(), store).await.unwrap(), 8).await;
}
