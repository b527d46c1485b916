//! Every event shape in, one type out.
//!
//! [`parse()`] takes one message as it lies in a topic and says what it holds. Invariant: no input or output, no clock
//! but the one that stamps a new [`StudyEvent`], and no bytes that make it panic.

mod error;
mod eventbridge;
mod json;
mod key;
mod names;
mod object;
mod parse;
mod rule;
mod s3;
mod study;

pub use error::{EventError, Problem};
pub use names::{NamePattern, Names, name_of};
pub use object::{EventSource, OBJECT_EVENT_TYPE, ObjectEvent, ObjectKey};
pub use parse::parse;
pub use rule::{StudyRule, StudyRuleError};
pub use study::{Origin, STUDY_EVENT_TYPE, StudyContent, StudyEvent, StudyObject};

/// Header of a record that the assembler passes on because it cannot use it: where it came from, `topic/partition/offset`.
pub const ORIGIN_HEADER: &str = "bolus-origin";
/// Header of such a record: why it is passed on, a code, a colon and a text without anything of the payload but names of
/// objects. Whatever else the record holds has been dealt with.
pub const REASON_HEADER: &str = "bolus-reason";

/// Header of such a record where only its beginning is passed on: how long the whole was, in bytes.
pub const TRUNCATED_HEADER: &str = "bolus-truncated";

/// Longest message that is read, in bytes; a longer one is refused whole.
pub const MAX_MESSAGE_BYTES: usize = 8 << 20;
/// Deepest nesting of lists, envelopes and texts that hold a message; a deeper one is refused. S3 in SNS in an answer
/// of SQS is five deep.
pub const MAX_WRAPPINGS: usize = 8;
/// Most records of one message; one with more is refused whole.
pub const MAX_RECORDS: usize = 100_000;
/// Longest object key in bytes of UTF-8, as S3 has it; a record with a longer one is refused.
pub const MAX_KEY_BYTES: usize = 1024;

/// What one message holds.
///
/// A message is read record by record: a bad one does not cost its neighbours. A caller is done with a message when it
/// has dealt with every event and has written down every refusal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    /// The records that were understood, in the message's order.
    pub events: Vec<Event>,
    /// One error a record that was not, in the message's order.
    pub refused: Vec<EventError>,
}

/// One record of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An object has been created or overwritten.
    Object(ObjectEvent),
    /// A study is ready.
    Study(StudyEvent),
    /// Something that needs nothing done, to be acknowledged and counted.
    Ignored(Ignored),
}

/// Something that needs nothing done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Why nothing is done.
    pub reason: IgnoredReason,
    /// The sender's name for the event where it has one that looks like a name: for logs, not for metrics.
    pub name: Option<String>,
}

/// Why an event needs nothing done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IgnoredReason {
    /// An object was deleted, or a marker says so.
    Deleted,
    /// The sender tried out its configuration: `s3:TestEvent`.
    Test,
    /// SNS asks to confirm a subscription or tells of its end.
    Subscription,
    /// The message holds no record.
    Empty,
    /// Another event of a known sender: tags, access, restoring, replication.
    Other,
}

impl IgnoredReason {
    /// The reason as a name in `snake_case` that stays the same, for counting.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Test => "test",
            Self::Subscription => "subscription",
            Self::Empty => "empty",
            Self::Other => "other",
        }
    }
}

impl From<EventError> for Parsed {
    /// A message that is refused whole.
    fn from(error: EventError) -> Self {
        Self { events: Vec::new(), refused: vec![error] }
    }
}
