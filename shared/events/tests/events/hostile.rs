//! No bytes make `parse` panic, hang or eat memory, and no error repeats what it was given.

use bolus_events::{Event, IgnoredReason, MAX_MESSAGE_BYTES, MAX_RECORDS, Parsed, parse};
use bolus_testkit::thread_time;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The names by which `parse` tells shapes apart, so that arbitrary JSON reaches its inner parts.
const NAMES: [&str; 27] = [
    "Records",
    "Messages",
    "Body",
    "body",
    "Sns",
    "Message",
    "Type",
    "type",
    "detail-type",
    "detail",
    "source",
    "s3",
    "bucket",
    "object",
    "name",
    "key",
    "size",
    "eTag",
    "eventName",
    "eventVersion",
    "eventSource",
    "data",
    "prefix",
    "objects",
    "time",
    "specversion",
    "Event",
];
const TEXTS: [&str; 12] = [
    "Notification",
    "Object Created",
    "aws.s3",
    "aws:s3",
    "ceph:s3",
    "ObjectCreated:Put",
    "2.1",
    "s3:TestEvent",
    "org.bolus.study.ready.v1",
    "org.bolus.object.created.v1",
    "1.0",
    "2021-11-12T00:00:00Z",
];

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![prop::sample::select(&TEXTS[..]).prop_map(str::to_owned), "\\PC{0,8}", "[%+0-9A-Fa-f]{0,9}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 64, 6, |inner| {
        let name = prop_oneof![6 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => "\\PC{0,8}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(name, inner.clone(), 0..6).prop_map(Value::from_iter),
            inner.prop_map(|value| Value::from(value.to_string())),
        ]
    })
}

/// Every message ends as something: an event, a refusal of a record, or a refusal of the whole.
fn check(payload: &[u8]) -> Parsed {
    let parsed = parse(payload).unwrap_or_else(Parsed::from);
    assert!(!parsed.events.is_empty() || !parsed.refused.is_empty(), "a message vanished");
    parsed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_bytes_end_as_something(payload in prop::collection::vec(any::<u8>(), 0..512)) {
        check(&payload);
    }

    #[test]
    fn any_json_ends_as_something(value in any_json()) {
        check(value.to_string().as_bytes());
    }

    #[test]
    fn errors_never_repeat_the_payload(secret in "SECRET[A-Z]{10}", value in any_json()) {
        // The secret stands in every text, name and value, whatever is wrong with it.
        let text = value.to_string();
        for name in NAMES {
            let payload = text.replace(&format!("{name:?}:\""), &format!("{name:?}:\"{secret}"));
            for error in check(payload.as_bytes()).refused {
                let said = format!("{error} {error:?}");
                prop_assert!(!said.contains("SECRET"), "{}", said);
            }
        }
    }
}

/// Every shape in which a bucket is named, with `name` in its place.
fn naming(name: &str) -> Vec<Value> {
    let s3 = json!({ "bucket": { "name": name }, "object": { "key": "a.zip" } });
    vec![
        json!({ "Records": [{ "eventName": "ObjectCreated:Put", "eventSource": "aws:s3", "s3": s3 }] }),
        json!({ "detail-type": "Object Created", "source": "aws.s3", "detail": s3 }),
        json!({ "specversion": "1.0", "type": "org.bolus.study.ready.v1", "id": "1", "source": "x",
            "time": "2021-11-12T00:00:00Z", "data": { "bucket": name, "prefix": "p" } }),
        json!({ "type": "org.bolus.object.created.v1",
            "data": { "source": "aws", "bucket": name, "key": { "exact": "a.zip" } } }),
    ]
}

fn bucket_of(event: &Event) -> Option<&str> {
    match event {
        Event::Object(object) => Some(&object.bucket),
        Event::Study(study) => Some(&study.bucket),
        Event::Ignored(_) => None,
    }
}

proptest! {
    /// Whatever stands in a bucket's place, either it is a bucket's name or the record is refused: nothing else goes on to where
    /// requests are made.
    #[test]
    fn no_bucket_but_a_bucket_comes_out(name in prop_oneof!["[a-z0-9.#?/@:%_A-Z\n -]{0,70}", "\\PC{0,8}", "[a-z0-9.-]{1,64}"]) {
        for message in naming(&name) {
            let parsed = check(message.to_string().as_bytes());
            let buckets: Vec<&str> = parsed.events.iter().filter_map(bucket_of).collect();
            if bolus_study::is_bucket_name(&name) {
                prop_assert_eq!(buckets, [name.as_str()]);
            } else {
                prop_assert!(buckets.is_empty() && !parsed.refused.is_empty(), "{} came out of {}", name, message);
            }
        }
    }
}

