//! The studies of a run, good and poisoned, and the messages that announce them.

use std::time::Duration;

use anyhow::{Context, Result};
use bolus_events::{StudyEvent, StudyObject};
use bolus_testkit::SyntheticSeries;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use serde_json::{Value, json};

use crate::rng::Rng;

/// Slices of a study: one more than the fewest that the cheap bundle takes.
pub const SLICES: usize = 5;
/// Below which the good studies lie.
pub const GOOD: &str = "studies";
/// Below which the poisoned ones lie.
pub const BAD: &str = "poisoned";

/// The topics, by what they carry.
pub mod topic {
    pub const OBJECTS: &str = "bolus.objects";
    pub const BY_STUDY: &str = "bolus.objects.by-study";
    pub const LIVE: &str = "bolus.studies";
    pub const BACKFILL: &str = "bolus.studies.backfill";
    pub const ALL: [&str; 4] = [OBJECTS, BY_STUDY, LIVE, BACKFILL];
}

/// How a study is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// A study event with a prefix.
    Prefix,
    /// A study event with a list of objects.
    Objects,
    /// One notification an object, through the assembler.
    Notifications,
}

/// A study of one series.
#[derive(Debug, Clone)]
pub struct Study {
    pub prefix: String,
    pub series_uid: String,
    pub route: Route,
    pub objects: Vec<StudyObject>,
}

/// Stands for the time of sending in a payload.
pub const NOW: &str = "@NOW@";

/// A message to send.
#[derive(Debug, Clone)]
pub struct Message {
    /// When, counted from the start of the mischief.
    pub at: Duration,
    pub topic: &'static str,
    pub key: Vec<u8>,
    pub payload: Vec<u8>,
}

/// Uploads `count` good studies. Some lie below names that events have to encode.
pub async fn upload(store: &AmazonS3, seed: u64, count: usize) -> Result<Vec<Study>> {
    let mut rng = Rng::new(seed, "studies");
    let mut studies = Vec::with_capacity(count);
    for number in 0..count {
        let folder = match number % 10 {
            0 => format!("ward 7+8/study {number}"),
            1 => format!("Röntgen/%41 study&{number}"),
            _ => format!("study-{number:04}"),
        };
        let route = match rng.below(4) {
            0 => Route::Notifications,
            1 => Route::Objects,
            _ => Route::Prefix,
        };
        let series_uid = format!("2.25.{}.{}", seed.saturating_add(1), number + 1);
        studies.push(Study { prefix: format!("{GOOD}/{folder}"), series_uid, route, objects: Vec::new() });
    }
    let puts = studies.iter().enumerate().flat_map(|(number, study)| {
        let series = SyntheticSeries { slices: SLICES, ..SyntheticSeries::tiny(&study.series_uid, number) };
        (0..SLICES).map(move |slice| (number, format!("{}/{slice}.dcm", study.prefix), series.file(slice)))
    });
    let puts: Vec<(usize, String, Vec<u8>)> = puts.collect();
    let uploaded: Vec<(usize, StudyObject)> = stream::iter(puts)
        .map(|(number, key, bytes)| async move { anyhow::Ok((number, put(store, key, bytes).await?)) })
        .buffered(16)
        .try_collect()
        .await?;
    for (number, object) in uploaded {
        studies[number].objects.push(object);
    }
    Ok(studies)
}

async fn put(store: &AmazonS3, key: String, bytes: Vec<u8>) -> Result<StudyObject> {
    let size = bytes.len() as u64;
    let result = store.put(&Path::parse(&key)?, bytes.into()).await?;
    let etag = result.e_tag.map(|tag| tag.trim_matches('"').to_owned());
    Ok(StudyObject { key, etag, version_id: None, size: Some(size) })
}

/// The messages that announce the good studies within `span`, a fifth of them more than once: as they were, in another form, or in
/// another lane.
pub fn announce(studies: &[Study], bucket: &str, seed: u64, span: Duration) -> Vec<Message> {
    let mut rng = Rng::new(seed, "announcements");
    let mut messages = Vec::new();
    for study in studies {
        let at = rng.between(Duration::ZERO, span);
        messages.extend(messages_of(study, study.route, bucket, at, topic::LIVE, &mut rng));
        if !rng.chance(0.2) {
            continue;
        }
        let (again, lane) = *rng.pick(&[
            (study.route, topic::LIVE),
            (Route::Prefix, topic::LIVE),
            (Route::Objects, topic::LIVE),
            (Route::Prefix, topic::BACKFILL),
        ]);
        // At once, as a store that notifies twice, or at any later time, as a person who submits again.
        let later = if rng.chance(0.5) { at } else { rng.between(at, span) };
        messages.extend(messages_of(study, again, bucket, later, lane, &mut rng));
    }
    messages
}

fn messages_of(
    study: &Study,
    route: Route,
    bucket: &str,
    at: Duration,
    lane: &'static str,
    rng: &mut Rng,
) -> Vec<Message> {
    let event = match route {
        Route::Prefix => StudyEvent::prefix(bucket, &study.prefix),
        Route::Objects => StudyEvent::objects(bucket, study.objects.clone()),
        Route::Notifications => return notifications(study, bucket, at, rng),
    };
    vec![Message { at, topic: lane, key: event.partition_key().into_bytes(), payload: event.to_json() }]
}

