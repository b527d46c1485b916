//! Lakes of earlier schema versions, as their programs left them (`tests/golden/lake-v1`, `lake-v2`), under this one.

use std::path::Path;
use std::sync::Arc;

use bolus_lake::{Lake, RowFilter};
use bolus_study::RowKey;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::support::{KEEP, PARTITION, labelled, memory_lake, memory_url, one, rows, step};

/// Rows in a golden lake.
const OLD: usize = 2;

/// The golden lakes, by schema version, and how many of their rows tell the slices that were planned.
const LAKES: [(u32, usize); 2] = [(1, 0), (2, OLD)];

/// The golden lake of a schema version, in memory.
async fn old_lake(version: u32) -> Arc<dyn ObjectStore> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/golden/lake-v{version}"));
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for folder in ["labels", "labels/_delta_log"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_file() {
                let name = format!("{folder}/{}", entry.file_name().unwrap().to_str().unwrap());
                store.put(&name.into(), std::fs::read(entry).unwrap().into()).await.unwrap();
            }
        }
    }
    store
}

async fn old_keys(lake: &Lake) -> Vec<RowKey> {
    let (_, found) = lake.sql("SELECT row_key FROM labels").await.unwrap().to_table().await.unwrap();
    found.iter().map(|row| RowKey::from_stored(&row[0])).collect()
}

/// Entries of the log that define the table: one makes it, each further one changes it.
async fn definitions(store: &Arc<dyn ObjectStore>, versions: u64) -> usize {
    let mut found = 0;
    for version in 0..=versions {
        let entry = store.get(&format!("labels/_delta_log/{version:020}.json").into()).await.unwrap();
        found += usize::from(String::from_utf8_lossy(&entry.bytes().await.unwrap()).contains("\"metaData\""));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_read_as_it_lies() {
    for (version, planned) in LAKES {
        let store = old_lake(version).await;
        let lake = Lake::open(&memory_url(), store.clone()).await.unwrap();
        let version = lake.version().await.unwrap();
        let counts = "SELECT count(*), count(slices_planned), count(stack), count(coverage) FROM";
        assert_eq!(one(&lake, &format!("{counts} labels")).await, format!("{OLD}|{planned}|0|0"));
        assert_eq!(one(&lake, &format!("{counts} series_labels")).await, format!("{OLD}|{planned}|0|0"));
        assert_eq!(one(&lake, "SELECT count(remarks), count(stack_parted_by) FROM labels").await, "0|0");
        assert_eq!(one(&lake, "SELECT count(*) > 0 FROM slice_scores").await, "true");
        assert_eq!(lake.known_keys(&old_keys(&lake).await).await.unwrap().len(), OLD);
        assert_eq!((lake.version().await.unwrap(), definitions(&store, version).await), (version, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_rows_are_read_whole_and_can_be_written_anew() {
    for (version, planned) in LAKES {
        let lake = Lake::open(&memory_url(), old_lake(version).await).await.unwrap();
        let mut old = lake.labels(&RowFilter::default()).await.unwrap().all().await.unwrap();
        assert_eq!(old.len(), OLD);
        let predictions = old.iter().map(|row| row.prediction().unwrap());
        assert_eq!(predictions.clone().filter(|label| label.slices_planned.is_some()).count(), planned);
        assert!(predictions.clone().all(|label| label.coverage.is_none() && !label.slices.is_empty()));
        assert!(old.iter().all(|row| row.remarks.is_empty() && row.stack.is_none()));
        let newer = memory_lake().await;
        newer.append(&old, &KEEP).await.unwrap();
        let mut again = newer.labels(&RowFilter::default()).await.unwrap().all().await.unwrap();
        old.sort_by(|one, other| one.key.cmp(&other.key));
        again.sort_by(|one, other| one.key.cmp(&other.key));
        assert_eq!(again, old);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writing_adds_the_columns_once_and_keeps_every_row() {
    for (version, planned) in LAKES {
        written_to(old_lake(version).await, planned).await;
    }
}

async fn written_to(store: Arc<dyn ObjectStore>, planned: usize) {
    let before = Lake::open(&memory_url(), store.clone()).await.unwrap();
    let old = before.version().await.unwrap();
    let lake = Lake::open_or_create(&memory_url(), store.clone()).await.unwrap();
    assert_eq!((lake.version().await.unwrap(), definitions(&store, old + 1).await), (old + 1, 2));
    // Who had it open goes on, and what is known stays known.
    let mut batch = rows(0..3);
    batch[2].key = old_keys(&lake).await.remove(0);
    let commit = before.append(&batch, &step(None, 5)).await.unwrap();
    assert_eq!((commit.appended, commit.already_there), (2, 1));
    assert_eq!(lake.append(&batch, &KEEP).await.unwrap().appended, 0);
    assert_eq!(lake.transaction_version(PARTITION).await.unwrap(), Some(5));
    let counts =
        "SELECT count(*), count(DISTINCT row_key), count(slices_planned), count(coverage), count(remarks) FROM labels";
    for opened in [lake, before, Lake::open(&memory_url(), store.clone()).await.unwrap()] {
        assert_eq!(one(&opened, counts).await, format!("{}|{}|{}|2|2", OLD + 2, OLD + 2, planned + 2));
    }
    let again = Lake::open_or_create(&memory_url(), store.clone()).await.unwrap();
    assert_eq!((again.version().await.unwrap(), definitions(&store, old + 2).await), (old + 2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_upgrade_at_the_same_time_meet_in_it() {
    let store = old_lake(1).await;
    let write = |number: usize| {
        let store = store.clone();
        tokio::spawn(async move {
            // Every second one has it open for reading first.
            let lake = match number % 2 {
                0 => Lake::open_or_create(&memory_url(), store).await.unwrap(),
                _ => Lake::open(&memory_url(), store).await.unwrap(),
            };
            lake.append(&[labelled(number), labelled(100)], &KEEP).await.unwrap();
        })
    };
    let writers: Vec<_> = (0..8).map(write).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let lake = Lake::open(&memory_url(), store.clone()).await.unwrap();
    let counts = one(&lake, "SELECT count(*), count(DISTINCT row_key), count(slices_planned) FROM labels").await;
    assert_eq!(counts, format!("{}|{}|9", OLD + 9, OLD + 9));
    assert_eq!(definitions(&store, lake.version().await.unwrap()).await, 2);
}
