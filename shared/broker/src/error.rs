//! The crate's one error.

use std::fmt;

/// What the caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The broker or the way to it failed; the same call may succeed later.
    Retry,
    /// This record or request will never be taken as it is (too large, not a topic's name, …).
    Reject,
    /// The configuration, the credentials or this client itself are unfit: stop the process.
    Fatal,
}

/// An error of the broker or of this client; its message names the servers, the topic or the group, never a secret.
#[derive(Debug, thiserror::Error)]
#[error("{action}: {problem}")]
pub struct BrokerError {
    kind: ErrorKind,
    action: String,
    problem: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl BrokerError {
    pub(crate) fn new(kind: ErrorKind, action: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self { kind, action: action.into(), problem: problem.to_string(), source: None }
    }

    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}
