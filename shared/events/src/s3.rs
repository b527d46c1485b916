//! One record of an S3 notification, as AWS defined it and as others send it.
//!
//! Source: Amazon S3 user guide, *Event message structure* (versions 2.0 to 2.6); MinIO and RustFS `event`; Ceph
//! documentation, *Bucket Notifications*; NetApp StorageGRID, *Understand notifications for buckets*; versitygw
//! 1.8.0 `s3event`.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::json::Node;
use crate::key::{self, Encoding};
use crate::{Event, EventError, EventSource, Ignored, IgnoredReason, ObjectEvent, Problem};

/// Reads one record.
pub(crate) fn read(record: &Node) -> Result<Event, EventError> {
    check_version(record)?;
    let name_node = record.required("eventName")?;
    let name = name_node.text()?;
    if let Some(reason) = reason_to_ignore(name) {
        return Ok(Event::Ignored(Ignored { reason, name: presentable(name) }));
    }
    read_creation(record).map(Event::Object)
}

/// Amazon says to compare the major version for equality; who sends none is believed.
fn check_version(record: &Node) -> Result<(), EventError> {
    let Some(version) = record.field("eventVersion") else { return Ok(()) };
    match version.text()?.split('.').next() {
        Some("2") => Ok(()),
        _ => Err(version.error(Problem::UnknownVersion { expected: "2" })),
    }
}

/// Why the event called `name` needs nothing done; `None` where an object has new content.
fn reason_to_ignore(name: &str) -> Option<IgnoredReason> {
    let name = name.strip_prefix("s3:").unwrap_or(name);
    let (family, action) = name.split_once(':').unwrap_or((name, ""));
    match (family, action) {
        // MinIO files changes of tags, retention and legal hold under creation.
        ("ObjectCreated", "PutTagging" | "DeleteTagging" | "PutRetention" | "PutLegalHold") => {
            Some(IgnoredReason::Other)
        }
        // Ceph tells a zone that another zone's object has arrived.
        ("ObjectCreated", _) | ("ObjectSynced", "Create") => None,
        ("ObjectRemoved" | "LifecycleExpiration" | "ObjectLifecycle", _) | ("ObjectSynced", "Delete") => {
            Some(IgnoredReason::Deleted)
        }
        ("TestEvent", _) => Some(IgnoredReason::Test),
        _ => Some(IgnoredReason::Other),
    }
}

/// The name of an event if it looks like one, for logs.
pub(crate) fn presentable(name: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":_- ".contains(&byte);
    (name.len() <= 64 && name.bytes().all(is_plain)).then(|| name.to_owned())
}

fn read_creation(record: &Node) -> Result<ObjectEvent, EventError> {
    let source = source(record);
    let s3 = record.required("s3")?;
    let (bucket, object) = (s3.required("bucket")?, s3.required("object")?);
    Ok(ObjectEvent {
        source,
        bucket: key::bucket(&bucket.required("name")?)?,
        key: key::object_key(&object.required("key")?, encoding(source))?,
        size: size(&object),
        // Older releases of Ceph write it in lower case.
        etag: key::etag(&object, "eTag")?.or(key::etag(&object, "etag")?),
        version_id: object.optional_text("versionId")?.filter(|version| is_version(source, version)),
        sequencer: sequencer(source, &object),
        time: time(record, "eventTime"),
    })
}

/// Who sent the record. versitygw and releases of Ceph call themselves `aws:s3`: a field that only they write tells.
fn source(record: &Node) -> EventSource {
    let is_versity = || record.field("userIdentity").is_some_and(|user| user.field("PrincipalId").is_some());
    let is_ceph = || record.field("eventId").is_some() || record.field("opaqueData").is_some();
    match record.field("eventSource").and_then(|source| source.value.as_str()) {
        Some("minio:s3") => EventSource::Minio,
        Some("ceph:s3") => EventSource::Ceph,
        Some("sgws:s3") => EventSource::StorageGrid,
        Some("rustfs:s3") => EventSource::RustFs,
        Some("aws:s3") if is_versity() => EventSource::Versity,
        Some("aws:s3") if is_ceph() => EventSource::Ceph,
        Some("aws:s3") => EventSource::Aws,
        _ => EventSource::Other,
    }
}

fn encoding(source: EventSource) -> Encoding {
    match source {
        EventSource::Aws | EventSource::Minio | EventSource::RustFs | EventSource::StorageGrid => Encoding::Form,
        EventSource::Versity | EventSource::EventBridge | EventSource::Bolus => Encoding::Plain,
        EventSource::Ceph | EventSource::Other => Encoding::Unknown,
    }
}

/// Size in bytes: a number, or text as Ceph's documentation shows it.
fn size(object: &Node) -> Option<u64> {
    let size = object.field("size")?.value;
    size.as_u64().or_else(|| size.as_str()?.parse().ok())
}

/// MinIO used to write version `1` for buckets that keep none; its real versions are UUIDs.
fn is_version(source: EventSource, version: &str) -> bool {
    !(source == EventSource::Minio && version == "1")
}

/// versitygw's sequencer counts from 1 again with each start of the server, so it orders nothing.
fn sequencer(source: EventSource, object: &Node) -> Option<String> {
    let text = object.field("sequencer")?.value.as_str()?;
    (source != EventSource::Versity && !text.is_empty()).then(|| text.to_owned())
}

/// The time in the field `name`: RFC 3339, or the same without a zone, which is then UTC.
pub(crate) fn time(node: &Node, name: &'static str) -> Option<DateTime<Utc>> {
    let text = node.field(name)?.value.as_str()?;
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    zoned.or_else(|_| text.parse::<NaiveDateTime>().map(|time| time.and_utc())).ok()
}
