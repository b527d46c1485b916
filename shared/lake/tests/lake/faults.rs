//! Stores that fail at the worst moment: no row is lost, none is doubled.

use std::sync::Arc;

use bolus_lake::{ErrorKind, Lake, LakeError};
use object_store::ObjectStore;

use crate::store::{Fault, Faulty};
use crate::support::{KEEP, PARTITION, PATIENCE, assert_each_once, memory_store, memory_url, rows, step};

/// A lake with one commit, on a store that then fails `times`, and the sound store below it.
async fn faulty_lake(fault: Fault, times: usize) -> (Lake, Arc<Faulty>, Arc<dyn ObjectStore>) {
    let sound = memory_store();
    let lake = Lake::open_or_create(&memory_url(), sound.clone()).await.unwrap();
    lake.append(&rows(0..2), &KEEP).await.unwrap();
    let store = Faulty::new(sound.clone(), fault, times);
    let lake = Lake::open(&memory_url(), store.clone()).await.unwrap();
    (lake, store, sound)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_is_settled_by_the_log() {
    for fault in [Fault::After, Fault::OwnExists] {
        let (lake, store, sound) = faulty_lake(fault, 1).await;
        let commit = lake.append(&rows(1..5), &KEEP).await.unwrap();
        assert_eq!(store.left(), 0);
        assert_eq!((commit.version, commit.appended, commit.already_there), (Some(2), 3, 1), "{fault:?}");
        let sound = Lake::open(&memory_url(), sound).await.unwrap();
        assert_each_once(&sound, 5).await;
        assert_eq!(sound.version().await.unwrap(), 2, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_had_no_effect_is_tried_again() {
    for fault in [Fault::Before, Fault::NothingExists] {
        let (lake, store, sound) = faulty_lake(fault, 3).await;
        let commit = lake.append(&rows(1..5), &KEEP).await.unwrap();
        assert_eq!(store.left(), 0);
        assert_eq!((commit.version, commit.appended), (Some(2), 3), "{fault:?}");
        assert_each_once(&Lake::open(&memory_url(), sound).await.unwrap(), 5).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_put_ends_at_once() {
    let (lake, store, sound) = faulty_lake(Fault::Denied, 100).await;
    let error = lake.append(&rows(1..5), &KEEP).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal, "{error}");
    assert_eq!(store.left(), 99);
    assert_each_once(&Lake::open(&memory_url(), sound).await.unwrap(), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stays_down_ends_as_unsettled_and_can_be_tried_again() {
    let (lake, _, sound) = faulty_lake(Fault::Before, 4).await;
    let lake = lake.with_attempts(4);
    let error = lake.append(&rows(1..5), &KEEP).await.unwrap_err();
    assert!(matches!(error, LakeError::Unsettled { version: 2, .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Retry);
    let commit = lake.append(&rows(1..5), &KEEP).await.unwrap();
    assert_eq!((commit.appended, commit.already_there), (3, 1));
    assert_each_once(&Lake::open(&memory_url(), sound).await.unwrap(), 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_killed_before_its_commit_leaves_only_an_unseen_file() {
    let (lake, store, sound) = faulty_lake(Fault::Hang, 1).await;
    let killed = tokio::spawn(async move { lake.append(&rows(1..5), &KEEP).await });
    while store.left() > 0 {
        tokio::task::yield_now().await;
    }
    killed.abort();
    assert!(killed.await.unwrap_err().is_cancelled());
    let lake = Lake::open(&memory_url(), sound).await.unwrap();
    assert_each_once(&lake, 2).await;
    let commit = lake.append(&rows(1..5), &KEEP).await.unwrap();
    assert_eq!((commit.version, commit.appended), (Some(2), 3));
    assert_each_once(&lake, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_writers_on_a_bad_store_still_land_each_key_once() {
    for fault in [Fault::After, Fault::OwnExists, Fault::Before, Fault::NothingExists] {
        let (_, store, sound) = faulty_lake(fault, 10).await;
        let writer = |number: usize| {
            let store: Arc<dyn ObjectStore> = store.clone();
            tokio::spawn(async move {
                let lake = Lake::open(&memory_url(), store).await.unwrap();
                lake.append(&rows(number..number + 4), &KEEP).await.unwrap().appended
            })
        };
        let writers: Vec<_> = (0..8).map(writer).collect();
        let mut appended = 0;
        for task in writers {
            appended += task.await.unwrap();
        }
        assert_eq!(appended, 9, "{fault:?}");
        assert_each_once(&Lake::open(&memory_url(), sound).await.unwrap(), 11).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_moves_the_transaction_once_and_fences_nobody() {
    for fault in [Fault::After, Fault::OwnExists, Fault::Precondition, Fault::Before, Fault::NothingExists] {
        let (lake, store, sound) = faulty_lake(fault, 1).await;
        let commit = lake.append(&rows(1..5), &step(None, 7)).await.unwrap();
        assert_eq!((store.left(), commit.version, commit.appended), (0, Some(2), 3), "{fault:?}");
        let commit = lake.append(&rows(5..6), &step(Some(7), 8)).await.unwrap();
        assert_eq!((commit.version, commit.appended), (Some(3), 1), "{fault:?}");
        let sound = Lake::open(&memory_url(), sound).await.unwrap();
        assert_eq!(sound.transaction_version(PARTITION).await.unwrap(), Some(8), "{fault:?}");
        assert_each_once(&sound, 6).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_ended_unsettled_and_landed_is_told_by_its_transaction() {
    let (lake, store, sound) = faulty_lake(Fault::Blind, 1).await;
    let lake = lake.with_attempts(2);
    let error = lake.append(&rows(1..5), &step(None, 7)).await.unwrap_err();
    assert!(matches!(error, LakeError::Unsettled { version: 2, .. }), "{error}");
    store.see();
    let error = lake.append(&rows(1..5), &step(None, 7)).await.unwrap_err();
    assert!(matches!(error, LakeError::Fenced { found: Some(7), .. }), "{error}");
    assert_eq!(lake.transaction_version(PARTITION).await.unwrap(), Some(7));
    assert_each_once(&Lake::open(&memory_url(), sound).await.unwrap(), 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_owner_that_loses_a_race_is_fenced_off_before_its_next_attempt() {
    let (stale, store, sound) = faulty_lake(Fault::Gate, 1).await;
    let stale = tokio::spawn(async move { stale.append(&rows(2..4), &step(None, 5)).await });
    // It has looked, found nothing amiss, and is about to create version 2.
    tokio::time::timeout(PATIENCE, store.reached.notified()).await.expect("a look in time");
    let owner = Lake::open(&memory_url(), sound).await.unwrap();
    owner.append(&rows(4..6), &step(None, 6)).await.unwrap();
    store.release();
    let error = stale.await.unwrap().unwrap_err();
    assert!(matches!(error, LakeError::Fenced { found: Some(6), .. }), "{error}");
    assert_eq!(owner.transaction_version(PARTITION).await.unwrap(), Some(6));
    assert_each_once(&owner, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_of_another_partition_that_loses_a_race_drops_what_has_landed_and_goes_on() {
    let (lake, store, sound) = faulty_lake(Fault::Gate, 1).await;
    let late = tokio::spawn(async move { lake.append(&rows(2..4), &step(None, 5)).await });
    tokio::time::timeout(PATIENCE, store.reached.notified()).await.expect("a look in time");
    let other = Lake::open(&memory_url(), sound).await.unwrap();
    other.append(&rows(3..6), &KEEP).await.unwrap();
    store.release();
    let commit = late.await.unwrap().unwrap();
    assert_eq!((commit.version, commit.appended, commit.already_there, commit.conflicts), (Some(3), 1, 1, 1));
    assert_each_once(&other, 6).await;
}
