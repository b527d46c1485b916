//! The study event's Rust type against `schemas/study-event.v1.json`: what one takes, the other takes.

use bolus_events::{Event, Origin, StudyContent, StudyEvent, StudyObject, parse};
use bolus_study::StudyUid;
use chrono::{DateTime, Utc};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../schemas/study-event.v1.json")).unwrap()
}

fn validator() -> Validator {
    assert!(jsonschema::meta::is_valid(&schema()));
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema()).unwrap()
}

/// The study event in `message`, or `None` where it is refused.
fn read(message: &Value) -> Option<StudyEvent> {
    let parsed = parse(message.to_string().as_bytes()).ok()?;
    match <[Event; 1]>::try_from(parsed.events) {
        Ok([Event::Study(study)]) if parsed.refused.is_empty() => Some(study),
        other => panic!("a study event reads as {other:?}"),
    }
}

fn a_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9/ +%._-]{1,40}", "\\PC{1,20}"]
}

fn an_object() -> impl Strategy<Value = StudyObject> {
    let hints =
        (prop::option::of("[0-9a-f]{32}"), prop::option::of("[A-Za-z0-9.]{1,32}"), prop::option::of(0..(1_u64 << 53)));
    (a_text(), hints).prop_map(|(key, (etag, version_id, size))| StudyObject { key, etag, version_id, size })
}

prop_compose! {
    fn an_origin()(topic in "[A-Za-z0-9._-]{1,40}", partition in 0..1_000_000_000, offset in 0_i64..1_000_000_000_000) -> Origin {
        Origin { topic, partition, offset }
    }
}

prop_compose! {
    fn a_study()(
        names in ("[a-zA-Z0-9-]{1,36}", "[a-z/]{1,20}", "[a-z0-9](-?[a-z0-9]){2,20}(\\.[a-z][a-z0-9]{0,5}){0,2}"),
        seconds in 0_i64..4_102_444_800,
        nanoseconds in 0_u32..1_000_000_000,
        content in prop_oneof![
            prop_oneof![Just(String::new()), a_text()].prop_map(StudyContent::Prefix),
            prop::collection::vec(an_object(), 1..5).prop_map(StudyContent::Objects),
        ],
        study_uid in prop::option::of("[0-9]{1,9}(\\.[0-9]{1,9}){0,5}"),
        revision in any::<u32>(),
        partition_key in prop::option::of(a_text()),
        origin in prop::option::of(an_origin()),
        replay in prop::option::of("\\PC{1,20}"),
    ) -> StudyEvent {
        let (id, source, bucket) = names;
        StudyEvent {
            id, source, bucket, content, revision, partition_key, origin, replay,
            time: DateTime::<Utc>::from_timestamp(seconds, nanoseconds).unwrap(),
            study_uid: study_uid.map(|uid| StudyUid::new(&uid).unwrap()),
        }
    }
}

/// The fields of a study event and of its objects, as JSON pointers.
const FIELDS: [&str; 20] = [
    "/specversion",
    "/type",
    "/id",
    "/source",
    "/time",
    "/datacontenttype",
    "/partitionkey",
    "/origin",
    "/replay",
    "/data",
    "/data/bucket",
    "/data/prefix",
    "/data/objects",
    "/data/objects/0",
    "/data/objects/0/key",
    "/data/objects/0/etag",
    "/data/objects/0/version_id",
    "/data/objects/0/size",
    "/data/study_instance_uid",
    "/data/revision",
];

/// Values at the edges of what some field allows.
fn edges() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(""),
        json!("x"),
        json!("a/b"),
        json!("a..b"),
        json!("a-"),
        json!("-a"),
        json!("A"),
        json!("a_b"),
        json!("a#b"),
        json!("a\nb"),
        json!("10.0.0.1"),
        json!("10.0.0.x"),
        json!("b".repeat(63)),
        json!("b".repeat(64)),
        json!("1.2.3"),
        json!("1.2.3 "),
        json!("1.2.x"),
        json!("1.0"),
        json!("application/json"),
        json!("text/plain"),
        json!(0),
        json!(-1),
        json!(5.0),
        json!(5.5),
        json!(-0.0),
        json!(1e300),
        json!(u32::MAX),
        json!(u64::from(u32::MAX) + 1),
        json!((1_u64 << 53) - 1),
        json!(1_u64 << 53),
        json!(u64::MAX),
        json!([]),
        json!([{}]),
        json!([{ "key": "k" }]),
        json!({}),
        json!({ "bucket": "b", "prefix": "p" }),
        json!("t/1/2"),
        json!("t/1"),
        json!("t/-1/2"),
        json!("t/1/2/3"),
        json!("t/1000000000/1"),
        json!("a b/1/2"),
        json!("t//2"),
        json!("k".repeat(255)),
        json!("k".repeat(256)),
        json!("k".repeat(1024)),
        json!("k".repeat(1025)),
        json!("1".repeat(64)),
        json!("1".repeat(65)),
        json!("2026-11-23T17:04:25Z"),
        json!("2026-11-23t17:04:25Z"),
        json!("2026-11-23T17:04:25z"),
        json!("2026-11-23 17:04:25Z"),
        json!("2026-11-23T17:04:25"),
        json!("2026-02-30T17:04:25Z"),
        json!("2026-11-23T23:59:60Z"),
        json!("2026-11-23T17:04:25.123456789123Z"),
        json!("2026-11-23T17:04:25+23:59"),
        json!("2026-11-23T17:04:25+24:00"),
        json!("2026-11-23"),
        json!("org.bolus.study.ready.v1"),
    ]
}

