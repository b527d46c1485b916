//! What every client of the library shares: its log lines, the reason of its last error, and a way back from having
//! forgotten every broker.

use std::ffi::CString;
use std::sync::{Mutex, PoisonError};

use rdkafka::client::Client;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::{ClientContext, Statistics};

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

/// Whether the library has forgotten every broker, and so has nobody to ask for new ones: it never comes back by itself.
///
/// A broker that its cluster has fenced for a moment (a pause of its process or of its disk was longer than its session)
/// answers a question for metadata with no brokers at all. The library then forgets those that it had learned, and its
/// bootstrap servers with them. Source: confluentinc/librdkafka issue 5301, open; seen in 2.12.1 by the fault harness.
pub(crate) fn is_stranded(statistics: &Statistics) -> bool {
    !statistics.brokers.values().any(|broker| matches!(broker.source.as_str(), "learned" | "configured"))
}

/// Gives a stranded client its bootstrap servers again.
#[allow(unsafe_code, reason = "FFI: rdkafka does not wrap rd_kafka_brokers_add")]
pub(crate) fn rescue<C: ClientContext>(client: &Client<C>, servers: &str) {
    tracing::warn!(servers, "the library has forgotten every broker, and is told of them again");
    // Servers with a zero byte were refused when the client was made.
    let Ok(servers) = CString::new(servers) else { return };
    // SAFETY: the pointer is that of a living client, which `client` keeps alive; the library copies the text, and the function may
    // be called from any thread.
    unsafe { rdkafka::bindings::rd_kafka_brokers_add(client.native_ptr(), servers.as_ptr()) };
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_without_a_broker_to_ask_is_stranded() {
        let statistics = |sources: &[&str]| {
            let broker = |source: &&str| {
                (
                    (*source).to_owned(),
                    rdkafka::statistics::Broker { source: (*source).to_owned(), ..Default::default() },
                )
            };
            Statistics { brokers: sources.iter().map(broker).collect(), ..Default::default() }
        };
        assert!(is_stranded(&statistics(&["internal", "logical"])));
        assert!(!is_stranded(&statistics(&["internal", "logical", "configured"])));
        assert!(!is_stranded(&statistics(&["internal", "learned"])));
    }
}
