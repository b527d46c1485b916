//! The producer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::util::Timeout;
use rdkafka::{ClientContext, Statistics};
use tokio::sync::watch;

use crate::client;
use crate::error::is_refusal;
use crate::{BrokerConfig, BrokerError};

/// The most that waits in the producer for its acknowledgement. At this, [`Producer::send`] waits for room.
const QUEUE_KIBIBYTES: &str = "65536";
/// Above what brokers take as they come (1 MiB), so that the broker's own limit decides.
const MESSAGE_MAX_BYTES: &str = "16777216";

/// Sends records, each acknowledged by all replicas in sync and written once however often it was retried
/// (`acks=all`, idempotent). Cheap to clone.
#[derive(Clone)]
pub struct Producer {
    inner: FutureProducer<Context>,
    refusal: watch::Receiver<Option<String>>,
    /// Whether the library has forgotten every broker.
    stranded: Arc<watch::Sender<bool>>,
    /// Whether any record was ever acknowledged.
    admitted: Arc<AtomicBool>,
    servers: Arc<str>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl Producer {
    /// Makes a producer. Returns at once; an unreachable broker shows in [`send`](Self::send).
    ///
    /// # Errors
    /// `Fatal` where the configuration is unfit.
    pub fn start(config: &BrokerConfig) -> Result<Self, BrokerError> {
        let mut settings = config.client()?;
        settings
            .set("acks", "all")
            .set("enable.idempotence", "true")
            // Java's choice of a key's partition, so that its tools and ours agree.
            .set("partitioner", "murmur2_random")
            // To see whether it is stranded.
            .set("statistics.interval.ms", "1000")
            .set("message.max.bytes", MESSAGE_MAX_BYTES);
        for (key, value) in [
            ("queue.buffering.max.kbytes", QUEUE_KIBIBYTES),
            ("message.timeout.ms", "120000"),
            ("linger.ms", "5"),
            ("compression.type", "lz4"),
        ] {
            if !config.properties.contains_key(key) {
                settings.set(key, value);
            }
        }
        let (refused, refusal) = watch::channel(None);
        let action = format!("cannot make a producer for {}", config.servers);
        let stranded = Arc::new(watch::Sender::new(false));
        let context = Context { refused, stranded: Arc::clone(&stranded) };
        let inner = settings.create_with_context(context).map_err(|error| BrokerError::of(&action, &error, None))?;
        Ok(Self { inner, refusal, stranded, admitted: Arc::default(), servers: config.servers.as_str().into() })
    }

    /// Sends one record and awaits its acknowledgement: its partition and offset. The partition follows from the key
    /// as with the Java client (murmur2); an empty key goes anywhere. Waits while the queue is full. Records sent
    /// one after the other to one partition keep their order, awaited or not. A future dropped early may or may not
    /// have sent its record.
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
        let mut owned = OwnedHeaders::new_with_capacity(headers.len());
        for (key, value) in headers {
            owned = owned.insert(Header { key, value: Some(value.as_ref()) });
        }
        let record = FutureRecord::to(topic).key(key).payload(payload).headers(owned);
        let mut refusal = self.refusal.clone();
        let action = || format!("cannot send to topic {topic} at {}", self.servers);
        tokio::select! {
            biased;
            delivery = self.inner.send(record, Timeout::Never) => match delivery {
                Ok(delivery) => {
                    self.admitted.store(true, Ordering::Relaxed);
                    Ok((delivery.partition, delivery.offset))
                }
                Err((error, _)) => Err(BrokerError::of(&action(), &error, None)),
            },
            () = self.rescue_when_stranded() => Err(BrokerError::fatal(action())),
            // Without this the caller would learn of a wrong password as a time-out, two minutes later. A client that was
            // let in once may be refused in passing, while a password or a certificate is changed.
            reason = refused(&mut refusal), if !self.admitted.load(Ordering::Relaxed) => Err(BrokerError::fatal(format!("{}: {reason}", action()))),
        }
    }

    /// Tells the library of its servers whenever it has forgotten them. Never ends.
    async fn rescue_when_stranded(&self) {
        let mut stranded = self.stranded.subscribe();
        // The sender is a field of this producer, so the wait cannot fail.
        while stranded.wait_for(|stranded| *stranded).await.is_ok() {
            // One of those who wait for their record does it.
            if self.stranded.send_if_modified(std::mem::take) {
                client::rescue(self.inner.client(), &self.servers);
            }
        }
    }

    /// Waits until every record handed to [`send`](Self::send) is acknowledged or has failed.
    ///
    /// # Errors
    /// `Retry` where that takes longer than `timeout`.
    pub async fn flush(&self, timeout: Duration) -> Result<(), BrokerError> {
        let inner = self.inner.clone();
        let action = format!("cannot send all that waits for {}", self.servers);
        match tokio::task::spawn_blocking(move || inner.flush(timeout)).await {
            Ok(flushed) => flushed.map_err(|error| BrokerError::of(&action, &error, None)),
            Err(error) => Err(BrokerError::retry(format!("{action}: {error}"))),
        }
    }
}

/// Waits until the broker refuses us, and says why.
async fn refused(refusal: &mut watch::Receiver<Option<String>>) -> String {
    loop {
        let reason = refusal.borrow_and_update().clone();
        if let Some(reason) = reason {
            return reason;
        }
        if refusal.changed().await.is_err() {
            // The producer is gone; its delivery says so.
            std::future::pending::<()>().await;
        }
    }
}

/// Notes when the broker refuses our identity, and when the library has forgotten every broker.
struct Context {
    refused: watch::Sender<Option<String>>,
    stranded: Arc<watch::Sender<bool>>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        crate::client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "producer");
        if error.rdkafka_error_code().is_some_and(is_refusal) {
            self.refused.send_replace(Some(format!("{error}: {reason}")));
        }
    }

    fn stats(&self, statistics: Statistics) {
        if client::is_stranded(&statistics) {
            self.stranded.send_replace(true);
        }
    }
}
