//! What a message says: its events, and what is no event.

use crate::{EventError, ObjectEvent, StudyEvent};

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
