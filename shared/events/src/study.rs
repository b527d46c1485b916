//! The study event: a study is there, label it.

use std::fmt;

use bolus_study::StudyUid;
use chrono::{DateTime, Timelike, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::json::{MAX_EXACT, Node};
use crate::{EventError, Problem, key};

/// The `type` of the study event, as CloudEvents has it.
pub const STUDY_EVENT_TYPE: &str = "org.bolus.study.ready.v1";

/// A study is complete, or as complete as it will get: label it.
///
/// On the wire it is a CloudEvents 1.0 JSON event: `schemas/study-event.v1.json` describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyEvent {
    /// Identity of the event: no two events of one source share it.
    pub id: String,
    /// Who made the event, as a URI reference: `bolus/assembler`.
    pub source: String,
    /// When the event was made.
    pub time: DateTime<Utc>,
    /// The bucket's name.
    pub bucket: String,
    /// What belongs to the study.
    pub content: StudyContent,
    /// Study Instance UID (0020,000D) where the sender knows it.
    pub study_uid: Option<StudyUid>,
    /// 0 for the first event of a study, one more each time it is sent again because objects came late.
    pub revision: u32,
    /// What the events of the study are keyed by, where [`StudyEvent::partition_key`] should not take it from the content.
    pub partition_key: Option<String>,
    /// The record that this event is sent again for.
    pub origin: Option<Origin>,
    /// Set where the event is sent again because it, or a series of its study, failed: a name of that replay. Outcomes
    /// in the lake with status `failed` then do not count as done: they are tried again, and what comes of it is
    /// appended although its key may be in the lake.
    pub replay: Option<String>,
}

/// What belongs to a study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StudyContent {
    /// Everything below a folder of the bucket: the keys that begin with this text and a slash. A slash at its end makes
    /// no difference; empty means the whole bucket.
    Prefix(String),
    /// These objects and no others; never empty on the wire.
    Objects(Vec<StudyObject>),
}

/// One object of a study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StudyObject {
    /// The object's key, as it is.
    pub key: String,
    /// Entity tag without quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Version of the object in a bucket that keeps versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// Size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl StudyObject {
    /// An object of which only the key is known.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), etag: None, version_id: None, size: None }
    }
}

/// A record of a topic: the one that a replayed event stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
}

/// `topic/partition/offset`: a topic's name holds no slash.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

impl StudyEvent {
    /// The study that lies below `prefix`, made now under a new id.
    #[must_use]
    pub fn prefix(bucket: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self::new(bucket.into(), StudyContent::Prefix(prefix.into()))
    }

    /// The study that consists of `objects`, which must not be empty, made now under a new id.
    #[must_use]
    pub fn objects(bucket: impl Into<String>, objects: Vec<StudyObject>) -> Self {
        debug_assert!(!objects.is_empty(), "a study of no objects cannot be read");
        Self::new(bucket.into(), StudyContent::Objects(objects))
    }

    fn new(bucket: String, content: StudyContent) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            source: "bolus".to_owned(),
            time: Utc::now(),
            bucket,
            content,
            study_uid: None,
            revision: 0,
            partition_key: None,
            origin: None,
            replay: None,
        }
    }

    /// Says who makes the event, as a URI reference.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// Says which study it is.
    #[must_use]
    pub fn with_study_uid(mut self, study_uid: StudyUid) -> Self {
        self.study_uid = Some(study_uid);
        self
    }

    /// Says how often the study has been sent before.
    #[must_use]
    pub fn with_revision(mut self, revision: u32) -> Self {
        self.revision = revision;
        self
    }

    /// Says under which prefix the study is known, so that all its events share one partition whatever they list.
    #[must_use]
    pub fn keyed_by(mut self, prefix: &str) -> Self {
        self.partition_key = Some(partition_key(&self.bucket, prefix));
        self
    }

    /// Says for which record the event is sent again.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Says that what failed is to be tried again, under the name of that replay.
    #[must_use]
    pub fn with_replay(mut self, replay: impl Into<String>) -> Self {
        self.replay = Some(replay.into());
        self
    }

    /// The key of the event's record: the same for every event of one study.
    ///
    /// `bucket/prefix`, unless [`StudyEvent::partition_key`](struct@StudyEvent) is set. A single object, as an archive
    /// is, stands for itself; several stand for the folder that they share.
    #[must_use]
    pub fn partition_key(&self) -> String {
        match (&self.partition_key, &self.content) {
            (Some(key), _) => key.clone(),
            (None, StudyContent::Prefix(prefix)) => partition_key(&self.bucket, prefix),
            (None, StudyContent::Objects(objects)) => partition_key(&self.bucket, common_folder(objects)),
        }
    }
}

