//! What the thread, the callbacks and the owner of a consumer share.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::statistics::Statistics;

use crate::{Record, TopicPartition};

/// One partition that this member owns.
#[derive(Debug)]
pub(super) struct Owned {
    pub generation: u64,
    /// The owner wants no more of it for now.
    pub paused: bool,
    /// The least offset that may still be delivered under this generation; `None` until a logical start is resolved.
    pub next: Option<i64>,
    /// One past the last record that the owner took.
    pub taken: Option<i64>,
    /// One past the newest record, as last heard.
    pub end: Option<i64>,
}

type Partitions = HashMap<Arc<str>, BTreeMap<i32, Owned>>;

#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Held for a few lines at a time, never across a call of the library's.
    partitions: Mutex<Partitions>,
    generation: AtomicU64,
    /// Bytes of keys, values and headers in the channel.
    queued_bytes: AtomicUsize,
    stop: AtomicBool,
}

impl Shared {
    fn partitions(&self) -> MutexGuard<'_, Partitions> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// A number that no assignment or reset of this consumer had before.
    pub fn next_generation(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub fn own(&self, partition: &TopicPartition, owned: Owned) {
        self.partitions().entry(Arc::clone(&partition.topic)).or_default().insert(partition.partition, owned);
    }

    /// Gives a partition up; whether it was owned.
    pub fn disown(&self, partition: &TopicPartition) -> bool {
        let mut partitions = self.partitions();
        partitions.get_mut(&partition.topic).is_some_and(|of| of.remove(&partition.partition).is_some())
    }

    /// Looks at or changes a partition, if it is owned.
    pub fn with<T>(&self, partition: &TopicPartition, change: impl FnOnce(&mut Owned) -> T) -> Option<T> {
        self.partitions().get_mut(&partition.topic)?.get_mut(&partition.partition).map(change)
    }

    /// The partitions that satisfy a condition, in order.
    pub fn owned(&self, condition: impl Fn(&Owned) -> bool) -> Vec<TopicPartition> {
        let partitions = self.partitions();
        let mut found: Vec<TopicPartition> = partitions
            .iter()
            .flat_map(|(topic, of)| of.iter().map(move |(number, owned)| (topic, *number, owned)))
            .filter(|(_, _, owned)| condition(owned))
            .map(|(topic, number, _)| TopicPartition::new(Arc::clone(topic), number))
            .collect();
        found.sort_unstable();
        found
    }

    /// Says whether a record just read is to be delivered, and if so the topic's name and the generation it is of.
    /// One that is not owned, or that was delivered under this generation already, is not.
    pub fn admit(&self, topic: &str, partition: i32, offset: i64) -> Option<(Arc<str>, u64)> {
        let mut partitions = self.partitions();
        let name = Arc::clone(partitions.get_key_value(topic)?.0);
        let owned = partitions.get_mut(topic)?.get_mut(&partition)?;
        if owned.next.is_some_and(|next| offset < next) {
            return None;
        }
        owned.next = Some(offset + 1);
        Some((name, owned.generation))
    }

    pub fn queued(&self, record: &Record) {
        self.queued_bytes.fetch_add(size(record), Ordering::Relaxed);
    }

    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes.load(Ordering::Relaxed)
    }

    /// Counts a record that the owner took.
    pub fn taken(&self, record: &Record) {
        self.queued_bytes.fetch_sub(size(record), Ordering::Relaxed);
        let mut partitions = self.partitions();
        let owned = partitions.get_mut(&record.topic).and_then(|of| of.get_mut(&record.partition));
        if let Some(owned) = owned.filter(|owned| owned.generation == record.generation) {
            owned.taken = Some(record.offset + 1);
        }
    }

    pub fn lag(&self) -> Vec<(TopicPartition, Option<i64>)> {
        let partitions = self.partitions();
        let mut lag: Vec<_> = partitions
            .iter()
            .flat_map(|(topic, of)| {
                of.iter().map(|(number, owned)| {
                    let lag = owned.end.zip(owned.taken).map(|(end, taken)| (end - taken).max(0));
                    (TopicPartition::new(Arc::clone(topic), *number), lag)
                })
            })
            .collect();
        lag.sort_unstable();
        lag
    }

    /// Notes where partitions end, from the library's statistics.
    pub fn note_ends(&self, statistics: &Statistics) {
        let mut partitions = self.partitions();
        for (topic, of) in partitions.iter_mut() {
            let Some(found) = statistics.topics.get(topic.as_ref()) else { continue };
            for (number, owned) in of.iter_mut() {
                // Below zero: not known. Never back: a question asked at the assignment may know more.
                if let Some(end) = found.partitions.get(number).map(|of| of.hi_offset).filter(|end| *end >= 0) {
                    owned.end = Some(owned.end.map_or(end, |known| known.max(end)));
                }
            }
        }
    }
}

fn size(record: &Record) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let key = record.key.as_ref().map_or(0, |key| key.len());
    key + record.payload.as_ref().map_or(0, |payload| payload.len()) + headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_admitted_once_a_generation() {
        let shared = Shared::default();
        let partition = TopicPartition::new("t", 1);
        assert_eq!(shared.admit("t", 1, 0), None, "not owned");
        let own = |generation, next| {
            shared.own(&partition, Owned { generation, paused: false, next: Some(next), taken: Some(next), end: None });
        };
        own(1, 5);
        let admitted = |offset| shared.admit("t", 1, offset).map(|(_, generation)| generation);
        assert_eq!(admitted(4), None, "below the start");
        assert_eq!(admitted(5), Some(1));
        assert_eq!(admitted(5), None, "again");
        assert_eq!(admitted(9), Some(1), "a gap (compaction) is none of ours");
        own(2, 5);
        assert_eq!(admitted(5), Some(2));
        assert!(shared.disown(&partition));
        assert!(!shared.disown(&partition));
        assert_eq!(admitted(6), None);
    }

    #[test]
    fn lag_counts_from_what_the_owner_took() {
        let shared = Shared::default();
        let partition = TopicPartition::new("t", 0);
        shared.own(&partition, Owned { generation: 7, paused: false, next: Some(10), taken: Some(10), end: Some(15) });
        let lag = || shared.lag().first().and_then(|(_, lag)| *lag);
        assert_eq!(lag(), Some(5));
        let mut record = Record {
            topic: "t".into(),
            partition: 0,
            offset: 11,
            generation: 7,
            key: Some("key".into()),
            payload: Some("payload".into()),
            timestamp_ms: None,
            headers: vec![("h".into(), "v".into())],
        };
        shared.queued(&record);
        assert_eq!(shared.queued_bytes(), 12);
        shared.taken(&record);
        assert_eq!((lag(), shared.queued_bytes()), (Some(3), 0));
        record.generation = 6;
        record.offset = 14;
        shared.queued(&record);
        shared.taken(&record);
        assert_eq!(lag(), Some(3), "a record from before an assignment says nothing about it");
    }
}
