//! Sending study events: at a rate, many at a time, acknowledged in order.

use std::num::NonZeroU32;
use std::sync::Arc;

use bolus_broker::{Admin, BrokerConfig, BrokerError, ErrorKind, Producer};
use bolus_events::StudyEvent;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// Events that wait for their acknowledgement at a time.
const IN_FLIGHT: usize = 512;

/// Writes to one topic that exists.
#[derive(Debug, Clone)]
pub struct Sender {
    producer: Producer,
    topic: String,
}

impl Sender {
    /// Connects, and makes sure of the topic before anything is listed.
    ///
    /// # Errors
    /// The broker's, where it cannot be reached or has no such topic.
    pub async fn connect(broker: &BrokerConfig, topic: &str) -> Result<Self, BrokerError> {
        Admin::start(broker)?.topic_offsets(topic).await?;
        Ok(Self { producer: Producer::start(broker)?, topic: topic.to_owned() })
    }

    /// Writes a study event, under the key of its study; gives the partition and the offset.
    ///
    /// # Errors
    /// The broker's.
    pub async fn send(&self, event: &StudyEvent) -> Result<(i32, i64), BrokerError> {
        self.producer.send(&self.topic, event.partition_key().as_bytes(), &event.to_json(), &[]).await
    }

    /// Writes a message as it is; gives the partition and the offset.
    ///
    /// # Errors
    /// The broker's.
    pub async fn send_raw(&self, payload: &[u8]) -> Result<(i32, i64), BrokerError> {
        self.producer.send(&self.topic, &[], payload, &[]).await
    }
}

/// A study that is done with, in the order of [`Publisher::send`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Its place.
    pub place: String,
    /// Whether its event is in the topic; an event that the broker refused, or that was not to be sent, is not.
    pub published: bool,
    /// Why the broker refused it.
    pub refused: Option<String>,
}

type Answer = Result<Acknowledged, BrokerError>;

/// Sends study events, or only goes through the motions.
pub struct Publisher {
    sender: Option<Sender>,
    rate: Option<Arc<DefaultDirectRateLimiter>>,
    waiting: FuturesOrdered<BoxFuture<'static, Answer>>,
}

impl Publisher {
    /// Sends through `sender`, nothing where there is none; at most `rate` events a second.
    #[must_use]
    pub fn new(sender: Option<Sender>, rate: Option<NonZeroU32>) -> Self {
        // A burst of one: the rate holds from the first second on.
        let one = NonZeroU32::MIN;
        let quota = rate.map(|rate| Quota::per_second(rate).allow_burst(one));
        Self { sender, rate: quota.map(|quota| Arc::new(RateLimiter::direct(quota))), waiting: FuturesOrdered::new() }
    }

    /// Takes a study: `event` is sent, and without one the study only takes its place in the order. Waits for the rate and for
    /// room; gives the studies that are done with meanwhile.
    ///
    /// # Errors
    /// The broker's, where sending on is no use.
    pub async fn send(&mut self, place: String, event: Option<StudyEvent>) -> Result<Vec<Acknowledged>, BrokerError> {
        let mut done = Vec::new();
        while self.waiting.len() >= IN_FLIGHT {
            done.extend(self.next().await?);
        }
        match (event, &self.sender) {
            (Some(event), Some(sender)) => {
                if let Some(rate) = &self.rate {
                    rate.until_ready().await;
                }
                let sender = sender.clone();
                self.waiting.push_back(Box::pin(async move { answer(place, sender.send(&event).await) }));
            }
            _ => {
                let done = Acknowledged { place, published: false, refused: None };
                self.waiting.push_back(Box::pin(async move { Ok(done) }));
            }
        }
        // What is acknowledged already.
        while let Some(Some(answer)) = futures::FutureExt::now_or_never(self.waiting.next()) {
            done.push(answer?);
        }
        Ok(done)
    }

    /// The next study that is done with, in order; none where none waits.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn next(&mut self) -> Result<Option<Acknowledged>, BrokerError> {
        self.waiting.next().await.transpose()
    }
}

fn answer(place: String, sent: Result<(i32, i64), BrokerError>) -> Answer {
    match sent {
        Ok(_) => Ok(Acknowledged { place, published: true, refused: None }),
        Err(error) if error.kind() == ErrorKind::Reject => {
            Ok(Acknowledged { place, published: false, refused: Some(error.to_string()) })
        }
        Err(error) => Err(error),
    }
}