fn partition_key(bucket: &str, prefix: &str) -> String {
    let prefix = prefix.trim_end_matches('/');
    if prefix.is_empty() { bucket.to_owned() } else { format!("{bucket}/{prefix}") }
}

/// The key of a single object, else the longest common prefix that ends before a slash.
fn common_folder(objects: &[StudyObject]) -> &str {
    let (first, rest) = match objects {
        [] => return "",
        [only] => return &only.key,
        [first, rest @ ..] => (first.key.as_str(), rest),
    };
    let shared = rest.iter().fold(first.len(), |length, object| {
        let same = first.bytes().zip(object.key.bytes()).take_while(|(one, other)| one == other).count();
        length.min(same)
    });
    // A slash is one byte in UTF-8, so the cut is always at a character's edge.
    let folder = first.as_bytes().iter().take(shared).rposition(|byte| *byte == b'/').unwrap_or(0);
    first.get(..folder).unwrap_or_default()
}

impl StudyEvent {
    /// The event as CloudEvents 1.0 JSON in structured mode.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut event = json!({
            "specversion": "1.0",
            "type": STUDY_EVENT_TYPE,
            "id": self.id,
            "source": self.source,
            "time": self.time,
            "datacontenttype": "application/json",
            "data": self.data(),
        });
        if let Some(key) = &self.partition_key {
            event["partitionkey"] = key.as_str().into();
        }
        if let Some(origin) = &self.origin {
            event["origin"] = origin.to_string().into();
        }
        if let Some(replay) = &self.replay {
            event["replay"] = replay.as_str().into();
        }
        event.to_string().into_bytes()
    }

    fn data(&self) -> Value {
        let mut data = json!({ "bucket": self.bucket, "revision": self.revision });
        match &self.content {
            StudyContent::Prefix(prefix) => data["prefix"] = prefix.as_str().into(),
            StudyContent::Objects(objects) => data["objects"] = json!(objects),
        }
        if let Some(uid) = &self.study_uid {
            data["study_instance_uid"] = uid.as_str().into();
        }
        data
    }
}

/// Reads a study event. What the schema refuses is refused here too, and the other way round.
pub(crate) fn read(event: &Node) -> Result<StudyEvent, EventError> {
    check_constant(&event.required("specversion")?, "1.0")?;
    if let Some(content_type) = event.field("datacontenttype") {
        check_constant(&content_type, "application/json")?;
    }
    let data = event.required("data")?;
    Ok(StudyEvent {
        id: event.required("id")?.non_empty_text()?.to_owned(),
        source: event.required("source")?.non_empty_text()?.to_owned(),
        time: read_time(&event.required("time")?)?,
        bucket: key::bucket(&data.required("bucket")?)?,
        content: read_content(&data)?,
        study_uid: data.field("study_instance_uid").map(|node| read_uid(&node)).transpose()?,
        revision: read_revision(&data)?,
        partition_key: event.field("partitionkey").map(|node| node.non_empty_text().map(str::to_owned)).transpose()?,
        origin: event.field("origin").map(|node| read_origin(&node)).transpose()?,
        replay: event.field("replay").map(|node| node.non_empty_text().map(str::to_owned)).transpose()?,
    })
}

fn check_constant(node: &Node, expected: &'static str) -> Result<(), EventError> {
    if node.text()? == expected { Ok(()) } else { Err(node.error(Problem::Invalid { expected })) }
}

/// RFC 3339 as the schema has it: upper-case letters, no leap second.
fn read_time(node: &Node) -> Result<DateTime<Utc>, EventError> {
    let text = node.text()?;
    let is_strict = text.as_bytes().get(10) == Some(&b'T') && !text.ends_with('z');
    let time = DateTime::parse_from_rfc3339(text).ok().filter(|time| is_strict && time.nanosecond() < 1_000_000_000);
    let time = time.map(|time| time.to_utc());
    time.ok_or_else(|| node.error(Problem::Invalid { expected: "a time such as 2026-11-23T17:04:25Z" }))
}

