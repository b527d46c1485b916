//! The crate's one error type.

use std::error::Error;
use std::fmt;
use std::io;

use bolus_study::{Reason, ReasonCode};

/// Characters of a reason's text: servers answer with whole pages.
const REASON_CHARACTERS: usize = 500;

/// What the caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Try again later: the network, the store or the machine was busy or failed for the moment.
    Retry,
    /// Give up this one object with a reason and go on with the others.
    Reject,
    /// Stop: nothing else at this location can succeed either (no such bucket, no credentials, a full disk).
    Fatal,
}

/// The code of an error that has no better one: what is to be tried again, or waits for a person, is not the object's.
fn code_of(kind: ErrorKind) -> ReasonCode {
    match kind {
        ErrorKind::Retry | ErrorKind::Fatal => ReasonCode::StoreUnavailable,
        ErrorKind::Reject => ReasonCode::Unreadable,
    }
}

/// A failure to list, read, write or expand an object.
#[derive(Debug)]
pub struct StorageError {
    /// What the caller should do.
    pub kind: ErrorKind,
    /// The code under which the object is counted. [`ReasonCode::is_transient`] says whether another attempt, with a new
    /// listing, may end otherwise.
    pub code: ReasonCode,
    /// The object, folder or location that the error is about.
    pub uri: String,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StorageError {
    pub(crate) fn new(kind: ErrorKind, uri: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, code: code_of(kind), uri: uri.into(), message: message.into(), source: None }
    }

    pub(crate) fn reject(uri: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Reject, uri, message)
    }

    pub(crate) fn fatal(uri: impl Into<String>, message: impl Into<String>) -> Self {
        // A name that cannot be right is no failure of the moment.
        Self::new(ErrorKind::Fatal, uri, message).with_code(ReasonCode::Unreadable)
    }

    pub(crate) fn with_code(mut self, code: ReasonCode) -> Self {
        self.code = code;
        self
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The object or its bytes are no longer those that were listed.
    pub(crate) fn changed(uri: impl Into<String>) -> Self {
        Self::reject(uri, "changed while reading").with_code(ReasonCode::ChangedWhileReading)
    }

    /// The same error, about an object that was listed: that it is not found means that it has changed since.
    pub(crate) fn after_listing(self) -> Self {
        let source = self.source.as_deref();
        let no_object = source
            .and_then(|cause| cause.downcast_ref())
            .is_some_and(|cause| matches!(cause, object_store::Error::NotFound { .. }));
        let no_file = source
            .and_then(|cause| cause.downcast_ref::<io::Error>())
            .is_some_and(|cause| cause.kind() == io::ErrorKind::NotFound);
        if no_object || no_file { self.with_code(ReasonCode::ChangedWhileReading) } else { self }
    }

    /// A failed call to the operating system on `uri`.
    pub(crate) fn io(uri: impl Into<String>, message: &str, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidFilename => ErrorKind::Reject,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem => {
                ErrorKind::Fatal
            }
            _ => ErrorKind::Retry,
        };
        Self::new(kind, uri, message).with_source(source)
    }

    /// A failed request to a store about the object `uri`.
    pub(crate) fn store(uri: impl Into<String>, message: &str, source: object_store::Error) -> Self {
        use object_store::Error as Store;
        let uri = uri.into();
        if matches!(source, Store::Precondition { .. }) {
            return Self::changed(uri).with_source(source);
        }
        let kind = match &source {
            Store::NotFound { .. }
            | Store::InvalidPath { .. }
            | Store::AlreadyExists { .. }
            | Store::NotModified { .. }
            | Store::PermissionDenied { .. } => ErrorKind::Reject,
            Store::Unauthenticated { .. }
            | Store::NotSupported { .. }
            | Store::NotImplemented { .. }
            | Store::UnknownConfigurationKey { .. } => ErrorKind::Fatal,
            other if lacks_credentials(other) => ErrorKind::Fatal,
            _ => ErrorKind::Retry,
        };
        Self::new(kind, uri, message).with_source(source)
    }

    /// The error as the reason of a refused or failed file: its code, its message and its causes, in one line.
    #[must_use]
    pub fn reason(&self) -> Reason {
        let mut detail = self.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Several layers of the stores' errors repeat the text of the layer below.
            if !detail.contains(&text) {
                detail.push_str(": ");
                detail.push_str(&text);
            }
            cause = error.source();
        }
        let one_line =
            detail.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON_CHARACTERS).collect::<String>();
        Reason::new(self.code, one_line)
    }
}

/// Whether the chain of causes ends at credentials that are absent or wrongly configured.
fn lacks_credentials(error: &object_store::Error) -> bool {
    use aws_credential_types::provider::error::CredentialsError as Credentials;
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<Credentials>() {
            return matches!(found, Credentials::CredentialsNotLoaded(_) | Credentials::InvalidConfiguration(_));
        }
        cause = error.source();
    }
    false
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.uri, self.message)
    }
}

impl Error for StorageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_cannot() {
        let store = |error| StorageError::store("s3://b/k", "cannot read", error).code;
        let generic = || object_store::Error::Generic { store: "S3", source: "503 Slow Down".into() };
        let missing = || object_store::Error::NotFound { path: "k".into(), source: "404".into() };
        let denied = object_store::Error::PermissionDenied { path: "k".into(), source: "403".into() };
        let expired = object_store::Error::Unauthenticated { path: "k".into(), source: "401".into() };
        let replaced = object_store::Error::Precondition { path: "k".into(), source: "412".into() };
        assert!(store(generic()).is_transient());
        assert!(store(expired).is_transient());
        assert!(!store(denied).is_transient());
        assert!(!store(missing()).is_transient());
        assert_eq!(store(replaced), ReasonCode::ChangedWhileReading);
        let listed = |error| StorageError::store("s3://b/k", "cannot read", error).after_listing().code;
        assert_eq!(listed(missing()), ReasonCode::ChangedWhileReading);
        assert_eq!(listed(generic()), ReasonCode::StoreUnavailable);
        let io = |kind: io::ErrorKind| StorageError::io("file:///f", "cannot read", kind.into()).code;
        assert!(io(io::ErrorKind::TimedOut).is_transient());
        assert!(io(io::ErrorKind::StorageFull).is_transient());
        assert!(!io(io::ErrorKind::PermissionDenied).is_transient());
        assert!(!StorageError::fatal("x://", "unknown scheme").code.is_transient());
        assert_eq!(StorageError::changed("s3://b/k").reason().code, ReasonCode::ChangedWhileReading);
    }
}
