//! The row that an event itself ends as, where no series or file has one to give.

use bolus_labeling::unread_row;
use bolus_study::{BundleRef, ContentDigest, InstanceFingerprint, LabelRow, Outcome};

use crate::message::Message;

/// What stands for the series in the key of an event's own row.
const EVENT: &str = "bolus:event";

/// A row about the event in `message` as a whole.
///
/// Its key is made of the message's bytes: the same message that ends so again is one row. It is never the key of a series,
/// so that a later attempt can still label one.
#[must_use]
pub fn event_row(message: &Message, bundle: &BundleRef, outcome: Outcome, source_uri: String) -> LabelRow {
    let fingerprint = InstanceFingerprint { instance: EVENT.into(), etag: message.sha256() };
    let content = ContentDigest::of(vec![fingerprint]);
    LabelRow { files: 0, ..unread_row(EVENT, source_uri, content, bundle, outcome) }
}

/// Where a message lies, for rows that have nothing else to name.
#[must_use]
pub fn record_uri(message: &Message) -> String {
    if let Some(passed_on) = &message.passed_on {
        return format!("kafka:{}", passed_on.origin);
    }
    format!("kafka:{}/{}/{}", message.topic, message.partition, message.offset)
}

/// The memory that a row takes, in bytes: close enough to bound a batch.
#[must_use]
pub fn row_bytes(row: &LabelRow) -> usize {
    const FIXED: usize = 1_500;
    const SLICE: usize = 100;
    let slices = row.prediction().map_or(0, |prediction| prediction.slices.len());
    FIXED + slices * SLICE + row.event.as_ref().map_or(0, String::len) + row.source_uri.len()
}
