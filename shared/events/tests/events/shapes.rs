//! Object events written as each sender writes them, wrapped as they travel, and read back.

use bolus_events::{Event, EventSource, ObjectEvent, ObjectKey, Parsed, parse};
use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What form encoding leaves as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

fn form_encoded(key: &str, keeps_slashes: bool) -> String {
    let encoded = utf8_percent_encode(key, FORM).to_string().replace("%20", "+");
    if keeps_slashes { encoded.replace("%2F", "/") } else { encoded }
}

fn exact(event: &ObjectEvent) -> &str {
    match &event.key {
        ObjectKey::Exact(key) => key,
        ObjectKey::Ambiguous { .. } => panic!("generated keys are exact"),
    }
}

/// One record as the event's sender writes it.
fn record(event: &ObjectEvent) -> Value {
    let key = exact(event);
    let (source, name, key) = match event.source {
        EventSource::Aws => ("aws:s3", "ObjectCreated:Put", form_encoded(key, true)),
        EventSource::Minio => ("minio:s3", "s3:ObjectCreated:Put", form_encoded(key, false)),
        EventSource::RustFs => ("rustfs:s3", "s3:ObjectCreated:Put", form_encoded(key, false)),
        EventSource::StorageGrid => ("sgws:s3", "ObjectCreated:Copy", form_encoded(key, true)),
        EventSource::Ceph => ("ceph:s3", "ObjectCreated:Post", key.to_owned()),
        EventSource::Versity => ("aws:s3", "s3:ObjectCreated:Put", key.to_owned()),
        EventSource::EventBridge | EventSource::Bolus | EventSource::Other => panic!("no S3 record"),
    };
    let user = if event.source == EventSource::Versity { "PrincipalId" } else { "principalId" };
    let size = match event.source {
        EventSource::Ceph => json!(event.size.map(|size| size.to_string())),
        _ => json!(event.size),
    };
    let etag = match event.source {
        EventSource::Versity => event.etag.as_ref().map(|tag| format!("{tag:?}")),
        _ => event.etag.clone(),
    };
    json!({
        "eventVersion": "2.1", "eventSource": source, "eventName": name, "eventTime": event.time,
        "userIdentity": { user: "someone" },
        "s3": {
            "bucket": { "name": event.bucket },
            "object": {
                "key": key, "size": size, "eTag": etag, "versionId": event.version_id, "sequencer": event.sequencer,
            },
        },
    })
}

/// A message of all `events`, which have one sender.
fn message(events: &[ObjectEvent]) -> Value {
    match events {
        [only] if only.source == EventSource::EventBridge => eventbridge(only),
        _ if events.first().is_some_and(|event| event.source == EventSource::EventBridge) => {
            events.iter().map(eventbridge).collect()
        }
        _ => json!({ "Records": events.iter().map(record).collect::<Vec<_>>() }),
    }
}

fn eventbridge(event: &ObjectEvent) -> Value {
    json!({
        "version": "0", "detail-type": "Object Created", "source": "aws.s3", "time": event.time,
        "detail": {
            "bucket": { "name": event.bucket },
            "object": {
                "key": exact(event), "size": event.size, "etag": event.etag, "version-id": event.version_id,
                "sequencer": event.sequencer,
            },
        },
    })
}

/// The ways in which messages travel in others.
#[derive(Debug, Clone, Copy)]
enum Wrapping {
    Sns,
    SqsAnswer,
    SqsMessage,
    SqsLambda,
    SnsLambda,
    List,
    Text,
}

fn wrapped(message: &Value, wrapping: Wrapping) -> Value {
    let text = message.to_string();
    match wrapping {
        Wrapping::Sns => json!({ "Type": "Notification", "Message": text }),
        Wrapping::SqsAnswer => json!({ "Messages": [{ "MessageId": "1", "Body": text }] }),
        Wrapping::SqsMessage => json!({ "MessageId": "1", "Body": text }),
        Wrapping::SqsLambda => json!({ "Records": [{ "messageId": "1", "eventSource": "aws:sqs", "body": text }] }),
        Wrapping::SnsLambda => json!({ "Records": [{ "Sns": { "Type": "Notification", "Message": text } }] }),
        Wrapping::List => json!([message]),
        Wrapping::Text => json!(text),
    }
}