/// Sets the field at `pointer`, or takes it away where `value` is `None`.
fn change(event: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match (event.pointer_mut(parent), value) {
        (Some(Value::Object(fields)), Some(value)) => drop(fields.insert(name.to_owned(), value)),
        (Some(Value::Object(fields)), None) => drop(fields.remove(name)),
        // The list may have been emptied by an earlier change.
        (Some(Value::Array(list)), Some(value)) => list.splice(..list.len().min(1), [value]).for_each(drop),
        (Some(Value::Array(list)), None) => list.clear(),
        _ => {}
    }
}

fn assert_agreement(validator: &Validator, message: &Value) {
    let is_study = message.get("type") == Some(&json!("org.bolus.study.ready.v1"));
    let is_read = is_study && read(message).is_some();
    assert_eq!(is_read, validator.is_valid(message), "they disagree on {message}");
}

#[test]
fn every_example_of_the_schema_is_read() {
    let validator = validator();
    let schema = schema();
    let examples = schema["examples"].as_array().unwrap();
    assert!(!examples.is_empty());
    for example in examples {
        assert!(validator.is_valid(example), "{example}");
        let study = read(example).unwrap();
        let again: Value = serde_json::from_slice(&study.to_json()).unwrap();
        assert!(validator.is_valid(&again), "{again}");
        assert_eq!(read(&again), Some(study));
    }
}

/// Every field of every example, each taken away and set to each edge: no sampling, so that a gap cannot hide.
#[test]
fn schema_and_type_refuse_the_same() {
    let validator = validator();
    let values: Vec<Option<Value>> = edges().into_iter().map(Some).chain([None]).collect();
    let mut refused = 0;
    for example in schema()["examples"].as_array().unwrap() {
        for pointer in FIELDS {
            for value in &values {
                let mut message = example.clone();
                change(&mut message, pointer, value.clone());
                assert_agreement(&validator, &message);
                refused += usize::from(!validator.is_valid(&message));
            }
        }
    }
    assert!(refused > 1_000, "only {refused} changes were refused: the test has lost its edges");
}

#[test]
fn a_list_that_was_emptied_takes_an_element() {
    let mut message = schema()["examples"][1].clone();
    change(&mut message, "/data/objects/0", None);
    change(&mut message, "/data/objects/0", Some(Value::Null));
    assert_eq!(message["data"]["objects"], json!([null]));
    assert_agreement(&validator(), &message);
}

proptest! {
    #[test]
    fn every_event_is_valid_and_read_back(study in a_study()) {
        let message: Value = serde_json::from_slice(&study.to_json()).unwrap();
        let validator = validator();
        if let Err(error) = validator.validate(&message) {
            panic!("{error}: {message}");
        }
        prop_assert_eq!(read(&message), Some(study));
    }

    #[test]
    fn fields_that_nobody_knows_change_nothing(study in a_study(), name in "x[a-z]{1,8}", value in "\\PC{0,8}") {
        let mut message: Value = serde_json::from_slice(&study.to_json()).unwrap();
        change(&mut message, &format!("/{name}"), Some(json!(value)));
        change(&mut message, &format!("/data/{name}"), Some(json!({ "a": value })));
        prop_assert!(validator().is_valid(&message));
        prop_assert_eq!(read(&message), Some(study));
    }

    #[test]
    fn changed_events_are_judged_alike(
        study in a_study(),
        changes in prop::collection::vec((prop::sample::select(&FIELDS[..]), prop::option::of(prop::sample::select(edges()))), 1..4),
    ) {
        let mut message: Value = serde_json::from_slice(&study.to_json()).unwrap();
        for (pointer, value) in changes {
            change(&mut message, pointer, value);
        }
        assert_agreement(&validator(), &message);
    }
}
