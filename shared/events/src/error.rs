//! Why a message, or one record of it, is no event.

use std::fmt;

/// One message, or one record of a message, that is no event.
///
/// Reading it again gives the same answer, so there is nothing to retry: what is refused ends as a failure row.
/// Its text names the problem and the place, as a path into the JSON, and never holds anything of the payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at {path}")]
pub struct EventError {
    problem: Problem,
    path: String,
}

impl EventError {
    pub(crate) fn new(problem: Problem, path: &impl fmt::Display) -> Self {
        Self { problem, path: path.to_string() }
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// What is wrong, as a name in `snake_case` that stays the same: for counting, and for the failure row.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.problem.code()
    }

    /// Where it is wrong: `$` for the whole message, else a path such as `$.Records[3].s3.object.key`. What lies in a
    /// string of JSON (SNS, SQS) follows an arrow: `$.Message → $.Records[0].eventName`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// What is wrong with a message or a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The message is longer than [`crate::MAX_MESSAGE_BYTES`].
    #[error("message of {bytes} bytes is longer than the {limit} that are read")]
    TooLarge {
        /// Length of the message.
        bytes: usize,
        /// [`crate::MAX_MESSAGE_BYTES`].
        limit: usize,
    },
    /// The message, or a string that should hold a message, is not JSON.
    #[error("not JSON (line {line}, column {column})")]
    NotJson {
        /// Line of the first mistake, from 1.
        line: usize,
        /// Column of the first mistake, from 0.
        column: usize,
    },
    /// It is JSON, but no shape that this crate knows.
    #[error("not an event of a known shape")]
    UnknownShape,
    /// Messages are wrapped in each other more than [`crate::MAX_WRAPPINGS`] deep.
    #[error("messages wrapped more than {limit} deep")]
    TooDeep {
        /// [`crate::MAX_WRAPPINGS`].
        limit: usize,
    },
    /// One message holds more than [`crate::MAX_RECORDS`] records.
    #[error("more than {limit} records in one message")]
    TooMany {
        /// [`crate::MAX_RECORDS`].
        limit: usize,
    },
    /// A field that has to be there is missing, null or empty.
    #[error("missing")]
    Missing,
    /// A field is of another type.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// The type that belongs there.
        expected: &'static str,
        /// The type that was found.
        found: &'static str,
    },
    /// A field is of the right type with a value that means nothing.
    #[error("expected {expected}")]
    Invalid {
        /// What belongs there.
        expected: &'static str,
    },
    /// The object key is not UTF-8 once it is decoded.
    #[error("object key is not UTF-8 once it is decoded")]
    KeyNotUtf8,
    /// The object key is longer than [`crate::MAX_KEY_BYTES`].
    #[error("object key of {bytes} bytes is longer than the {limit} that S3 allows")]
    KeyTooLong {
        /// Length of the key once it is decoded.
        bytes: usize,
        /// [`crate::MAX_KEY_BYTES`].
        limit: usize,
    },
    /// The event is of a version that this program does not know.
    #[error("event of an unknown version, expected {expected}")]
    UnknownVersion {
        /// The version that is known.
        expected: &'static str,
    },
}

impl Problem {
    /// The name of the problem in `snake_case`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::NotJson { .. } => "not_json",
            Self::UnknownShape => "unknown_shape",
            Self::TooDeep { .. } => "too_deep",
            Self::TooMany { .. } => "too_many_records",
            Self::Missing => "missing_field",
            Self::WrongType { .. } => "wrong_type",
            Self::Invalid { .. } => "invalid_value",
            Self::KeyNotUtf8 => "key_not_utf8",
            Self::KeyTooLong { .. } => "key_too_long",
            Self::UnknownVersion { .. } => "unknown_version",
        }
    }
}
