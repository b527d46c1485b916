//! `bolus failures`: what failed is listed until it is labelled, and its events are sent again.

use bolus_events::StudyEvent;
use bolus_lake::{AppendOptions, Lake};
use bolus_study::{
    Audit, BundleRef, ContentDigest, InstanceFingerprint, LabelRow, Outcome, PredictedClass, Prediction, Reason,
    ReasonCode, RowKey, SeriesFacts, SeriesUid, Status,
};
use object_store::local::LocalFileSystem;

use crate::kafka::Site;
use crate::support::{Run, bolus, temp};

fn prediction() -> Prediction {
    Prediction {
        class: PredictedClass::Native,
        probability: 0.1,
        raw_probability: 0.1,
        audit: Audit::FillsGap,
        slices: Vec::new(),
        slices_planned: Some(0),
        coverage: None,
        device: "cpu".into(),
        runtime: "1.27".into(),
    }
}

/// A row of a series, or of an event as a whole where there is none.
fn row(series: Option<&str>, source: &str, status: Status, at: i64, event: Option<String>) -> LabelRow {
    let name = series.unwrap_or(source);
    let content = ContentDigest::of(vec![InstanceFingerprint { instance: name.into(), etag: at.to_string() }]);
    let bundle = BundleRef { name: "cheap".into(), version: "1".into(), digest: "d".into() };
    let reason = Reason::new(ReasonCode::StoreUnavailable, "the store was away");
    let outcome = match status {
        Status::Labelled => Outcome::Labelled(prediction()),
        Status::Refused => Outcome::Refused(reason),
        Status::Failed => Outcome::Failed(reason),
    };
    LabelRow {
        key: RowKey::of(name, &content, &bundle.digest),
        outcome,
        study_uid: None,
        series_uid: series.map(|uid| SeriesUid::new(uid).unwrap()),
        series_uid_derived: false,
        stack: None,
        patient_key: None,
        source_uri: source.to_owned(),
        content,
        bundle,
        facts: SeriesFacts::default(),
        body_part: None,
        declared: None,
        files: usize::from(series.is_some()),
        refused_slices: Vec::new(),
        remarks: Vec::new(),
        seconds: 0.0,
        created_at_us: 1_800_000_000_000_000 + at,
        program_version: "0".into(),
        event,
        attempts: 5,
    }
}

async fn append(lake: &std::path::Path, rows: &[LabelRow]) {
    std::fs::create_dir_all(lake).unwrap();
    let store = LocalFileSystem::new_with_prefix(lake).unwrap();
    let url = format!("file://{}", lake.display()).parse().unwrap();
    let lake = Lake::open_or_create(&url, std::sync::Arc::new(store)).await.unwrap();
    lake.append(rows, &AppendOptions::default()).await.unwrap();
}

fn study(prefix: &str) -> Option<String> {
    Some(String::from_utf8(StudyEvent::prefix("archive", prefix).to_json()).unwrap())
}

fn sources(run: &Run) -> Vec<&str> {
    let mut sources: Vec<&str> =
        run.of_type("failure").iter().map(|line| line["source_uri"].as_str().unwrap()).collect();
    sources.sort_unstable();
    sources
}

