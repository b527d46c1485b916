//! An S3 event as Amazon EventBridge carries it: other field names, and keys as they are.
//!
//! Source: Amazon S3 user guide, *EventBridge event message structure*.

use crate::json::Node;
use crate::key::{self, Encoding};
use crate::s3::{presentable, time};
use crate::{Event, EventError, EventSource, Ignored, IgnoredReason, ObjectEvent, Problem};

/// Reads one event. Its `source` is not asked for creations and deletions: buses of one's own carry them under other
/// names. Other kinds of events are passed over only where they are S3's.
pub(crate) fn read(event: &Node) -> Result<Event, EventError> {
    let kind_node = event.required("detail-type")?;
    let kind = kind_node.text()?;
    let reason = match kind {
        "Object Created" => return read_creation(event).map(Event::Object),
        "Object Deleted" => IgnoredReason::Deleted,
        _ if event.field("source").is_some_and(|source| source.value == "aws.s3") => IgnoredReason::Other,
        _ => return Err(event.error(Problem::UnknownShape)),
    };
    Ok(Event::Ignored(Ignored { reason, name: presentable(kind) }))
}

fn read_creation(event: &Node) -> Result<ObjectEvent, EventError> {
    let detail = event.required("detail")?;
    let (bucket, object) = (detail.required("bucket")?, detail.required("object")?);
    Ok(ObjectEvent {
        source: EventSource::EventBridge,
        bucket: key::bucket(&bucket.required("name")?)?,
        key: key::object_key(&object.required("key")?, Encoding::Plain)?,
        size: object.field("size").and_then(|size| size.value.as_u64()),
        etag: key::etag(&object, "etag")?,
        version_id: object.optional_text("version-id")?,
        sequencer: object.optional_text("sequencer").unwrap_or_default(),
        time: time(event, "time"),
    })
}