fn a_wrapping() -> impl Strategy<Value = Wrapping> {
    use Wrapping::*;
    prop::sample::select(vec![Sns, SqsAnswer, SqsMessage, SqsLambda, SnsLambda, List, Text])
}

fn a_source() -> impl Strategy<Value = EventSource> {
    use EventSource::*;
    prop::sample::select(vec![Aws, Minio, RustFs, StorageGrid, Ceph, Versity, EventBridge])
}

fn a_time() -> impl Strategy<Value = DateTime<Utc>> {
    (0_i64..4_102_444_800, 0_u32..1_000_000_000)
        .prop_map(|(seconds, nanoseconds)| DateTime::from_timestamp(seconds, nanoseconds).unwrap())
}

/// Keys of all that is awkward: spaces, plus and percent signs, whole percent sequences, letters of many bytes.
fn a_key() -> impl Strategy<Value = String> {
    let piece = prop_oneof!["[a-z0-9/._-]{1,12}", "[ +%&=?#\"\\\\]{1,3}", Just("%20".to_owned()), "\\PC{1,6}"];
    prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

fn an_event(source: EventSource) -> impl Strategy<Value = ObjectEvent> {
    let hints = (
        prop::option::of(0..=u64::MAX),
        prop::option::of("[0-9a-f]{32}(-[0-9]{1,3})?"),
        prop::option::of("[A-Za-z0-9._-]{2,32}"),
        prop::option::of("[0-9A-F]{1,20}"),
        prop::option::of(a_time()),
    );
    ("[a-z0-9](-?[a-z0-9]){2,20}(\\.[a-z][a-z0-9]{0,5}){0,2}", a_key(), hints).prop_map(
        move |(bucket, key, (size, etag, version_id, sequencer, time))| {
            // Ceph's keys must have one reading here; versitygw's sequencer is dropped.
            let key = if source == EventSource::Ceph { key.replace(['+', '%'], "_") } else { key };
            let sequencer = sequencer.filter(|_| source != EventSource::Versity);
            ObjectEvent { source, bucket, key: ObjectKey::Exact(key), size, etag, version_id, sequencer, time }
        },
    )
}

fn objects(parsed: Parsed) -> Vec<ObjectEvent> {
    assert_eq!(parsed.refused, []);
    let object = |event| match event {
        Event::Object(object) => object,
        other => panic!("not an object: {other:?}"),
    };
    parsed.events.into_iter().map(object).collect()
}

proptest! {
    #[test]
    fn what_a_sender_writes_is_read_back(
        events in a_source().prop_flat_map(|source| prop::collection::vec(an_event(source), 1..5)),
        wrappings in prop::collection::vec(a_wrapping(), 0..3),
    ) {
        let message = wrappings.into_iter().fold(message(&events), |inner, wrapping| wrapped(&inner, wrapping));
        let parsed = parse(message.to_string().as_bytes()).unwrap();
        prop_assert_eq!(objects(parsed), events);
    }

    #[test]
    fn what_bolus_passes_on_to_itself_is_read_back(event in a_source().prop_flat_map(an_event), second in a_key()) {
        let ambiguous = ObjectKey::Ambiguous { encoded: second, decoded: exact(&event).to_owned() };
        for key in [event.key.clone(), ambiguous] {
            let event = ObjectEvent { key, ..event.clone() };
            prop_assert_eq!(objects(parse(&event.to_json()).unwrap()), vec![event]);
        }
    }

    #[test]
    fn both_readings_of_a_key_of_ceph_are_kept(key in a_key(), encodes in any::<bool>()) {
        let event = ObjectEvent {
            source: EventSource::Ceph,
            bucket: "bucket".to_owned(),
            key: ObjectKey::Exact(if encodes { form_encoded(&key, true) } else { key.clone() }),
            size: None, etag: None, version_id: None, sequencer: None, time: None,
        };
        let [read] = <[ObjectEvent; 1]>::try_from(objects(parse(message(&[event]).to_string().as_bytes()).unwrap())).unwrap();
        match read.key {
            ObjectKey::Exact(exact) => prop_assert_eq!(exact, key),
            ObjectKey::Ambiguous { encoded, decoded } => {
                prop_assert_ne!(&encoded, &decoded);
                prop_assert_eq!(if encodes { decoded } else { encoded }, key);
            }
        }
    }
}