#[tokio::test]
async fn a_failure_is_listed_until_something_newer_came_of_it() {
    let folder = temp();
    let lake = folder.path().join("lake");
    let rows = [
        row(Some("1.2.1"), "s3://archive/a", Status::Failed, 1, study("a")),
        row(Some("1.2.2"), "s3://archive/b", Status::Failed, 1, study("b")),
        row(Some("1.2.2"), "s3://archive/b", Status::Labelled, 2, study("b")),
        row(Some("1.2.3"), "s3://archive/c", Status::Labelled, 1, study("c")),
        row(Some("1.2.3"), "s3://archive/c", Status::Failed, 2, study("c")),
        // Events as a whole: one came to something below its place, one did not, one's neighbour did.
        row(None, "s3://archive/d/", Status::Failed, 1, study("d")),
        row(Some("1.2.4"), "s3://archive/d/x", Status::Labelled, 2, study("d")),
        row(None, "s3://archive/e", Status::Failed, 3, study("e")),
        row(Some("1.2.5"), "s3://archive/e", Status::Labelled, 2, study("e")),
        row(None, "s3://archive/f", Status::Failed, 1, study("f")),
        row(Some("1.2.6"), "s3://archive/ff", Status::Labelled, 2, study("ff")),
    ];
    append(&lake, &rows).await;
    let list = |more: &[&str]| {
        let output = bolus().args(["failures", "list", "--json", "--lake"]).arg(&lake).args(more).output().unwrap();
        Run::of(&output)
    };
    let all = list(&[]);
    assert_eq!(all.code, 0, "{}", all.stderr);
    assert_eq!(sources(&all), ["s3://archive/a", "s3://archive/c", "s3://archive/e", "s3://archive/f"]);
    assert_eq!((all.count("failures"), all.summary()["by_reason"]["store_unavailable"].as_u64()), (4, Some(4)));
    assert_eq!(list(&["--reason", "bad_event"]).count("failures"), 0);
    assert_eq!(sources(&list(&["--key", rows[0].key.as_str()])), ["s3://archive/a"]);
    let since = chrono::DateTime::from_timestamp_micros(1_800_000_000_000_002).unwrap().to_rfc3339();
    assert_eq!(sources(&list(&["--since", &since])), ["s3://archive/c", "s3://archive/e"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_sent_again_as_new_events() {
    let Some(site) = Site::new("failures-replay").await else { return };
    let folder = temp();
    let lake = folder.path().join("lake");
    let lake_name = lake.display().to_string();
    let first = StudyEvent::prefix("archive", "one").with_revision(3);
    let one = Some(String::from_utf8(first.to_json()).unwrap());
    let rows = [
        // Two series of one event, and an event that came twice.
        row(Some("1.2.1"), "s3://archive/one/a", Status::Failed, 1, one.clone()),
        row(Some("1.2.2"), "s3://archive/one/b", Status::Failed, 1, one),
        row(None, "s3://archive/one/c", Status::Failed, 1, study("one")),
        row(Some("1.2.3"), "s3://archive/two", Status::Failed, 1, study("two")),
        row(Some("1.2.4"), "file:///three", Status::Failed, 1, None),
        row(None, "kafka:t/0/1", Status::Failed, 1, Some("junk \u{1}".into())),
        row(None, "kafka:t/0/2", Status::Failed, 1, Some("base64:/wA=".into())),
    ];
    append(&lake, &rows).await;
    let replay = |more: &[&str]| site.bolus_to_topic(&[&["failures", "replay", "--lake", &lake_name], more].concat());
    let none = replay(&[]);
    assert_eq!((none.code, site.count().await), (1, 0));
    assert!(none.stderr.contains("--all"), "{}", none.stderr);

    let run = replay(&["--all"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    let counts = ["failures", "sent", "without_event", "not_events", "refused"].map(|name| run.count(name));
    assert_eq!(counts, [7, 2, 1, 2, 0]);
    let mut messages = site.messages().await;
    messages.sort_by(|one, other| one.key.cmp(&other.key));
    let keys: Vec<&str> = messages.iter().map(|message| message.key.as_str()).collect();
    assert_eq!(keys, ["archive/one", "archive/two"]);
    let again = messages[0].study();
    assert_eq!(again.prefix_of(), "one");
    assert_ne!(again.id, first.id);
    assert_eq!(again.replay.as_deref(), run.summary()["replay"].as_str());

    let raw = replay(&["--key", rows[5].key.as_str(), "--raw"]);
    assert_eq!((raw.code, raw.count("sent")), (0, 1), "{}", raw.stderr);
    let bytes = replay(&["--key", rows[6].key.as_str(), "--raw"]);
    assert_eq!((bytes.code, bytes.count("sent")), (0, 1), "{}", bytes.stderr);
    let payloads: Vec<Vec<u8>> = site.messages().await.into_iter().map(|message| message.payload).collect();
    assert!(payloads.contains(&b"junk \x01".to_vec()) && payloads.contains(&vec![0xff, 0x00]));
}

/// The prefix of a study that is told by one.
trait PrefixOf {
    fn prefix_of(&self) -> &str;
}

impl PrefixOf for StudyEvent {
    fn prefix_of(&self) -> &str {
        match &self.content {
            bolus_events::StudyContent::Prefix(prefix) => prefix,
            bolus_events::StudyContent::Objects(_) => "",
        }
    }
}
