//! Rows as structs: what is chosen, what replaces a failure, and rows that cannot be read.

use std::sync::Arc;

use bolus_lake::{ErrorKind, Lake, LakeError, NewestOutcome, OpenFailure, RowFilter};
use bolus_study::{LabelRow, Outcome, Reason, ReasonCode, RowKey, SeriesUid, StackRef, Status};
use deltalake::arrow::array::{ArrayRef, RecordBatch, StringArray};
use deltalake::parquet::arrow::ArrowWriter;
use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{KEEP, labelled, memory_lake, memory_store, memory_url, refused};

const ALL: fn() -> RowFilter = RowFilter::default;

/// A row that failed, of a series or, without one, of a file or an event.
fn failed(number: usize, series: Option<&str>) -> LabelRow {
    LabelRow {
        outcome: Outcome::Failed(Reason::new(ReasonCode::StoreUnavailable, "the store was away")),
        series_uid: series.map(|uid| SeriesUid::new(uid).unwrap()),
        ..labelled(number)
    }
}

fn at(place: &str, row: LabelRow) -> LabelRow {
    LabelRow { source_uri: place.into(), ..row }
}

async fn lake_of(rows: &[LabelRow]) -> Lake {
    let lake = memory_lake().await;
    lake.append(rows, &KEEP).await.unwrap();
    lake
}

