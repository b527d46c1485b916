//! Tells the shapes of messages apart and unwraps what lies in each other.

use serde_json::Value;

use crate::json::{Node, Path, decode};
use crate::object::OBJECT_EVENT_TYPE;
use crate::study::STUDY_EVENT_TYPE;
use crate::{
    Event, EventError, Ignored, IgnoredReason, MAX_MESSAGE_BYTES, MAX_RECORDS, MAX_WRAPPINGS, Parsed, Problem,
    eventbridge, object, s3, study,
};

/// Reads one message, whatever its shape.
///
/// The shapes, each of which may be wrapped in SNS or SQS and those in each other:
/// - S3's `Records` as AWS, MinIO, Ceph, StorageGRID, versitygw and their like send them, or a single such record;
/// - EventBridge's `detail`;
/// - the [`StudyEvent`](crate::StudyEvent) and [`ObjectEvent::to_json`](crate::ObjectEvent::to_json);
/// - a list of any of these.
///
/// Fields that are not known are passed over.
///
/// # Errors
/// The whole message is refused when it is too large, is not JSON, or is no event of a known shape. A refusal of a
/// single record among several is not an error of the message: see [`Parsed::refused`].
pub fn parse(payload: &[u8]) -> Result<Parsed, EventError> {
    let root = Path::Root;
    if payload.len() > MAX_MESSAGE_BYTES {
        return Err(root.error(Problem::TooLarge { bytes: payload.len(), limit: MAX_MESSAGE_BYTES }));
    }
    let message = decode(payload, &root)?;
    let mut found = Parsed::default();
    read_message(&Node::new(&message, root), 0, &mut found)?;
    if found.is_full() {
        return Err(root.error(Problem::TooMany { limit: MAX_RECORDS }));
    }
    Ok(found)
}

impl Parsed {
    /// Whether to stop: a hostile message shall not turn 8 MiB into gigabytes of errors.
    fn is_full(&self) -> bool {
        self.events.len() + self.refused.len() > MAX_RECORDS
    }

    fn ignore(&mut self, reason: IgnoredReason) {
        self.events.push(Event::Ignored(Ignored { reason, name: None }));
    }
}

/// Adds what the message at `node` holds, or says why it is no message.
fn read_message(node: &Node, depth: usize, found: &mut Parsed) -> Result<(), EventError> {
    if depth > MAX_WRAPPINGS {
        return Err(node.error(Problem::TooDeep { limit: MAX_WRAPPINGS }));
    }
    match node.value {
        // As a Kafka connector writes JSON that it takes for text.
        Value::String(text) => {
            let inner = Path::Inside(&node.path);
            let message = decode(text.as_bytes(), &inner)?;
            read_message(&Node::new(&message, inner), depth + 1, found)
        }
        Value::Array(_) => read_each(node, depth, found, read_message),
        Value::Object(_) => read_object(node, depth, found),
        _ => Err(node.error(Problem::UnknownShape)),
    }
}

/// Reads every element of the list at `node`; an element that is refused does not cost its neighbours.
fn read_each(
    node: &Node,
    depth: usize,
    found: &mut Parsed,
    read: impl Fn(&Node, usize, &mut Parsed) -> Result<(), EventError>,
) -> Result<(), EventError> {
    let mut is_empty = true;
    for element in node.elements()? {
        is_empty = false;
        if let Err(error) = read(&element, depth + 1, found) {
            found.refused.push(error);
        }
        if found.is_full() {
            return Ok(());
        }
    }
    if is_empty {
        found.ignore(IgnoredReason::Empty);
    }
    Ok(())
}

/// Tells the shape of a JSON object by the fields that only it has.
fn read_object(node: &Node, depth: usize, found: &mut Parsed) -> Result<(), EventError> {
    if let Some(records) = node.field("Records") {
        return read_each(&records, depth, found, read_record);
    }
    if let Some(messages) = node.field("Messages") {
        return read_each(&messages, depth, found, read_message);
    }
    if node.field("detail-type").is_some() {
        found.events.push(eventbridge::read(node)?);
        return Ok(());
    }
    if let Some(kind) = node.field("type") {
        found.events.push(read_cloud_event(node, kind.text()?)?);
        return Ok(());
    }
    if let Some(kind) = node.field("Type") {
        return read_sns(node, kind.text()?, depth, found);
    }
    if is_test(node) {
        found.ignore(IgnoredReason::Test);
        return Ok(());
    }
    read_record(node, depth, found)
}

/// A record of a list, or one that came alone: of S3, or of a queue.
fn read_record(node: &Node, depth: usize, found: &mut Parsed) -> Result<(), EventError> {
    if node.field("eventName").is_some() || node.field("s3").is_some() {
        found.events.push(s3::read(node)?);
        return Ok(());
    }
    if let Some(sns) = node.field("Sns") {
        return read_message(&sns.required("Message")?, depth + 1, found);
    }
    // SQS writes `Body` in its own answers and `body` in what it hands to functions.
    match node.field("Body").or_else(|| node.field("body")) {
        Some(body) => read_message(&body, depth + 1, found),
        None => Err(node.error(Problem::UnknownShape)),
    }
}

fn read_sns(node: &Node, kind: &str, depth: usize, found: &mut Parsed) -> Result<(), EventError> {
    match kind {
        "Notification" => read_message(&node.required("Message")?, depth + 1, found),
        "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
            found.ignore(IgnoredReason::Subscription);
            Ok(())
        }
        _ => Err(node.error(Problem::UnknownShape)),
    }
}

fn read_cloud_event(node: &Node, kind: &str) -> Result<Event, EventError> {
    match kind {
        STUDY_EVENT_TYPE => study::read(node).map(Event::Study),
        OBJECT_EVENT_TYPE => object::read(node).map(Event::Object),
        _ if kind.starts_with("org.bolus.") => Err(node.error(Problem::UnknownVersion { expected: STUDY_EVENT_TYPE })),
        _ => Err(node.error(Problem::UnknownShape)),
    }
}

/// What S3 and its like send once when notifications are set up: no records, but `"Event": "s3:TestEvent"`.
fn is_test(node: &Node) -> bool {
    node.field("Event").is_some_and(|event| event.value.as_str() == Some("s3:TestEvent"))
}
