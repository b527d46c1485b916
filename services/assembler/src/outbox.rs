//! Writes records until they are acknowledged.

use std::sync::Arc;
use std::time::Duration;

use bolus_broker::{BrokerError, ErrorKind, Producer};
use bytes::Bytes;

use crate::meters::Meters;

/// The first pause after a failed send; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A producer that does not give up while the broker may come back.
#[derive(Debug, Clone)]
pub struct Outbox {
    producer: Producer,
    meters: Arc<Meters>,
}

impl Outbox {
    /// Writes by way of `producer`.
    #[must_use]
    pub fn new(producer: Producer, meters: Arc<Meters>) -> Self {
        Self { producer, meters }
    }

    /// Writes one record and gives its partition and offset. What is not acknowledged is sent again, however long it takes:
    /// a record may so be written twice, which its reader has to bear.
    ///
    /// # Errors
    /// Those that trying again does not mend: `Reject` and `Fatal`.
    pub async fn write(
        &self,
        topic: &str,
        key: &[u8],
        payload: &[u8],
        headers: &[(String, Bytes)],
    ) -> Result<(i32, i64), BrokerError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.producer.send(topic, key, payload, headers).await {
                Err(error) if error.kind() == ErrorKind::Retry => {
                    self.meters.produce_failures.inc();
                    tracing::warn!(%error, topic, "a record was not acknowledged, and is sent again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                settled => return settled,
            }
        }
    }
}
