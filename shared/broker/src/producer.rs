//! The producer.

use std::time::Duration;

use bytes::Bytes;

use crate::{BrokerConfig, BrokerError};

/// Sends records, each acknowledged by all replicas in sync and written once however often it was retried
/// (`acks=all`, idempotent). Cheap to clone.
#[derive(Clone, Debug)]
pub struct Producer {}

impl Producer {
    /// Makes a producer. Returns at once; an unreachable broker shows in [`send`](Self::send).
    ///
    /// # Errors
    /// `Fatal` where the configuration is unfit.
    pub fn start(config: &BrokerConfig) -> Result<Self, BrokerError> {
        let _ = config;
        todo!()
    }

    /// Sends one record and awaits its acknowledgement: its partition and offset. The partition follows from the key
    /// as with the Java client (murmur2); an empty key goes anywhere. Waits while the queue is full.
    ///
    /// # Errors
    /// `Retry`: not acknowledged in time, so it may or may not have been written. `Reject`: too large, or no such
    /// topic. `Fatal`: not authorised, or the producer can no longer keep its promise.
    pub async fn send(
        &self,
        topic: &str,
        key: &[u8],
        payload: &[u8],
        headers: &[(String, Bytes)],
    ) -> Result<(i32, i64), BrokerError> {
        let _ = (topic, key, payload, headers);
        todo!()
    }

    /// Waits until every record handed to [`send`](Self::send) is acknowledged or has failed.
    ///
    /// # Errors
    /// `Retry` where that takes longer than `timeout`.
    pub async fn flush(&self, timeout: Duration) -> Result<(), BrokerError> {
        let _ = timeout;
        todo!()
    }
}