#[test]
fn names_that_change_host_or_request_are_refused_by_name() {
    for name in [
        "a#b",
        "a?b",
        "a/b",
        "a\\b",
        "a@b",
        "a:80",
        "a..b",
        "..",
        "a\nb",
        "a\r\nHost: b",
        "a b",
        "A",
        "a_b",
        "10.0.0.1",
        "-a",
        "a.",
    ] {
        for message in naming(name) {
            assert_eq!(refusal(message.to_string().as_bytes()), "invalid_value", "{message}");
        }
    }
}

fn refusal(payload: &[u8]) -> &'static str {
    check(payload).refused.first().unwrap().code()
}

#[test]
fn what_is_no_event_is_refused_by_name() {
    assert_eq!(refusal(b""), "not_json");
    assert_eq!(refusal(b"\xff\xfe"), "not_json");
    assert_eq!(refusal(b"{}"), "unknown_shape");
    assert_eq!(refusal(b"17"), "unknown_shape");
    assert_eq!(refusal(br#"{"Records":7}"#), "wrong_type");
    assert_eq!(refusal(br#"{"type":"org.bolus.study.ready.v2"}"#), "unknown_version");
    assert_eq!(refusal(br#"{"type":"com.example.other"}"#), "unknown_shape");
    assert_eq!(refusal(&vec![b' '; MAX_MESSAGE_BYTES + 1]), "too_large");
    assert_eq!(refusal("[".repeat(100_000).as_bytes()), "not_json");
    assert_eq!(refusal(format!("{}1{}", "[".repeat(100), "]".repeat(100)).as_bytes()), "too_deep");
    let key = json!({ "Records": [{ "eventName": "ObjectCreated:Put", "eventSource": "aws:s3",
        "s3": { "bucket": { "name": "b" }, "object": { "key": "k".repeat(1025) } } }] });
    assert_eq!(refusal(key.to_string().as_bytes()), "key_too_long");
}

#[test]
fn a_list_of_nothing_is_counted() {
    for payload in [&br#"{"Records":[]}"#[..], br#"{"Messages":[]}"#, b"[]"] {
        let parsed = check(payload);
        assert!(matches!(&parsed.events[..], [Event::Ignored(ignored)] if ignored.reason == IgnoredReason::Empty));
    }
}

#[test]
fn errors_are_bounded_however_many_records_are_bad() {
    let inner = format!("{{\"Records\":[{}1]}}", "1,".repeat(40_000));
    let bodies: Vec<Value> = (0..20).map(|_| json!({ "Body": inner })).collect();
    let parsed = check(json!({ "Messages": bodies }).to_string().as_bytes());
    assert_eq!(parsed.refused.len(), 1);
    assert_eq!(parsed.refused[0].code(), "too_many_records");
    let few = check(inner.as_bytes());
    assert!(few.refused.len() == 40_001 && few.refused.len() < MAX_RECORDS);
}

/// Messages of 64 KB to 4 MB are read whole, and the time grows with their size, not with its square.
#[test]
fn large_messages_are_read_whole_and_in_time_that_grows_with_them() {
    let record = include_str!("../fixtures/aws-put.json");
    let record: Value = serde_json::from_str::<Value>(record).unwrap()["Records"][0].take();
    let [small, _, large] = [64_000, 1_000_000, 4_000_000].map(|bytes| {
        let count = bytes / record.to_string().len();
        let message = json!({ "Records": vec![record.clone(); count] }).to_string();
        let wrapped = json!({ "Type": "Notification", "Message": message }).to_string();
        // As often as makes the same amount for each size: the kernel counts in milliseconds.
        let read = |_| {
            let start = thread_time();
            for _ in 0..4_000_000 / bytes {
                assert_eq!(check(wrapped.as_bytes()).events.len(), count);
            }
            (thread_time() - start).as_secs_f64()
        };
        let best = (0..3).map(read).fold(f64::INFINITY, f64::min);
        println!("{} bytes, {count} records: {best:.3} s for 4 MB", wrapped.len());
        best
    });
    // With the square it were 62 times as long.
    assert!(large < 10.0 * small, "{large} s in one message, {small} s in many");
}
