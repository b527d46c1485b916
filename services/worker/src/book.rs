//! What this worker owns, and what it may say of it: the state behind every commit, without any input or output.
//!
//! The rules of the design's *Exactly once*, for each partition:
//!
//! 1. The lake's `txn` says where the partition stands; [`Book::assign`] starts there. A commit moves it from what this owner
//!    read or wrote last ([`Part::expected`]) to the end of the unbroken prefix of ended events ([`Part::next`]), with the rows
//!    of exactly the events between. So whoever moves it, every event below it has ended as rows, once.
//! 2. One part of a partition is being written at a time. What ends meanwhile waits for the next.
//! 3. What belongs to an older generation (a revoked assignment, a position before a reset) is a stranger's and changes
//!    nothing.
//! 4. A message whose bytes equal those of an earlier one of the same generation ends at once, with no rows: it cannot land
//!    before the earlier one, which precedes it in the prefix. If the earlier one fails, the next such message is tried anew.
//!    The memory of such messages dies with the generation, since the earlier one's rows may then have been dropped.

use std::collections::{BTreeMap, HashSet, VecDeque};

use bolus_broker::TopicPartition;

use crate::gate::Lane;
use crate::tracker::Tracker;

/// Messages remembered for each partition, to end their repetitions at once: some 40 bytes each.
const REMEMBERED_MESSAGES: usize = 16_384;

/// What an event weighs beside its payload or its rows: the book's own entries.
const EVENT_BYTES: usize = 256;

/// The identity of a message's bytes.
pub type Digest = u128;

/// An event that has been taken, and has to end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The partition.
    pub partition: TopicPartition,
    /// The generation of the partition that the event was taken under.
    pub generation: u64,
    /// The event's offset.
    pub offset: i64,
}

/// How an event ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended<T> {
    /// What is to be written; none for an event that leads to nothing new.
    pub value: Option<T>,
    /// Rows in `value`.
    pub rows: usize,
    /// Memory of `value`, in bytes.
    pub bytes: usize,
    /// Whether the same message, sent again, deserves another try.
    pub failed: bool,
}

impl<T> Ended<T> {
    /// An event that leads to no new row.
    #[must_use]
    pub fn nothing() -> Self {
        Self { value: None, rows: 0, bytes: 0, failed: false }
    }
}

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// It belongs to no partition of ours, or to an older generation of one: drop it.
    Stranger,
    /// It was taken before: drop it.
    Known,
    /// It equals an earlier one of the partition and has ended already.
    Repeated,
    /// It has to be handled.
    Begin(Ticket),
}

/// One partition's share of a commit.
#[derive(Debug)]
pub struct Part<T> {
    /// The partition.
    pub partition: TopicPartition,
    /// Its generation.
    pub generation: u64,
    /// What the lake has to say of the partition for this part to be written.
    pub expected: Option<i64>,
    /// What it says afterwards.
    pub next: i64,
    /// What the events between led to, in their order.
    pub values: Vec<T>,
    /// Events that the part ends.
    pub events: usize,
}

/// The sizes that decide about a flush.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// Events that have ended and may land.
    pub events: usize,
    /// Their rows.
    pub rows: usize,
    /// The memory of their rows, in bytes.
    pub bytes: usize,
}

/// The partitions that this worker owns. `T` is what an event leads to.
#[derive(Debug)]
pub struct Book<T> {
    partitions: BTreeMap<TopicPartition, Owned<T>>,
}

#[derive(Debug)]
struct Owned<T> {
    generation: u64,
    lane: Lane,
    expected: Option<i64>,
    tracker: Tracker<Ended<T>>,
    /// The unbroken prefix that waits for a commit.
    ready: Vec<Ended<T>>,
    ready_next: Option<i64>,
    sizes: Ready,
    /// What is being written.
    writing: Option<Writing>,
    seen: Seen,
    /// Bytes of the payloads and rows that are held.
    bytes: usize,
    /// Events that are being handled.
    running: usize,
    /// Whether the partition is about to go, so that nothing new begins.
    leaving: bool,
}

