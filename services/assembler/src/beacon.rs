//! Tells every partition of the internal topic how far the first stage is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bolus_broker::{Admin, BrokerError};
use futures::future::join_all;

use crate::outbox::Outbox;
use crate::wire::{Internal, Progress};

/// How often the numbers of partitions are looked up: one may add partitions at any time.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Keys that are tried for each partition of the internal topic. With a hash that spreads evenly 20 a partition leave one
/// partition in e²⁰ without a key, until the next round.
const KEYS_PER_PARTITION: usize = 20;

/// Sends progress to each partition by a key that leads there. Which key leads where is learned from acknowledgements, so
/// that it holds whatever the producer's partitioner is.
#[derive(Debug)]
pub struct Beacon {
    outbox: Outbox,
    admin: Admin,
    objects: Vec<String>,
    internal: String,
    keys: BTreeMap<i32, String>,
    tried: usize,
    counts: Option<Counts>,
}

/// How many partitions there are.
#[derive(Debug, Clone, Copy)]
struct Counts {
    objects: usize,
    internal: usize,
    looked: Instant,
}

impl Beacon {
    /// Tells of the `objects` topics to the `internal` topic.
    #[must_use]
    pub fn new(outbox: Outbox, admin: Admin, objects: Vec<String>, internal: String) -> Self {
        Self { outbox, admin, objects, internal, keys: BTreeMap::new(), tried: 0, counts: None }
    }

    /// Tells how far the partitions are that this process owns. Gives itself back, so that rounds never overlap.
    pub async fn tell(mut self, at: Vec<(String, i32, i64)>) -> Self {
        if let Err(error) = self.try_tell(at).await {
            tracing::warn!(%error, "the second stage was not told how far the first is");
        }
        self
    }

    async fn try_tell(&mut self, at: Vec<(String, i32, i64)>) -> Result<(), BrokerError> {
        let counts = self.counts().await?;
        let payload = Internal::Progress(Progress { of: counts.objects, at }).to_json();
        let (outbox, topic) = (&self.outbox, self.internal.as_str());
        let sends = self.keys.iter().map(|(partition, key)| {
            let sent = outbox.write(topic, key.as_bytes(), &payload, &[]);
            async move { Ok((*partition, sent.await?.0)) }
        });
        let sent: Result<Vec<(i32, i32)>, BrokerError> = join_all(sends).await.into_iter().collect();
        if sent?.iter().any(|(expected, actual)| expected != actual) {
            self.keys.clear();
            self.tried = 0;
        }
        self.learn(counts, &payload).await
    }

    /// Finds keys for the partitions that have none. What is sent on the way is progress as well.
    async fn learn(&mut self, counts: Counts, payload: &[u8]) -> Result<(), BrokerError> {
        let last = self.tried + KEYS_PER_PARTITION * counts.internal;
        while self.keys.len() < counts.internal && self.tried < last {
            let key = format!("progress-{}", self.tried);
            self.tried += 1;
            let (partition, _) = self.outbox.write(&self.internal, key.as_bytes(), payload, &[]).await?;
            self.keys.entry(partition).or_insert(key);
        }
        Ok(())
    }

    async fn counts(&mut self) -> Result<Counts, BrokerError> {
        if let Some(counts) = self.counts.filter(|counts| counts.looked.elapsed() < LOOK_EVERY) {
            return Ok(counts);
        }
        let mut objects = 0;
        for topic in &self.objects {
            objects += self.admin.topic_offsets(topic).await?.len();
        }
        let internal = self.admin.topic_offsets(&self.internal).await?.len();
        let counts = Counts { objects, internal, looked: Instant::now() };
        self.counts = Some(counts);
        Ok(counts)
    }
}