fn read_content(data: &Node) -> Result<StudyContent, EventError> {
    match (data.value.get("prefix"), data.value.get("objects")) {
        (Some(_), None) => {
            let node = data.required("prefix")?;
            let prefix = node.text()?;
            key::check_length(&node, prefix)?;
            Ok(StudyContent::Prefix(prefix.to_owned()))
        }
        (None, Some(_)) => {
            let list = data.required("objects")?;
            let objects = list.elements()?.map(|node| read_object(&node)).collect::<Result<Vec<_>, _>>()?;
            if objects.is_empty() { Err(list.error(Problem::Missing)) } else { Ok(StudyContent::Objects(objects)) }
        }
        _ => Err(data.error(Problem::Invalid { expected: "either prefix or objects" })),
    }
}

fn read_object(node: &Node) -> Result<StudyObject, EventError> {
    Ok(StudyObject {
        key: key::plain_key(&node.required("key")?)?,
        etag: key::etag(node, "etag")?,
        version_id: node.optional_text("version_id")?,
        size: node.optional_number("size", MAX_EXACT)?,
    })
}

/// A UID as it is: the padding that DICOM files may hold has no place in an event.
fn read_uid(node: &Node) -> Result<StudyUid, EventError> {
    let text = node.text()?;
    let uid = StudyUid::new(text).ok().filter(|uid| uid.as_str() == text);
    uid.ok_or_else(|| node.error(Problem::Invalid { expected: "a DICOM UID" }))
}

fn read_revision(data: &Node) -> Result<u32, EventError> {
    let revision = data.optional_number("revision", u64::from(u32::MAX))?.unwrap_or(0);
    Ok(u32::try_from(revision).expect("just bounded by u32::MAX"))
}

fn read_origin(node: &Node) -> Result<Origin, EventError> {
    let origin = Origin::from_text(node.text()?);
    origin.ok_or_else(|| node.error(Problem::Invalid { expected: "topic/partition/offset" }))
}

impl Origin {
    /// Reads what [`Origin`] displays: up to 9 digits of partition and 18 of offset, more than any topic reaches.
    fn from_text(text: &str) -> Option<Self> {
        let (topic, numbers) = text.split_once('/')?;
        let (partition, offset) = numbers.split_once('/')?;
        let is_topic = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_number = |text: &str, digits| text.len() <= digits && text.bytes().all(|byte| byte.is_ascii_digit());
        if topic.is_empty() || topic.len() > 249 || !topic.bytes().all(is_topic) {
            return None;
        }
        if !is_number(partition, 9) || !is_number(offset, 18) {
            return None;
        }
        Some(Self { topic: topic.to_owned(), partition: partition.parse().ok()?, offset: offset.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(keys: &[&str]) -> String {
        StudyEvent::objects("b", keys.iter().copied().map(StudyObject::new).collect()).partition_key()
    }

    #[test]
    fn events_of_one_study_share_a_key() {
        assert_eq!(StudyEvent::prefix("b", "ct/1.2/").partition_key(), "b/ct/1.2");
        assert_eq!(StudyEvent::prefix("b", "ct/1.2").partition_key(), "b/ct/1.2");
        assert_eq!(StudyEvent::prefix("b", "").partition_key(), "b");
        assert_eq!(key_of(&["ct/1.2/a.dcm", "ct/1.2/b.dcm"]), "b/ct/1.2");
        assert_eq!(key_of(&["ct/1.2/s1/a.dcm", "ct/1.2/s2/a.dcm", "ct/1.2/b"]), "b/ct/1.2");
        assert_eq!(key_of(&["ct/1.2/ä.dcm", "ct/1.2/ö.dcm"]), "b/ct/1.2", "letters that share a byte");
        assert_eq!(key_of(&["a.dcm", "b.dcm"]), "b");
        assert_eq!(key_of(&["a/b.dcm", "c/b.dcm"]), "b");
    }

    #[test]
    fn an_archive_is_keyed_by_itself_and_a_named_study_by_its_name() {
        assert_eq!(key_of(&["inbox/study.zip"]), "b/inbox/study.zip");
        let event = StudyEvent::objects("b", vec![StudyObject::new("ct/1.2/s1/a.dcm")]).keyed_by("ct/1.2/");
        assert_eq!(event.partition_key(), "b/ct/1.2");
    }
}
