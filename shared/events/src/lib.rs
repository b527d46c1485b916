//! Every event shape in, one type out.
//!
//! [`parse()`] takes one message as it lies in a topic and says what it holds. Invariant: no input or output, no clock
//! but the one that stamps a new [`StudyEvent`], and no bytes that make it panic.

mod error;
mod event;
mod eventbridge;
mod headers;
mod json;
mod key;
mod limits;
mod names;
mod object;
mod parse;
mod rule;
mod s3;
mod study;
mod text;

pub use error::{EventError, Problem};
pub use event::{Event, Ignored, IgnoredReason, Parsed};
pub use headers::{ORIGIN_HEADER, REASON_HEADER, TRUNCATED_HEADER};
pub use key::ObjectKey;
pub use limits::{MAX_KEY_BYTES, MAX_MESSAGE_BYTES, MAX_RECORDS, MAX_WRAPPINGS};
pub use names::{NamePattern, Names, name_of};
pub use object::{EventSource, OBJECT_EVENT_TYPE, ObjectEvent};
pub use parse::parse;
pub use rule::{StudyRule, StudyRuleError};
pub use study::{Origin, STUDY_EVENT_TYPE, StudyContent, StudyEvent, StudyObject};
pub use text::{message_of_text, text_of_beginning, text_of_message};