async fn keys_of(lake: &Lake, filter: RowFilter) -> Vec<RowKey> {
    let mut rows = lake.labels(&filter).await.unwrap().all().await.unwrap();
    rows.sort_by_key(|row| row.created_at_us);
    rows.into_iter().map(|row| row.key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_condition_chooses_and_values_are_never_sql() {
    let quoted = "o'hara' OR '1'='1";
    let mut rows = vec![labelled(0), refused(1), failed(2, Some("1.2.2"))];
    rows[0].bundle.name = quoted.into();
    rows[1].bundle.digest = "other".into();
    rows[2].source_uri = "s3://archive/it's/set.zip!/a".into();
    let lake = lake_of(&rows).await;
    let key = |index: usize| rows[index].key.clone();
    let chosen = |filter| keys_of(&lake, filter);
    assert_eq!(chosen(ALL()).await.len(), 3);
    assert_eq!(chosen(RowFilter { status: Some(Status::Refused), ..ALL() }).await, [key(1)]);
    assert_eq!(chosen(RowFilter { bundles: vec![quoted.into()], ..ALL() }).await, [key(0)]);
    assert_eq!(chosen(RowFilter { bundles: vec![quoted.into(), "torso".into()], ..ALL() }).await.len(), 3);
    assert_eq!(chosen(RowFilter { bundle_digest: Some("other".into()), ..ALL() }).await, [key(1)]);
    assert_eq!(chosen(RowFilter { reason_code: Some("store_unavailable".into()), ..ALL() }).await, [key(2)]);
    let prefix = key(0).as_str()[..12].to_owned();
    assert_eq!(chosen(RowFilter { key_prefix: Some(prefix), ..ALL() }).await, [key(0)]);
    assert_eq!(chosen(RowFilter { since_us: Some(rows[1].created_at_us), ..ALL() }).await, [key(1), key(2)]);
    for place in
        ["s3://archive/it's", "s3://archive/it's/", "s3://archive/it's/set.zip", "s3://archive/it's/set.zip!/a"]
    {
        assert_eq!(chosen(RowFilter { at: Some(place.into()), ..ALL() }).await, [key(2)], "{place}");
    }
    assert!(chosen(RowFilter { at: Some("s3://archive/it".into()), ..ALL() }).await.is_empty());
    let both = RowFilter { status: Some(Status::Labelled), bundle_digest: Some("other".into()), ..ALL() };
    assert!(chosen(both).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_by_place_an_archive_as_one() {
    let rows = [
        at("s3://a/x/two.tar.gz!/inner/", labelled(0)),
        at("s3://a/x/one/", refused(1)),
        LabelRow { files: 0, ..at("s3://a/x/two.tar.gz", failed(2, None)) },
        at("s3://b/x/one/", labelled(3)),
    ];
    let lake = lake_of(&rows).await;
    let placed = lake.by_place(&RowFilter { at: Some("s3://a".into()), ..ALL() }).await.unwrap().all().await.unwrap();
    let places: Vec<&str> = placed.iter().map(|row| row.place.as_str()).collect();
    assert_eq!(places, ["s3://a/x/one/", "s3://a/x/two.tar.gz/", "s3://a/x/two.tar.gz/"]);
    let event = placed.iter().find(|row| row.of_event).unwrap();
    assert_eq!((&event.key, event.status, event.files), (&rows[2].key, Status::Failed, 0));
    assert_eq!(placed[0].about, "1.2.840.1|512|256|0.5");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_of_each_kind_and_its_slices() {
    let again = |number: usize, row: LabelRow| LabelRow {
        key: labelled(number).key,
        created_at_us: row.created_at_us + 1_000_000,
        ..row
    };
    let mut whole = labelled(0);
    if let Outcome::Labelled(prediction) = &mut whole.outcome {
        prediction.slices_planned = Some(3);
    }
    // In part, in whole, in whole again, and a refusal of the same series.
    let rows = [labelled(0), again(1, whole.clone()), again(2, again(1, whole)), again(3, refused(0))];
    let lake = lake_of(&rows).await;
    let mut newest = lake.newest(&ALL()).await.unwrap().all().await.unwrap();
    newest.sort_by_key(|row| row.key == rows[3].key);
    let of = |row: &LabelRow| newest.iter().find(|found| found.key == row.key).map(|found| &found.outcome);
    assert!(matches!(of(&rows[0]), Some(NewestOutcome::Labelled { in_part: true, slices_planned: Some(7), .. })));
    assert!(of(&rows[1]).is_none());
    assert!(matches!(of(&rows[2]), Some(NewestOutcome::Labelled { in_part: false, probability: 0.9, .. })));
    assert_eq!(of(&rows[3]), Some(&NewestOutcome::Refused("too_few_slices".into())));
    assert_eq!(newest[0].transfer_syntaxes, rows[0].facts.transfer_syntaxes);
    let slices = lake.slice_probabilities(&ALL()).await.unwrap().all().await.unwrap();
    assert_eq!(slices.len(), 3);
    assert!(slices.iter().all(|row| row.probabilities == [0.25, 0.5, 0.75]));
    let counts = lake.label_counts().await.unwrap();
    assert_eq!((counts.len(), counts[0].bundle_name.as_str(), counts[0].labels), (1, "torso", 1));
}

/// Whether `newer` replaces `failure`, as `Lake::open_failures` says it.
fn replaces(newer: &LabelRow, failure: &LabelRow) -> bool {
    let who = |row: &LabelRow| row.series_uid.as_ref().map_or(row.source_uri.clone(), |uid| uid.as_str().to_owned());
    let stack = |row: &LabelRow| row.stack.as_ref().map(|stack| stack.number);
    let same_stack = match (stack(newer), stack(failure)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let place = format!("{}/", failure.source_uri.trim_end_matches('/'));
    let below = failure.series_uid.is_none() && format!("{}/", newer.source_uri).starts_with(&place);
    newer.bundle.name == failure.bundle.name
        && newer.created_at_us > failure.created_at_us
        && (who(newer) == who(failure) && same_stack || below)
}

fn few() -> impl Strategy<Value = LabelRow> {
    let place = vec(prop::sample::select(vec!["a", "b", "", "ab"]), 0..4).prop_map(|parts| parts.join("/"));
    let what = (of(0_u8..3), of(1_u32..3), prop::bool::weighted(0.7), any::<bool>());
    (what, place, 0_i64..6).prop_map(|((series, stack, fails, other), place, time)| {
        let series = series.map(|number| format!("1.2.{number}"));
        let stack = stack.filter(|_| series.is_some());
        let row = failed(0, series.as_deref());
        let mut bundle = row.bundle.clone();
        bundle.name = if other { "head".into() } else { bundle.name };
        LabelRow {
            bundle,
            outcome: if fails { row.outcome } else { labelled(0).outcome },
            stack: stack.map(|number| StackRef { number, parted_by: "AcquisitionNumber".into() }),
            source_uri: format!("s3://{place}"),
            created_at_us: time,
            ..row
        }
    })
}

#[test]
fn open_failures_are_those_that_nothing_newer_replaces() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&vec(few(), 1..24), |mut rows| {
            for (number, row) in rows.iter_mut().enumerate() {
                row.key = labelled(number).key;
            }
            runtime.block_on(async {
                let lake = lake_of(&rows).await;
                let found: Vec<OpenFailure> = lake.open_failures(&ALL()).await.unwrap().all().await.unwrap();
                let is_open =
                    |row: &&LabelRow| row.status() == Status::Failed && !rows.iter().any(|newer| replaces(newer, row));
                let mut wanted: Vec<&LabelRow> = rows.iter().filter(is_open).collect();
                wanted.sort_by_key(|row| (-row.created_at_us, row.key.clone()));
                let wanted: Vec<&RowKey> = wanted.into_iter().map(|row| &row.key).collect();
                prop_assert_eq!(found.iter().map(|failure| &failure.key).collect::<Vec<_>>(), wanted);
                Ok(())
            })
        })
        .unwrap();
}

/// Adds the rows of the lake's first file once more, with `value` in the column of that name.
async fn add_odd(store: &Arc<dyn ObjectStore>, version: u64, column: &str, value: Option<&str>) {
    let files: Vec<_> = store.list(Some(&"labels".into())).try_collect().await.unwrap();
    let file = files.iter().find(|file| file.location.as_ref().ends_with(".parquet")).unwrap();
    let bytes = store.get(&file.location).await.unwrap().bytes().await.unwrap();
    let batch = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap().next().unwrap().unwrap();
    let (schema, mut columns) = (batch.schema(), batch.columns().to_vec());
    let place = schema.index_of(column).unwrap();
    columns[place] = Arc::new(StringArray::from(vec![value; batch.num_rows()])) as ArrayRef;
    let batch = RecordBatch::try_new(schema, columns).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let (name, size) = (format!("odd-{version}.parquet"), file.len());
    store.put(&format!("labels/{name}").into(), file.into()).await.unwrap();
    let add = serde_json::json!({"add": {
        "path": name, "partitionValues": {}, "size": size, "modificationTime": 0, "dataChange": true
    }});
    let entry = format!("labels/_delta_log/{version:020}.json");
    store.put(&entry.into(), add.to_string().into_bytes().into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_named_with_the_mend() {
    let failure = failed(7, Some("1.2.7"));
    let odd = [
        ("status", Some("lablled"), "its column `status` is \"lablled\", expected labelled, refused or failed"),
        ("reason_code", Some("of_tomorrow"), "expected a reason that this version knows"),
        ("reason_code", None, "it is failed and has no reason and no prediction"),
        ("series_instance_uid", Some("../x"), "its column `series_instance_uid` is \"../x\", expected a UID"),
        ("body_part", Some("chest+tail"), "expected body parts joined by +"),
    ];
    for (column, value, problem) in odd {
        let store = memory_store();
        let lake = Lake::open_or_create(&memory_url(), store.clone()).await.unwrap();
        lake.append(std::slice::from_ref(&failure), &KEEP).await.unwrap();
        assert_eq!(keys_of(&lake, ALL()).await, std::slice::from_ref(&failure.key));
        add_odd(&store, 2, column, value).await;
        let error = lake.labels(&ALL()).await.unwrap().all().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal);
        let text = error.to_string();
        assert!(matches!(error, LakeError::Row { .. }), "{text}");
        for told in [problem, failure.key.as_str(), memory_url().as_str(), "labels", "DELETE FROM", "newer version"] {
            assert!(text.contains(told), "{text} does not tell {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_passes_over_a_row() {
    let store = memory_store();
    let lake = Lake::open_or_create(&memory_url(), store.clone()).await.unwrap();
    lake.append(&[failed(7, Some("1.2.7"))], &KEEP).await.unwrap();
    add_odd(&store, 2, "series_instance_uid", Some("../x")).await;
    assert!(matches!(lake.newest(&ALL()).await.unwrap().all().await, Err(LakeError::Row { .. })));
    assert!(matches!(lake.open_failures(&ALL()).await.unwrap().all().await, Err(LakeError::Row { .. })));
    add_odd(&store, 3, "status", Some("lablled")).await;
    assert!(matches!(lake.by_place(&ALL()).await.unwrap().all().await, Err(LakeError::Row { .. })));
}