/// One notification an object within half a second, in any order, some of them twice.
fn notifications(study: &Study, bucket: &str, at: Duration, rng: &mut Rng) -> Vec<Message> {
    let mut objects: Vec<&StudyObject> = study.objects.iter().collect();
    objects.push(rng.pick(&study.objects));
    rng.shuffle(&mut objects);
    let message = |object: &StudyObject, rng: &mut Rng| Message {
        at: at + rng.between(Duration::ZERO, Duration::from_millis(500)),
        topic: topic::OBJECTS,
        // As MinIO keys its messages; the assembler has to bring the study together whatever partition they come by.
        key: format!("{bucket}/{}", object.key).into_bytes(),
        payload: notification(object, bucket, rng.below(3)).to_string().into_bytes(),
    };
    objects.into_iter().map(|object| message(object, rng)).collect()
}

/// A notification as one of three senders words it.
fn notification(object: &StudyObject, bucket: &str, sender: usize) -> Value {
    let (etag, size) = (object.etag.clone().unwrap_or_default(), object.size.unwrap_or_default());
    let time = NOW;
    let record = |source: &str, name: &str, size: Value| {
        json!({"Records": [{
            "eventVersion": "2.1", "eventSource": source, "awsRegion": "us-east-1", "eventTime": time, "eventName": name,
            "s3": {
                "s3SchemaVersion": "1.0",
                "bucket": {"name": bucket},
                "object": {"key": form_encoded(&object.key), "size": size, "eTag": etag, "sequencer": "17A0B1"},
            },
        }]})
    };
    match sender {
        0 => record("aws:s3", "ObjectCreated:Put", size.into()),
        1 => {
            let mut event = record("minio:s3", "s3:ObjectCreated:Put", size.into());
            event["EventName"] = "s3:ObjectCreated:Put".into();
            event["Key"] = format!("{bucket}/{}", object.key).into();
            event
        }
        _ => json!({
            "version": "0", "id": "1", "detail-type": "Object Created", "source": "aws.s3", "time": time, "region": "us-east-1",
            "account": "123456789012", "resources": [],
            "detail": {"version": "0", "bucket": {"name": bucket}, "object": {"key": object.key, "size": size, "etag": etag},
                "reason": "PutObject"},
        }),
    }
}

/// A key as notifications have it: a space is `+`, and every other byte that is not plain is `%XX`; slashes stay.
fn form_encoded(key: &str) -> String {
    key.bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Something that can only fail; it has to end as exactly one `failed` row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poison {
    /// Bytes that are no event, in the study topic.
    Junk,
    /// Bytes that are no event, in the object topic.
    JunkObject,
    /// A study event whose only object is DICOM cut in its header.
    Truncated,
    /// A study event that names a folder with nothing in it.
    Nothing,
    /// A study event that names an object that is not there.
    Absent,
}

impl Poison {
    const ALL: [Self; 5] = [Self::Junk, Self::JunkObject, Self::Truncated, Self::Nothing, Self::Absent];
}

/// A poisoned message and the text by which its row is known.
#[derive(Debug, Clone)]
pub struct Poisoned {
    pub poison: Poison,
    pub mark: String,
    pub message: Message,
}

/// Makes `count` poisoned messages, in turn of every kind, and uploads what they need.
pub async fn poison(store: &AmazonS3, bucket: &str, seed: u64, count: usize, span: Duration) -> Result<Vec<Poisoned>> {
    let mut rng = Rng::new(seed, "poison");
    let mut poisoned = Vec::with_capacity(count);
    for number in 0..count {
        let poison = Poison::ALL[number % Poison::ALL.len()];
        let mark = format!("poisoned-{seed}-{number}-end");
        let prefix = format!("{BAD}/{mark}");
        let object = format!("{prefix}/0.dcm");
        let at = rng.between(Duration::ZERO, span);
        let event = match poison {
            Poison::Junk | Poison::JunkObject => None,
            Poison::Truncated => {
                let uid = format!("2.25.{}.0.{number}", seed.saturating_add(1));
                let mut bytes = SyntheticSeries::tiny(&uid, 0).file(0);
                // In the middle of a value: a file that ends after one is whole, only without an image.
                let place = bytes.windows(uid.len()).rposition(|window| window == uid.as_bytes());
                bytes.truncate(place.context("the file holds its UID")? + 3);
                put(store, object, bytes).await?;
                Some(StudyEvent::prefix(bucket, &prefix))
            }
            Poison::Nothing => Some(StudyEvent::prefix(bucket, &prefix)),
            Poison::Absent => Some(StudyEvent::objects(bucket, vec![StudyObject::new(object)])),
        };
        let message = match event {
            Some(event) => {
                Message { at, topic: topic::LIVE, key: event.partition_key().into_bytes(), payload: event.to_json() }
            }
            None => {
                let topic = if poison == Poison::Junk { topic::LIVE } else { topic::OBJECTS };
                let payload = [format!("{{not an event: {mark} ").as_bytes(), &[0xff, 0xfe, 0x00]].concat();
                Message { at, topic, key: mark.clone().into_bytes(), payload }
            }
        };
        poisoned.push(Poisoned { poison, mark, message });
    }
    Ok(poisoned)
}
