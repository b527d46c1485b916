//! What every client of the library shares: its log lines, and the reason of its last error.

use std::sync::{Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::error::is_refusal;

/// Sends librdkafka's log to `tracing` and keeps the words of its last error, which its error codes come without.
/// A refusal is kept over what follows from it (all brokers down, …). librdkafka writes no secret into either.
#[derive(Debug, Default)]
pub(crate) struct ErrorLog {
    last: Mutex<Option<(KafkaError, String)>>,
}

impl ErrorLog {
    pub(crate) fn note(&self, error: KafkaError, reason: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if !last.as_ref().is_some_and(|(error, _)| error.rdkafka_error_code().is_some_and(is_refusal)) {
            *last = Some((error, reason.to_owned()));
        }
    }

    pub(crate) fn take(&self) -> Option<(KafkaError, String)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for ErrorLog {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.note(error, reason);
    }
}

impl rdkafka::consumer::ConsumerContext for ErrorLog {}

/// Writes one line of librdkafka's log.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
    match level {
        Emerg | Alert | Critical | Error => tracing::error!(facility, message, "librdkafka"),
        Warning => tracing::warn!(facility, message, "librdkafka"),
        Notice | Info => tracing::info!(facility, message, "librdkafka"),
        Debug => tracing::debug!(facility, message, "librdkafka"),
    }
}
