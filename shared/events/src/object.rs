//! What an object notification says, whoever sent it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::json::Node;
use crate::key::{self, ObjectKey};
use crate::{EventError, MAX_KEY_BYTES, Problem};

/// One object that has been created or overwritten.
///
/// What decides which bytes are read (bucket, key, version, entity tag) is checked: a record without it is refused.
/// What only helps (size, time, sequencer) is `None` where the record does not hold it or it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectEvent {
    /// Who sent the notification.
    pub source: EventSource,
    /// The bucket's name.
    pub bucket: String,
    /// The object's key.
    pub key: ObjectKey,
    /// Size in bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub size: Option<u64>,
    /// Entity tag without quotes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub etag: Option<String>,
    /// Version of the object in a bucket that keeps versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version_id: Option<String>,
    /// Hexadecimal text that orders the events of one key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sequencer: Option<String>,
    /// When the store finished the request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub time: Option<DateTime<Utc>>,
}

/// Who sent an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventSource {
    /// Amazon S3's own notification.
    Aws,
    /// Amazon S3 by way of EventBridge.
    EventBridge,
    /// MinIO.
    Minio,
    /// RustFS, which writes what MinIO writes.
    RustFs,
    /// Ceph's object gateway.
    Ceph,
    /// NetApp StorageGRID.
    StorageGrid,
    /// versitygw.
    Versity,
    /// Bolus itself.
    Bolus,
    /// A store that speaks S3's notification format under a name of its own.
    Other,
}

/// The `type` of an object event that Bolus passes on to itself.
pub const OBJECT_EVENT_TYPE: &str = "org.bolus.object.created.v1";

impl ObjectEvent {
    /// The event as JSON that [`crate::parse()`] reads back as it was: for topics between parts of Bolus, where a
    /// message of many records is sent on one by one.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        json!({ "type": OBJECT_EVENT_TYPE, "data": self }).to_string().into_bytes()
    }
}

/// Reads what [`ObjectEvent::to_json`] wrote.
pub(crate) fn read(node: &Node) -> Result<ObjectEvent, EventError> {
    let data = node.required("data")?;
    // What serde has to say would show the payload.
    let event = ObjectEvent::deserialize(data.value)
        .map_err(|_| data.error(Problem::Invalid { expected: "an object event of Bolus" }))?;
    key::bucket(&data.required("bucket")?)?;
    if event.key.likely().is_empty() || event.key.likely().len() > MAX_KEY_BYTES {
        return Err(data.error(Problem::Invalid { expected: "a key that S3 allows" }));
    }
    Ok(event)
}
