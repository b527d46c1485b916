//! Partitions that come, and partitions that go.

use std::time::Duration;

use bolus_broker::{Consumer, Reply, Start, TopicPartition};
use bolus_lake::{ErrorKind, LakeError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff;
use crate::book::Book;
use crate::commit::{Committer, app_id};
use crate::study::Patience;

/// Of the time that is given to partitions which go, the share in which studies may still finish; the rest is for the commit.
const TO_FINISH: f64 = 0.7;

/// Partitions that come, and where the lake says they stand.
pub struct Started {
    /// The generation of their records.
    pub generation: u64,
    /// Where each stands; none where nothing of it has ever landed.
    pub stands: Vec<(TopicPartition, Option<i64>)>,
    /// What the broker has noted about each, in the same order.
    pub notes: Vec<String>,
    reply: Reply<Vec<(TopicPartition, Start)>>,
}

impl Started {
    /// Tells the consumer where to start.
    pub fn answer(self) {
        let start = |stands: Option<i64>| stands.map_or(Start::Earliest, Start::Offset);
        let starts = self.stands.into_iter().map(|(partition, stands)| (partition, start(stands))).collect();
        if !self.reply.send(starts) {
            tracing::warn!("the lake answered too late for an assignment");
        }
    }
}

/// Reads where `partitions` stand, and what was begun of them. Waits as long as the lake's store or the broker fails.
///
/// # Errors
/// The lake's, where waiting does not help.
pub async fn read_progress(
    committer: &Committer,
    consumer: &Consumer,
    partitions: Vec<TopicPartition>,
    generation: u64,
    reply: Reply<Vec<(TopicPartition, Start)>>,
) -> Result<Started, LakeError> {
    let notes = read_notes(consumer, &partitions).await;
    let mut pauses = backoff::of_the_lake();
    let mut stands = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let id = app_id(&committer.group, &partition);
        let found = loop {
            match committer.lake.transaction_version(&id).await {
                Ok(found) => break found,
                Err(error) if error.kind() == ErrorKind::Retry => {
                    tracing::warn!(%error, "the lake does not say where a partition stands, trying again");
                    pauses.wait().await;
                }
                Err(error) => return Err(error),
            }
        };
        stands.push((partition, found));
    }
    Ok(Started { generation, stands, notes, reply })
}

/// Reads what the broker has noted about `partitions`, in their order. Waits as long as it fails.
pub async fn read_notes(consumer: &Consumer, partitions: &[TopicPartition]) -> Vec<String> {
    let mut pauses = backoff::of_the_broker();
    loop {
        match consumer.notes(partitions).await {
            Ok(notes) => return notes,
            Err(error) => tracing::warn!(%error, "the broker does not tell what was begun, trying again"),
        }
        pauses.wait().await;
    }
}

/// Partitions that go, together.
pub struct Leaving {
    partitions: Vec<TopicPartition>,
    /// Until then studies under way may finish.
    pub finish_by: Instant,
    /// Until then what has ended may be committed.
    pub give_up_by: Instant,
    reply: Option<Reply<()>>,
}

impl Leaving {
    /// Partitions that go within `time`; whoever waits for `reply` waits that long at most.
    #[must_use]
    pub fn new(partitions: Vec<TopicPartition>, time: Duration, reply: Option<Reply<()>>) -> Self {
        let now = Instant::now();
        Self { partitions, finish_by: now + time.mul_f64(TO_FINISH), give_up_by: now + time, reply }
    }

    /// The partitions.
    pub fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.partitions.iter()
    }

    /// Whether `partition` is one of them.
    #[must_use]
    pub fn holds(&self, partition: &TopicPartition) -> bool {
        self.partitions.contains(partition)
    }

    /// When something is to be done next.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        if Instant::now() < self.finish_by { self.finish_by } else { self.give_up_by }
    }

    /// Whether nothing of them is under way any more, so that waiting for more rows is in vain.
    #[must_use]
    pub fn is_idle<T>(&self, book: &Book<T>) -> bool {
        self.partitions.iter().all(|partition| book.running(partition) == 0)
    }

    /// Whether nothing of them is left to do.
    #[must_use]
    pub fn is_quiet<T>(&self, book: &Book<T>) -> bool {
        self.partitions.iter().all(|partition| book.is_quiet(partition))
    }

    /// Says that they have gone.
    pub fn answer(self) {
        if let Some(reply) = self.reply {
            reply.send(());
        }
    }
}

impl Patience {
    /// Patience without limit, until somebody ends it.
    #[must_use]
    pub fn new() -> Self {
        Self { begin: CancellationToken::new(), go_on: CancellationToken::new() }
    }

    /// Ends it: nothing begins, nothing goes on.
    pub fn end(&self) {
        self.begin.cancel();
        self.go_on.cancel();
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::new()
    }
}

/// `interval`, shortened by up to a fifth at random, so that workers that started together part.
#[must_use]
pub fn shortened(interval: Duration) -> Duration {
    use std::hash::{BuildHasher, Hasher};
    // Each state has keys of its own: all that is wanted of a random number here.
    let random = std::hash::RandomState::new().build_hasher().finish();
    interval.mul_f64(1.0 - (random % 1_000) as f64 / 5_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_shortened_by_a_fifth_at_most() {
        let interval = Duration::from_secs(5);
        for _ in 0..100 {
            let shortened = shortened(interval);
            assert!(shortened <= interval && shortened >= Duration::from_secs(4), "{shortened:?}");
        }
    }
}
