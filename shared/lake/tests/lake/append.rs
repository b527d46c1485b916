//! Each key lands once, whoever writes.

use std::sync::Arc;

use bolus_lake::{AppendOptions, ErrorKind, Lake, LakeError, TransactionStep};
use bolus_study::Outcome;
use object_store::{ObjectStore, ObjectStoreExt};
use url::Url;

use crate::support::{
    KEEP, assert_each_once, folder_url, labelled, local_store, memory_lake, memory_store, memory_url, one, rows,
    s3_store, step,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_adds_nothing() {
    let lake = memory_lake().await;
    let all = rows(0..10);
    let first = lake.append(&all, &KEEP).await.unwrap();
    assert_eq!((first.version, first.appended, first.already_there), (Some(1), 10, 0));
    let second = lake.append(&all, &KEEP).await.unwrap();
    assert_eq!((second.version, second.appended, second.already_there), (None, 0, 10));
    let more = lake.append(&rows(5..15), &KEEP).await.unwrap();
    assert_eq!((more.version, more.appended, more.already_there), (Some(2), 5, 5));
    assert_eq!(lake.append(&[], &KEEP).await.unwrap().version, None);
    assert_each_once(&lake, 15).await;
    assert_eq!(lake.row_count().await.unwrap(), 15);
    assert_eq!(lake.files().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_twice_in_a_batch_lands_once() {
    let lake = memory_lake().await;
    let commit = lake.append(&rows([1, 2, 1]), &KEEP).await.unwrap();
    assert_eq!((commit.appended, commit.already_there), (2, 1));
    assert_each_once(&lake, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn known_keys_are_those_in_the_lake() {
    let lake = memory_lake().await;
    lake.append(&rows(0..4), &KEEP).await.unwrap();
    let keys: Vec<_> = rows(2..6).into_iter().map(|row| row.key).collect();
    let known = lake.known_keys(&keys).await.unwrap();
    assert_eq!(known, keys[..2].iter().cloned().collect());
    lake.append(&rows(4..6), &KEEP).await.unwrap();
    assert_eq!(lake.known_keys(&keys).await.unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_land_after_a_look_are_found_in_the_log() {
    let store = memory_store();
    let one_writer = Lake::open_or_create(&memory_url(), store.clone()).await.unwrap();
    let other = Lake::open(&memory_url(), store).await.unwrap();
    let keys: Vec<_> = rows(0..6).into_iter().map(|row| row.key).collect();
    assert!(one_writer.known_keys(&keys).await.unwrap().is_empty());
    other.append(&rows(0..2), &KEEP).await.unwrap();
    // More rows than a commit names: the look falls back to the file.
    other.append(&rows(2..5_000), &KEEP).await.unwrap();
    let commit = one_writer.append(&rows((0..6).chain([9_999])), &KEEP).await.unwrap();
    assert_eq!((commit.appended, commit.already_there), (1, 6));
    assert_each_once(&one_writer, 5_001).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relabelling_appends_and_the_views_show_the_newest() {
    let lake = memory_lake().await;
    lake.append(&rows(0..2), &KEEP).await.unwrap();
    let mut again = labelled(0);
    again.created_at_us += 1_000_000;
    if let Outcome::Labelled(prediction) = &mut again.outcome {
        prediction.probability = 0.125;
    }
    let relabel = AppendOptions { relabel: true, ..KEEP };
    let commit = lake.append(&[again], &relabel).await.unwrap();
    assert_eq!((commit.appended, commit.already_there), (1, 0));
    assert_eq!(one(&lake, "SELECT count(*) FROM labels").await, "3");
    assert_eq!(one(&lake, "SELECT count(*), min(probability) FROM series_labels").await, "2|0.125");
    assert_eq!(one(&lake, "SELECT count(*) FROM slice_scores").await, "6");
}

async fn race(url: Url, store: Arc<dyn ObjectStore>) {
    Lake::open_or_create(&url, store.clone()).await.unwrap();
    let writer = |number: usize| {
        let (url, store) = (url.clone(), store.clone());
        tokio::spawn(async move {
            let lake = Lake::open(&url, store).await.unwrap();
            let mut appended = 0;
            for batch in 0..6 {
                // Every key is offered by three writers.
                let first = (number + batch) % 8 * 10;
                let commit = lake.append(&rows(first..first + 30), &KEEP).await.unwrap();
                assert_eq!(commit.appended + commit.already_there, 30);
                appended += commit.appended;
            }
            appended
        })
    };
    let writers: Vec<_> = (0..8).map(writer).collect();
    let mut appended = 0;
    for task in writers {
        appended += task.await.unwrap();
    }
    assert_eq!(appended, 100);
    let lake = Lake::open(&url, store).await.unwrap();
    assert_each_once(&lake, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_race_on_a_local_folder() {
    let folder = tempfile::tempdir().unwrap();
    race(folder_url(&folder), local_store(&folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_race_in_memory() {
    race(memory_url(), memory_store()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_race_on_s3() {
    let Some(store) = s3_store() else { return };
    race(memory_url(), store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_land_with_the_rows_and_fence_off_a_stale_owner() {
    let store = memory_store();
    let owner = Lake::open_or_create(&memory_url(), store.clone()).await.unwrap();
    let stale = Lake::open(&memory_url(), store).await.unwrap();
    assert_eq!(owner.transaction_version("bolus/group/topic/0").await.unwrap(), None);
    owner.append(&rows(0..2), &step(None, 7)).await.unwrap();
    assert_eq!(stale.transaction_version("bolus/group/topic/0").await.unwrap(), Some(7));

    let error = stale.append(&rows(2..4), &step(None, 3)).await.unwrap_err();
    assert!(matches!(error, LakeError::Fenced { found: Some(7), .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Reject);

    // Nothing new to write, yet the progress is written.
    let commit = owner.append(&rows(0..2), &step(Some(7), 9)).await.unwrap();
    assert_eq!((commit.version, commit.appended, commit.already_there), (Some(2), 0, 2));
    assert_eq!(owner.transaction_version("bolus/group/topic/0").await.unwrap(), Some(9));
    assert_each_once(&owner, 2).await;
}

fn partition(number: usize) -> String {
    format!("bolus/group/topic/{number}")
}

#[tokio::test(flavor = "multi_thread")]
async fn many_partitions_move_in_one_commit_and_are_read_at_once() {
    let store = memory_store();
    let owner = Lake::open_or_create(&memory_url(), store.clone()).await.unwrap();
    let app_ids: Vec<String> = (0..50).map(partition).collect();
    assert_eq!(owner.transaction_versions(&app_ids).await.unwrap(), vec![None; 50]);
    let steps = |expected: Option<i64>, version| {
        app_ids.iter().map(move |app_id| TransactionStep { app_id: app_id.clone(), expected, version }).collect()
    };
    // Duplicates only: progress without a row.
    let options = AppendOptions { relabel: false, transactions: steps(None, 200) };
    let commit = owner.append(&[], &options).await.unwrap();
    assert_eq!((commit.version, commit.appended, commit.already_there), (Some(1), 0, 0));
    assert!(owner.files().await.unwrap().is_empty());

    // Another reader, who has to look them up, and one more that was never written.
    let reader = Lake::open(&memory_url(), store).await.unwrap();
    let asked: Vec<String> = (0..51).map(partition).collect();
    let found = reader.transaction_versions(&asked).await.unwrap();
    assert!(found[..50].iter().all(|version| *version == Some(200)));
    assert_eq!(found[50], None);

    // One of them fenced off: nothing lands, and the error names it.
    let other = AppendOptions {
        relabel: false,
        transactions: vec![TransactionStep { app_id: partition(7), expected: Some(200), version: 201 }],
    };
    reader.append(&rows([1]), &other).await.unwrap();
    let options = AppendOptions { relabel: false, transactions: steps(Some(200), 300) };
    let error = owner.append(&rows([2]), &options).await.unwrap_err();
    let LakeError::Fenced { app_id, expected, found } = error else { panic!("{error}") };
    assert_eq!((app_id, expected, found), (partition(7), Some(200), Some(201)));
    assert_each_once(&owner, 1).await;
    assert_eq!(owner.transaction_version(&partition(6)).await.unwrap(), Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_taken_away_by_another_program_can_be_added_again() {
    let store = memory_store();
    let lake = Lake::open_or_create(&memory_url(), store.clone()).await.unwrap();
    let all = rows(0..3);
    lake.append(&all, &KEEP).await.unwrap();
    let keys: Vec<_> = all.iter().map(|row| row.key.clone()).collect();
    assert_eq!(lake.known_keys(&keys).await.unwrap().len(), 3);
    let file = lake.files().await.unwrap()[0].rsplit('/').next().unwrap().to_owned();
    let remove = format!(r#"{{"remove":{{"path":"{file}","deletionTimestamp":1750000000000,"dataChange":true}}}}"#);
    store.put(&"labels/_delta_log/00000000000000000002.json".into(), remove.into()).await.unwrap();
    assert_eq!(lake.known_keys(&keys).await.unwrap().len(), 0);
    let commit = lake.append(&all, &KEEP).await.unwrap();
    assert_eq!((commit.version, commit.appended, commit.already_there), (Some(3), 3, 0));
    assert_each_once(&lake, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_no_commit_names_is_never_seen() {
    let store = memory_store();
    let lake = Lake::open_or_create(&memory_url(), store.clone()).await.unwrap();
    lake.append(&rows(0..2), &KEEP).await.unwrap();
    let file = lake.files().await.unwrap()[0].replace("memory://archive/a lake/", "");
    let bytes = store.get(&file.as_str().into()).await.unwrap().bytes().await.unwrap();
    store.put(&"labels/orphan.parquet".into(), bytes.into()).await.unwrap();
    assert_each_once(&lake, 2).await;
    assert_eq!(lake.files().await.unwrap().len(), 1);
    assert_eq!(Lake::open(&memory_url(), store).await.unwrap().row_count().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_gets_checkpoints_and_reads_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open_or_create(&folder_url(&folder), local_store(&folder)).await.unwrap();
    for number in 0..55 {
        lake.append(&rows([number]), &step((number > 0).then_some(number as i64), number as i64 + 1)).await.unwrap();
    }
    lake.finish().await;
    let log = folder.path().join("my lake/labels/_delta_log");
    assert!(log.join("_last_checkpoint").is_file());
    let lake = Lake::open(&folder_url(&folder), local_store(&folder)).await.unwrap();
    assert_each_once(&lake, 55).await;
    assert_eq!(lake.transaction_version("bolus/group/topic/0").await.unwrap(), Some(55));
    let again = lake.append(&rows(0..56), &KEEP).await.unwrap();
    assert_eq!((again.appended, again.already_there), (1, 55));
}
