//! From an event to its rows.

use bolus_events::{ORIGIN_HEADER, REASON_HEADER, StudyEvent, StudyObject};
use bolus_testkit::SyntheticSeries;
use bytes::Bytes;

use crate::world::World;

#[tokio::test]
async fn a_study_event_becomes_a_row_with_its_progress() {
    let Some(world) = World::new("study", 1).await else { return };
    let event = StudyEvent::prefix(world.bucket(), world.upload(1).await);
    world.publish_event(&world.live, &event).await;
    let mut worker = world.worker(&[]);
    world.wait_for_progress(&world.live, 1, 1, &mut worker).await;
    world.assert_labelled(1..2).await;
    let rows = world.sql("SELECT event, attempts, source_uri FROM labels").await;
    assert_eq!(rows[0]["event"].as_str().unwrap().as_bytes(), event.to_json());
    assert_eq!(rows[0]["attempts"], 1);
    assert!(worker.fetch("/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(worker.fetch("/healthz").await.starts_with("HTTP/1.1 200"));
    assert_eq!(worker.metric("bolus_worker_rows_committed_total").await, 1.0);
    let log = worker.log();
    assert!(!log.contains("SYNTHETIC") && !log.contains(&world.prefix("study-1")), "names stay out of the log: {log}");
}

#[tokio::test]
async fn repeated_events_end_without_rows() {
    let Some(world) = World::new("repeated", 1).await else { return };
    let prefix = world.upload(1).await;
    let event = StudyEvent::prefix(world.bucket(), &prefix);
    for _ in 0..20 {
        world.publish_event(&world.live, &event).await;
    }
    // The same study under another id goes the long way, and is known by its key.
    world.publish_event(&world.live, &StudyEvent::prefix(world.bucket(), &prefix)).await;
    let mut worker = world.worker(&[]);
    world.wait_for_progress(&world.live, 1, 21, &mut worker).await;
    world.assert_labelled(1..2).await;
    let repeated = format!("bolus_worker_events_total{{topic=\"{}\",outcome=\"duplicate\"}}", world.live);
    assert!(worker.metric(&repeated).await >= 19.0, "{}", worker.fetch("/metrics").await);
    drop(worker);

    // After a restart nothing is remembered, and the keys still tell.
    world.publish_event(&world.live, &event).await;
    let mut worker = world.worker(&[]);
    world.wait_for_progress(&world.live, 1, 22, &mut worker).await;
    world.assert_labelled(1..2).await;
    assert_eq!(worker.metric("bolus_worker_rows_committed_total").await, 0.0);
}

#[tokio::test]
async fn default_bundles_take_series_by_body_part_and_repetitions_are_known_under_any_key() {
    let Some(world) = World::new("auto", 1).await else { return };
    // By the tag, by the image, and a part that no bundle covers.
    let studies = [("CHEST", "1.2.3.1"), ("", "1.2.3.2"), ("FOOT", "1.2.3.3")];
    for (tag, uid) in studies {
        let series = SyntheticSeries { body_part: tag, ..SyntheticSeries::chest(uid, 8) };
        for slice in 0..series.slices {
            world.put(&format!("{}/{slice}.dcm", world.prefix(uid)), series.file(slice)).await;
        }
    }
    let mut worker = world.worker(&[("BOLUS_WORKER__MODEL__NAME", "auto".into())]);
    for round in 1..=2 {
        for (_, uid) in studies {
            world.publish_event(&world.live, &StudyEvent::prefix(world.bucket(), world.prefix(uid))).await;
        }
        world.wait_for_progress(&world.live, 1, round * 3, &mut worker).await;
        let query = "SELECT status, reason, bundle_name = 'auto' AS none, body_part_source AS by FROM labels ORDER BY series_instance_uid";
        let rows = world.sql(query).await;
        assert_eq!(rows.len(), 3, "{rows:?}");
        let found: Vec<_> =
            rows.iter().map(|row| (row["status"].as_str(), row["by"].as_str(), row["none"].as_bool())).collect();
        let labelled = |by| (Some("labelled"), Some(by), Some(false));
        assert_eq!(found, [labelled("tag"), labelled("image"), (Some("refused"), Some("tag"), Some(true))]);
        assert!(rows[2]["reason"].as_str().unwrap().starts_with("no bundle covers extremity"), "{rows:?}");
    }
}

#[tokio::test]
async fn what_is_no_study_ends_as_one_failed_row() {
    let Some(world) = World::new("junk", 1).await else { return };
    world.put(&format!("{}/notes.txt", world.prefix("no-images")), b"no image".to_vec()).await;
    let nowhere = StudyEvent::prefix(world.bucket(), world.prefix("nowhere"));
    let no_images = StudyEvent::prefix(world.bucket(), world.prefix("no-images"));
    let no_bucket = StudyEvent::prefix("bolus-no-such-bucket", "x");
    let gone = StudyEvent::objects(world.bucket(), vec![StudyObject::new("gone.dcm")]);
    let plain_object = br#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"a.dcm","sequencer":"1"}}}]}"#;
    let deleted = br#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectRemoved:Delete","s3":{"bucket":{"name":"b"},"object":{"key":"a.dcm"}}}]}"#;
    let payloads: [&[u8]; 9] = [
        b"junk",
        b"junk",
        b"\xff\xfe",
        plain_object,
        deleted,
        &nowhere.to_json(),
        &no_images.to_json(),
        &no_bucket.to_json(),
        &gone.to_json(),
    ];
    for payload in payloads {
        world.publish(&world.live, b"k", payload).await;
    }
    world.publish(&world.live, b"k", b"").await;
    let mut worker = world.worker(&[]);
    world.wait_for_progress(&world.live, 1, 10, &mut worker).await;
    let mut rows: Vec<(String, String, String)> = Vec::new();
    for row in world.sql("SELECT status, reason_code, event FROM labels").await {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        rows.push((text("event"), text("status"), text("reason_code")));
    }
    rows.sort();
    let row = |event: &[u8], status: &str, reason: &str| {
        (String::from_utf8(event.to_vec()).unwrap(), status.to_owned(), reason.to_owned())
    };
    let mut expected = vec![
        row(b"junk", "failed", "bad_event"),
        row(b"base64://4=", "failed", "bad_event"),
        row(b"", "failed", "bad_event"),
        row(plain_object, "failed", "bad_event"),
        row(&nowhere.to_json(), "failed", "nothing_found"),
        row(&no_images.to_json(), "refused", "not_dicom"),
        row(&no_bucket.to_json(), "failed", "store_unavailable"),
        row(&gone.to_json(), "failed", "nothing_found"),
    ];
    expected.sort();
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn what_the_assembler_passes_on_ends_with_its_reason() {
    let Some(world) = World::new("passed-on", 1).await else { return };
    let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from_static(value.as_bytes()));
    let headers = [header(ORIGIN_HEADER, "bolus.objects/3/17"), header(REASON_HEADER, "ambiguous_key: two readings")];
    // A message of which the assembler has taken one record must not be labelled once more for it.
    let study = StudyEvent::prefix(world.bucket(), world.upload(1).await).to_json();
    world.publish_with(&world.live, b"k", &study, &headers).await;
    let mut worker = world.worker(&[]);
    world.wait_for_progress(&world.live, 1, 1, &mut worker).await;
    let rows = world.sql("SELECT status, reason_code, reason, source_uri FROM labels").await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((&rows[0]["status"], &rows[0]["reason_code"]), (&"failed".into(), &"bad_event".into()));
    assert_eq!(rows[0]["reason"], "ambiguous_key: two readings");
    assert_eq!(rows[0]["source_uri"], "kafka:bolus.objects/3/17");
}

#[tokio::test]
async fn a_replay_tries_again_what_failed_and_only_once() {
    let Some(world) = World::new("replay", 1).await else { return };
    let (prefix, series) = (world.prefix("broken"), SyntheticSeries::tiny(&World::series_uid(1), 1));
    for slice in 0..series.slices {
        let mut bytes = series.file(slice);
        // Half of the slices end within their pixels.
        bytes.truncate(bytes.len() - (slice % 2) * 100);
        world.put(&format!("{prefix}/{slice}.dcm"), bytes).await;
    }
    let study = || StudyEvent::prefix(world.bucket(), &prefix);
    let mut worker = world.worker(&[]);
    let mut failures = Vec::new();
    let events = [study(), study(), study().with_replay("one"), study().with_replay("one"), study().with_replay("two")];
    for (sent, event) in (1..).zip(events) {
        world.publish_event(&world.live, &event).await;
        world.wait_for_progress(&world.live, 1, sent, &mut worker).await;
        let query = "SELECT count(*) AS n, count(DISTINCT row_key) AS keys FROM labels WHERE status = 'failed'";
        let rows = world.sql(query).await;
        assert_eq!(rows[0]["n"], rows[0]["keys"]);
        failures.push(rows[0]["n"].as_u64().unwrap());
    }
    let once = failures[0];
    assert!(once > 0, "{}", worker.log());
    assert_eq!(failures, [once, once, 2 * once, 2 * once, 3 * once]);
}

#[tokio::test]
async fn named_objects_are_the_study_and_late_ones_a_revision() {
    let Some(world) = World::new("objects", 1).await else { return };
    let prefix = world.upload(1).await;
    let object = |slice: usize| StudyObject::new(format!("{prefix}/{slice}.dcm"));
    let most = StudyEvent::objects(world.bucket(), (0..6).map(object).collect()).keyed_by(&prefix);
    let all = StudyEvent::objects(world.bucket(), (0..8).map(object).collect()).keyed_by(&prefix).with_revision(1);
    world.publish_event(&world.live, &most).await;
    world.publish_event(&world.live, &all).await;
    let mut worker = world.worker(&[]);
    world.wait_for_progress(&world.live, 1, 2, &mut worker).await;
    let rows = world.sql("SELECT slice_count FROM labels WHERE status = 'labelled' ORDER BY 1").await;
    let slices: Vec<u64> = rows.iter().map(|row| row["slice_count"].as_u64().unwrap()).collect();
    assert_eq!(slices, [6, 8], "{}", worker.log());
}

#[tokio::test]
async fn a_bucket_that_is_not_allowed_is_not_read() {
    let Some(world) = World::new("allowed", 1).await else { return };
    world.publish_studies(&world.live, 1..2).await;
    let mut worker = world.worker(&[("BOLUS_WORKER__STUDIES__ALLOWED_BUCKETS", "another".to_owned())]);
    world.wait_for_progress(&world.live, 1, 1, &mut worker).await;
    let rows = world.sql("SELECT status, reason FROM labels").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["status"], "failed");
    assert!(rows[0]["reason"].as_str().unwrap().contains("allowed_buckets"), "{rows:?}");
}
