//! One record of a study topic: its events, its text, and its identity.

use std::sync::Arc;

use bolus_broker::Record;
use bolus_events::{
    Event, EventError, IgnoredReason, ORIGIN_HEADER, Parsed, REASON_HEADER, TRUNCATED_HEADER, text_of_beginning,
    text_of_message,
};
use bolus_study::{LabelRow, Status};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::book::Digest;
use crate::objects::place_of;

/// Longer messages are read on the CPU pool, so that they hold nobody up; their repetitions go the long way.
const READ_AT_ONCE_BYTES: usize = 64 << 10;

/// Longest event that every row repeats. Of longer ones the rows name the record, save failures, by which events are sent again.
const EVENT_IN_ROW_BYTES: usize = 16 << 10;

/// Bytes of long events that the failures of one message repeat, together: one row at least has it whole.
const EVENT_IN_FAILURES_BYTES: usize = 8 << 20;

/// Bytes that a failure keeps of a message which is no event: enough to see what it is, and nothing can be sent again of it but what
/// it is. Anybody who may write to the topic chooses how long it is.
const JUNK_BYTES: usize = 64 << 10;

/// Characters of a header that are kept: more than the assembler writes.
const HEADER_CHARACTERS: usize = 2_000;

/// A record with what it holds.
#[derive(Debug, Clone)]
pub struct Message {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// When the record was written, in milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// The bytes; empty for a tombstone.
    pub payload: Bytes,
    /// Where the record came from and why, where the assembler has passed it on because it cannot use it.
    pub passed_on: Option<PassedOn>,
    /// What they hold, where that is known already.
    pub parsed: Option<Result<Parsed, EventError>>,
}

/// What the assembler says of a record that it passes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOn {
    /// `topic/partition/offset` of the record as it was first sent.
    pub origin: String,
    /// Why nothing could be made of it.
    pub reason: String,
    /// Bytes of the whole record, where only its beginning was passed on.
    pub whole_bytes: Option<usize>,
}

impl PassedOn {
    fn of(record: &Record) -> Option<Self> {
        let header = |wanted: &str| -> Option<String> {
            let (_, value) = record.headers.iter().find(|(name, _)| name == wanted)?;
            Some(String::from_utf8_lossy(value).chars().take(HEADER_CHARACTERS).collect())
        };
        let whole_bytes = header(TRUNCATED_HEADER).and_then(|bytes| bytes.parse().ok());
        Some(Self { origin: header(ORIGIN_HEADER)?, reason: header(REASON_HEADER)?, whole_bytes })
    }
}

impl Message {
    /// Takes a record, and reads it if it is small.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let payload = record.payload.clone().unwrap_or_default();
        let parsed = if record.payload.is_none() {
            Some(Ok(nothing()))
        } else {
            (payload.len() <= READ_AT_ONCE_BYTES).then(|| bolus_events::parse(&payload))
        };
        Self {
            passed_on: PassedOn::of(record),
            topic: Arc::clone(&record.topic),
            partition: record.partition,
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            payload,
            parsed,
        }
    }

    /// Whether handling the message reads objects, or a message that is too long to be read at once.
    #[must_use]
    pub fn leads_to_reading(&self) -> bool {
        match &self.parsed {
            _ if self.passed_on.is_some() => false,
            None => true,
            Some(Ok(parsed)) => !parsed.events.iter().all(|event| matches!(event, Event::Ignored(_))),
            Some(Err(_)) => false,
        }
    }

    /// Where the first study lies that the message names, as far as is known.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        let parsed = self.parsed.as_ref()?.as_ref().ok()?;
        parsed.events.iter().find_map(|event| match event {
            Event::Study(study) => Some(place_of(&study.bucket, &study.content)),
            Event::Object(object) => Some(format!("s3://{}/{}", object.bucket, object.key.likely())),
            Event::Ignored(_) => None,
        })
    }

    /// The identity under which repetitions of the message may end at once, where it has one.
    ///
    /// Equal bytes are the same event only where something in them says so: a study event has an id, a notification a
    /// sequencer (of the same key, it is that of one write). A notification without one may be sent alike for two writes. What
    /// is no event stays none.
    #[must_use]
    pub fn identity(&self) -> Option<Digest> {
        let is_one = |event: &Event| match event {
            Event::Study(_) | Event::Ignored(_) => true,
            Event::Object(object) => object.sequencer.is_some(),
        };
        match self.parsed.as_ref()? {
            Ok(parsed) if !parsed.events.iter().all(is_one) => None,
            _ => Some(self.digest()),
        }
    }

    fn digest(&self) -> Digest {
        let digest = Sha256::digest(&self.payload);
        digest.iter().take(16).fold(0, |number, byte| number << 8 | Digest::from(*byte))
    }

    /// sha256 of the bytes as hex.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.payload))
    }

    /// The message as text, by [`text_of_message`].
    #[must_use]
    pub fn text(&self) -> String {
        text_of_message(&self.payload)
    }

    /// What is kept of a message that is no event: its text, or the beginning of it, by [`text_of_beginning`].
    fn junk_text(&self) -> String {
        let passed_on = self.passed_on.as_ref().and_then(|passed_on| passed_on.whole_bytes);
        let whole_bytes = passed_on.unwrap_or(0).max(self.payload.len());
        let kept = self.payload.get(..JUNK_BYTES).unwrap_or(&self.payload);
        if kept.len() == whole_bytes {
            return text_of_message(kept);
        }
        text_of_beginning(kept, whole_bytes)
    }

    /// What rows say of the event where they do not repeat it: its text, or where it lies if it is long.
    fn short_text(&self) -> String {
        if self.payload.len() <= EVENT_IN_ROW_BYTES {
            return self.text();
        }
        let (topic, partition, offset) = (&*self.topic, self.partition, self.offset);
        serde_json::json!({ "topic": topic, "partition": partition, "offset": offset }).to_string()
    }

    /// Tells `rows` what they came of, within bounds however long the message is and however many they are. `is_event` says
    /// whether there is something in it that can be sent again.
    pub fn tell(&self, rows: &mut [LabelRow], is_event: bool) {
        let whole = if is_event { self.text() } else { self.junk_text() };
        let short = if is_event { self.short_text() } else { whole.clone() };
        let mut left = EVENT_IN_FAILURES_BYTES.max(whole.len());
        for row in rows {
            let is_repeated = row.status() == Status::Failed && whole.len() <= left;
            if is_repeated && whole.len() > EVENT_IN_ROW_BYTES {
                left -= whole.len();
            }
            row.event = Some(if is_repeated { whole.clone() } else { short.clone() });
        }
    }
}

