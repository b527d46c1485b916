//! Sending study events: at a rate, many at a time, acknowledged in order.

use std::num::NonZeroU32;
use std::sync::Arc;

use bolus_broker::{BrokerError, ErrorKind};
use bolus_events::StudyEvent;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::Sender;

/// Events that wait for their acknowledgement at a time.
const IN_FLIGHT: usize = 512;

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
