//! The crate's one error.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// What the caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The broker or the way to it failed; the same call may succeed later.
    Retry,
    /// This record or request will never be taken as it is (too large, no such topic, …).
    Reject,
    /// The configuration, the credentials or this client itself are unfit: stop the process.
    Fatal,
}

/// An error of the broker or of this client. Its message names the servers, the topic or the group, never a secret,
/// and holds the client library's own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BrokerError {
    kind: ErrorKind,
    message: String,
}

impl BrokerError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn fatal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Fatal, message)
    }

    pub(crate) fn retry(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Retry, message)
    }

    /// Says what was done, why it failed and, where the library gave one, its reason.
    pub(crate) fn of(action: &str, error: &KafkaError, reason: Option<&str>) -> Self {
        let mut message = format!("{action}: {}", without_values(error));
        if let Some(reason) = reason {
            message.push_str(": ");
            message.push_str(reason);
        }
        Self { kind: kind_of(error), message }
    }

    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// The error's own words, save a refused setting's value: it may be a secret.
fn without_values(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, _, key, _) => format!("the setting {key} is not valid"),
        _ => error.to_string(),
    }
}

fn kind_of(error: &KafkaError) -> ErrorKind {
    match error {
        KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) | KafkaError::MessageConsumptionFatal(_) => {
            ErrorKind::Fatal
        }
        KafkaError::Nul(_) => ErrorKind::Reject,
        _ => error.rdkafka_error_code().map_or(ErrorKind::Retry, kind_of_code),
    }
}

pub(crate) fn kind_of_code(code: Code) -> ErrorKind {
    match code {
        // What was sent will never do.
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::InvalidTimestamp
        | Code::InvalidTopic
        | Code::InvalidArgument
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::InvalidConfig
        | Code::InvalidRequest
        | Code::PolicyViolation
        | Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownPartition => ErrorKind::Reject,
        code if is_refusal(code) => ErrorKind::Fatal,
        // The client is at its end, or the group cannot have this member as it is configured.
        Code::Fatal
        | Code::Fenced
        | Code::FencedInstanceId
        | Code::GaplessGuarantee
        | Code::AutoOffsetReset
        | Code::OffsetOutOfRange
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::InconsistentGroupProtocol
        | Code::InvalidGroupId
        | Code::InvalidSessionTimeout
        | Code::UnsupportedVersion
        | Code::UnsupportedFeature => ErrorKind::Fatal,
        _ => ErrorKind::Retry,
    }
}

/// Whether the broker refused our identity, or we its. Fatal for a client that was never let in; one that was may meet
/// it in passing, when a password or a certificate is changed.
pub(crate) fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SSL
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
            | Code::SecurityDisabled
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_setting_is_named_without_its_value() {
        let value = "hunter2".to_owned();
        let error = KafkaError::ClientConfig(
            rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
            format!("Invalid value \"{value}\""),
            "ssl.key.password".into(),
            value,
        );
        let error = BrokerError::of("cannot read topic t", &error, None);
        assert_eq!(error.to_string(), "cannot read topic t: the setting ssl.key.password is not valid");
        assert_eq!(error.kind(), ErrorKind::Fatal);
    }

    #[test]
    fn kinds_follow_the_code() {
        let kind = |code| kind_of(&KafkaError::MessageProduction(code));
        assert_eq!(kind(Code::MessageSizeTooLarge), ErrorKind::Reject);
        assert_eq!(kind(Code::MessageTimedOut), ErrorKind::Retry);
        assert_eq!(kind(Code::TopicAuthorizationFailed), ErrorKind::Fatal);
        assert_eq!(kind(Code::Authentication), ErrorKind::Fatal);
    }
}