/// What a tombstone holds.
fn nothing() -> Parsed {
    let ignored = bolus_events::Ignored { reason: IgnoredReason::Empty, name: None };
    Parsed { events: vec![Event::Ignored(ignored)], refused: Vec::new() }
}

#[cfg(test)]
mod tests {
    use bolus_events::StudyEvent;

    use super::*;

    fn message(payload: impl Into<Bytes>) -> Message {
        Message::of(&Record {
            topic: "t".into(),
            partition: 3,
            offset: 9,
            generation: 1,
            key: None,
            payload: Some(payload.into()),
            timestamp_ms: None,
            headers: Vec::new(),
        })
    }

    #[test]
    fn long_events_are_named_by_their_record() {
        let long = message(vec![b' '; EVENT_IN_ROW_BYTES + 1]);
        assert_eq!(long.short_text(), r#"{"offset":9,"partition":3,"topic":"t"}"#);
        assert_eq!(long.text().len(), EVENT_IN_ROW_BYTES + 1);
    }

    fn told(message: &Message, rows: usize, is_event: bool) -> Vec<String> {
        let row = crate::rows::event_row(
            message,
            &bolus_study::BundleRef { name: "b".into(), version: "1".into(), digest: "d".into() },
            bolus_study::Outcome::Failed(bolus_study::Reason::new(bolus_study::ReasonCode::BadEvent, "junk")),
            "kafka:t/3/9".into(),
        );
        let mut rows = vec![row; rows];
        message.tell(&mut rows, is_event);
        rows.into_iter().map(|row| row.event.unwrap()).collect()
    }

    #[test]
    fn junk_is_kept_up_to_a_bound_with_its_length_told() {
        assert_eq!(told(&message("junk"), 1, false), ["junk"]);
        let long = told(&message(vec![b'x'; 5 << 20]), 1, false).remove(0);
        assert_eq!(long, format!("cut:{}:{}", 5 << 20, "x".repeat(JUNK_BYTES)));
        let binary = told(&message(vec![0xff; 5 << 20]), 1, false).remove(0);
        assert!(binary.starts_with("cut:5242880:base64:") && binary.len() < 2 * JUNK_BYTES, "{}", binary.len());
        let cut_character = told(&message("ä".repeat(JUNK_BYTES).replacen('ä', "x", 1)), 1, false).remove(0);
        assert!(cut_character.ends_with('ä') && !cut_character.contains("base64"));
        // What looks like our own mark is not taken for it.
        assert!(told(&message("cut:9:x"), 1, false)[0].starts_with("base64:"));
        let mut passed_on = message(vec![b'x'; JUNK_BYTES]);
        passed_on.passed_on = Some(PassedOn { origin: "o/0/1".into(), reason: "r".into(), whole_bytes: Some(9 << 20) });
        assert!(told(&passed_on, 1, false)[0].starts_with(&format!("cut:{}:x", 9 << 20)));
    }

    #[test]
    fn an_event_that_can_be_sent_again_is_kept_whole_and_not_once_a_row() {
        let long = message(vec![b'{'; 3 << 20]);
        let texts = told(&long, 1_000, true);
        assert_eq!(texts[0].len(), 3 << 20);
        let all: usize = texts.iter().map(String::len).sum();
        assert!(all < (9 << 20), "{all}");
        assert_eq!(texts[999], r#"{"offset":9,"partition":3,"topic":"t"}"#);
    }

    #[test]
    fn only_what_names_itself_has_an_identity() {
        let study = StudyEvent::prefix("b", "p").to_json();
        assert_eq!(message(study.clone()).identity(), message(study.clone()).identity());
        assert_ne!(message(study).identity(), message(StudyEvent::prefix("b", "p").to_json()).identity());
        let record = |sequencer: &str| {
            format!(
                r#"{{"Records":[{{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{{"bucket":{{"name":"b"}},"object":{{"key":"a.zip"{sequencer}}}}}}}]}}"#
            )
        };
        assert_eq!(message(record("")).identity(), None);
        assert!(message(record(r#","sequencer":"0A""#)).identity().is_some());
        assert!(message("junk").identity().is_some());
    }
}