/// What is being written of a partition.
#[derive(Debug, Clone, Copy)]
struct Writing {
    next: i64,
    bytes: usize,
    events: usize,
}

/// Digests of messages, the oldest of which are forgotten.
#[derive(Debug, Default)]
struct Seen {
    digests: HashSet<Digest>,
    order: VecDeque<Digest>,
    by_offset: BTreeMap<i64, Digest>,
}

impl Seen {
    /// Remembers `digest`; false where it is known.
    fn insert(&mut self, digest: Digest, offset: i64) -> bool {
        if !self.digests.insert(digest) {
            return false;
        }
        self.order.push_back(digest);
        self.by_offset.insert(offset, digest);
        if self.order.len() > REMEMBERED_MESSAGES
            && let Some(oldest) = self.order.pop_front()
        {
            self.digests.remove(&oldest);
        }
        true
    }

    /// Takes note that the event at `offset` has ended.
    fn ended(&mut self, offset: i64, failed: bool) {
        if let Some(digest) = self.by_offset.remove(&offset)
            && failed
        {
            self.digests.remove(&digest);
        }
    }
}

impl<T> Default for Book<T> {
    fn default() -> Self {
        Self { partitions: BTreeMap::new() }
    }
}

impl<T> Book<T> {
    /// Takes a partition over, or takes it up anew: `stands` is what the lake says of it.
    pub fn assign(&mut self, partition: TopicPartition, generation: u64, stands: Option<i64>, lane: Lane) {
        let owned = Owned {
            generation,
            lane,
            expected: stands,
            tracker: Tracker::new(stands),
            ready: Vec::new(),
            ready_next: None,
            sizes: Ready::default(),
            writing: None,
            seen: Seen::default(),
            bytes: 0,
            running: 0,
            leaving: false,
        };
        self.partitions.insert(partition, owned);
    }

    /// Gives a partition up with all that has not landed.
    pub fn forget(&mut self, partition: &TopicPartition) {
        self.partitions.remove(partition);
    }

    /// Lets nothing of a partition begin any more.
    pub fn leave(&mut self, partition: &TopicPartition) {
        if let Some(owned) = self.partitions.get_mut(partition) {
            owned.leaving = true;
        }
    }

    /// The partitions that are owned.
    pub fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.partitions.keys()
    }

    /// The lane of an owned partition.
    #[must_use]
    pub fn lane(&self, partition: &TopicPartition) -> Option<Lane> {
        self.partitions.get(partition).map(|owned| owned.lane)
    }

    /// The generation of an owned partition.
    #[must_use]
    pub fn generation(&self, partition: &TopicPartition) -> Option<u64> {
        self.partitions.get(partition).map(|owned| owned.generation)
    }

    /// Takes a record of `bytes`. With `digest`, a record that equals an earlier one ends at once.
    pub fn receive(&mut self, ticket: Ticket, bytes: usize, digest: Option<Digest>) -> Received {
        let Some(owned) = self.current(&ticket) else { return Received::Stranger };
        if owned.leaving {
            return Received::Stranger;
        }
        if !owned.tracker.begin(ticket.offset) {
            return Received::Known;
        }
        if digest.is_some_and(|digest| !owned.seen.insert(digest, ticket.offset)) {
            owned.bytes += EVENT_BYTES;
            owned.settle(ticket.offset, Ended::nothing());
            return Received::Repeated;
        }
        owned.bytes += EVENT_BYTES + bytes;
        owned.running += 1;
        Received::Begin(ticket)
    }

    /// Ends the event of `ticket`, whose record had `bytes`. False where it is a stranger's by now.
    pub fn finish(&mut self, ticket: &Ticket, bytes: usize, ended: Ended<T>) -> bool {
        let Some(owned) = self.current(ticket) else { return false };
        owned.running -= 1;
        owned.bytes = owned.bytes.saturating_sub(bytes) + ended.bytes;
        owned.seen.ended(ticket.offset, ended.failed);
        owned.settle(ticket.offset, ended);
        true
    }

    /// Takes note that the event of `ticket` was given up without an end: the prefix will not pass it.
    pub fn give_up(&mut self, ticket: &Ticket) {
        if let Some(owned) = self.current(ticket) {
            owned.running -= 1;
        }
    }

    /// What may land, over all partitions of which nothing is being written.
    #[must_use]
    pub fn ready(&self) -> Ready {
        let idle = self.partitions.values().filter(|owned| owned.writing.is_none());
        idle.fold(Ready::default(), |sum, owned| Ready {
            events: sum.events + owned.sizes.events,
            rows: sum.rows + owned.sizes.rows,
            bytes: sum.bytes + owned.sizes.bytes,
        })
    }

    /// Takes out what may land, as one commit. Each part has to come back by [`Book::landed`], or its partition by
    /// [`Book::forget`] or [`Book::assign`].
    pub fn draft(&mut self) -> Vec<Part<T>> {
        let idle = self.partitions.iter_mut().filter(|(_, owned)| owned.writing.is_none());
        idle.filter_map(|(partition, owned)| {
            let next = owned.ready_next.take()?;
            let sizes = std::mem::take(&mut owned.sizes);
            let bytes = sizes.bytes + sizes.events * EVENT_BYTES;
            owned.writing = Some(Writing { next, bytes, events: sizes.events });
            Some(Part {
                partition: partition.clone(),
                generation: owned.generation,
                expected: owned.expected,
                next,
                values: std::mem::take(&mut owned.ready).into_iter().filter_map(|ended| ended.value).collect(),
                events: sizes.events,
            })
        })
        .collect()
    }

    /// Takes note that a part has landed; false where the partition is a stranger's by now.
    pub fn landed(&mut self, partition: &TopicPartition, generation: u64, next: i64) -> bool {
        let Some(owned) = self.partitions.get_mut(partition).filter(|owned| owned.generation == generation) else {
            return false;
        };
        match owned.writing.take() {
            Some(writing) if writing.next == next => {
                owned.expected = Some(next);
                owned.bytes = owned.bytes.saturating_sub(writing.bytes);
                true
            }
            other => {
                owned.writing = other;
                false
            }
        }
    }

    /// Whether nothing of a partition is being handled, waits for a commit or is being written.
    #[must_use]
    pub fn is_quiet(&self, partition: &TopicPartition) -> bool {
        self.partitions
            .get(partition)
            .is_none_or(|owned| owned.running == 0 && owned.ready_next.is_none() && owned.writing.is_none())
    }

    /// Events of a partition that are being handled.
    #[must_use]
    pub fn running(&self, partition: &TopicPartition) -> usize {
        self.partitions.get(partition).map_or(0, |owned| owned.running)
    }

    /// Events that are being handled, over all partitions.
    #[must_use]
    pub fn all_running(&self) -> usize {
        self.partitions.values().map(|owned| owned.running).sum()
    }

    /// Events of a partition that have been taken and have not landed.
    #[must_use]
    pub fn waiting(&self, partition: &TopicPartition) -> usize {
        self.partitions.get(partition).map_or(0, |owned| {
            owned.tracker.held() + owned.sizes.events + owned.writing.map_or(0, |writing| writing.events)
        })
    }

    /// Bytes that each partition holds: payloads of events under way, and rows that have not landed.
    pub fn held(&self) -> impl Iterator<Item = (&TopicPartition, usize)> {
        self.partitions.iter().map(|(partition, owned)| (partition, owned.bytes))
    }

    fn current(&mut self, ticket: &Ticket) -> Option<&mut Owned<T>> {
        self.partitions.get_mut(&ticket.partition).filter(|owned| owned.generation == ticket.generation)
    }
}

impl<T> Owned<T> {
    /// Ends an event, and moves what the prefix has gained.
    fn settle(&mut self, offset: i64, ended: Ended<T>) {
        // An event ends once: its ticket is handed out once, and the tracker knows each offset once.
        let _ = self.tracker.finish(offset, ended);
        if let Some(prefix) = self.tracker.take_prefix() {
            self.ready_next = Some(prefix.next);
            for ended in prefix.outcomes {
                self.sizes.events += 1;
                self.sizes.rows += ended.rows;
                self.sizes.bytes += ended.bytes;
                self.ready.push(ended);
            }
        }
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
