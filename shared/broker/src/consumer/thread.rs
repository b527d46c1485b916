//! The polling thread.
//!
//! It polls whatever the owner does: a member that does not poll is put out of its group. When the channel of records
//! is full and stays so, every partition is paused and polling goes on, without records, until the channel is half
//! empty. A pause throws away what the library has fetched ahead. So it must not come with every record, and not at all
//! for an owner that only lags a little (pausing at once cost four fifths of the throughput); and how much is fetched
//! ahead is bounded.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers as _};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};

use super::context::Context;
use super::control::Control;
use super::shared::Shared;
use crate::error::is_refusal;
use crate::{BrokerError, ErrorKind, Record, TopicPartition};

/// How often a thread that ends looks whether it is the client's last owner.
const LAST_OWNER_RETRY: Duration = Duration::from_millis(1);
/// How long one poll waits; a command waits as long at most.
const POLL: Duration = Duration::from_millis(20);
/// The same while the channel is full: how soon an emptied one is noticed.
const POLL_HELD_BACK: Duration = Duration::from_millis(2);
/// How long a full channel is waited for without polling, before everything is paused: far below any poll interval.
const FULL_PATIENCE: Duration = Duration::from_millis(200);
/// How often it is looked at meanwhile.
const FULL_LOOK: Duration = Duration::from_millis(1);
/// The same error again within this time is not told again.
const QUIET: Duration = Duration::from_secs(10);
/// How long the last error waits for room in the control channel.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long a seek may take, and how often it is tried on a partition whose fetching is just being set up.
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);
const SEEK_ATTEMPTS: u32 = 50;
const SEEK_RETRY: Duration = Duration::from_millis(100);

/// What the owner asks of the thread. All that touches the library's queues is done between two polls, so that no
/// record read before is taken for one read after.
#[derive(Debug)]
pub(super) enum Command {
    Pause(Vec<TopicPartition>),
    Resume(Vec<TopicPartition>),
    Reset(TopicPartition, i64, oneshot::Sender<Result<u64, BrokerError>>),
}

/// The client, for the owner's commits while the thread lives.
pub(super) type Client = Mutex<Option<Arc<BaseConsumer<Context>>>>;

pub(super) struct Thread {
    pub consumer: Arc<BaseConsumer<Context>>,
    pub client: Arc<Client>,
    pub shared: Arc<Shared>,
    /// The bootstrap servers.
    pub servers: String,
    pub commands: mpsc::Receiver<Command>,
    pub records: mpsc::Sender<Record>,
    pub prefetch_bytes: usize,
    /// Since when there has been no room, while nothing is paused.
    pub full_since: Option<Instant>,
    /// When each error was last told, by its code.
    pub told: HashMap<i32, Instant>,
}

impl Thread {
    /// Polls until the owner stops it, the owner is gone or the consumer has failed; then leaves the group.
    pub fn run(mut self) {
        let consumer = Arc::clone(&self.consumer);
        let failure = loop {
            if self.shared.is_stopped() || self.records.is_closed() {
                break None;
            }
            while let Ok(command) = self.commands.try_recv() {
                self.obey(command);
            }
            let Some(wait) = self.next_poll() else {
                std::thread::sleep(FULL_LOOK);
                continue;
            };
            match consumer.poll(wait) {
                Some(Ok(message)) => self.deliver(&message),
                Some(Err(error)) => self.note(&error),
                None => {}
            }
            if consumer.context().stranded.swap(false, Ordering::Relaxed) {
                crate::client::rescue(consumer.client(), &self.servers);
            }
            if let Some(error) = consumer.context().failure() {
                break Some(error);
            }
        };
        if let Some(error) = &failure {
            tracing::error!(%error, "the consumer leaves its group");
        }
        drop(consumer);
        self.leave(failure);
    }

    /// Gives up what is owned while the owner can still commit, and leaves.
    fn leave(self, failure: Option<BrokerError>) {
        let context = Arc::clone(self.consumer.context());
        context.give_up(self.shared.owned(|_| true), false);
        if let Some(error) = failure {
            context.tell(Control::Failed(error), Instant::now() + LAST_WORDS);
        }
        self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A commit may hold the client longer, until the broker has answered; its last owner closes it, and that must be this
        // thread.
        let mut last = self.consumer;
        let client = loop {
            match Arc::try_unwrap(last) {
                Ok(client) => break client,
                Err(shared) => last = shared,
            }
            std::thread::sleep(LAST_OWNER_RETRY);
        };
        drop(client);
    }

    /// How long the next poll may take; `None` while there is no room for a record that it could bring. Pauses
    /// everything when the channel stays full and resumes it when it is half empty.
    fn next_poll(&mut self) -> Option<Duration> {
        let held_back = &self.consumer.context().held_back;
        let (room, capacity) = (self.records.capacity(), self.records.max_capacity());
        let bytes = self.shared.queued_bytes();
        if held_back.load(Ordering::Relaxed) {
            if room < capacity.div_ceil(2) || bytes > self.prefetch_bytes / 2 {
                return Some(POLL_HELD_BACK);
            }
            held_back.store(false, Ordering::Relaxed);
            self.apply(&self.shared.owned(|owned| !owned.paused), |consumer, list| consumer.resume(list));
        } else if room == 0 || bytes >= self.prefetch_bytes {
            if self.full_since.get_or_insert_with(Instant::now).elapsed() < FULL_PATIENCE {
                return None;
            }
            self.full_since = None;
            held_back.store(true, Ordering::Relaxed);
            self.apply(&self.shared.owned(|_| true), |consumer, list| consumer.pause(list));
            return Some(POLL_HELD_BACK);
        }
        self.full_since = None;
        Some(POLL)
    }

    fn apply(
        &self,
        partitions: &[TopicPartition],
        change: impl Fn(&BaseConsumer<Context>, &TopicPartitionList) -> Result<(), KafkaError>,
    ) {
        if let Err(error) = change(&self.consumer, &list(partitions)) {
            // Only a partition that is no longer ours cannot be paused or resumed.
            tracing::warn!(%error, "partitions could not be paused or resumed");
        }
    }

    fn obey(&self, command: Command) {
        match command {
            Command::Pause(partitions) => {
                let owned = self.mark(partitions, true);
                self.apply(&owned, |consumer, list| consumer.pause(list));
            }
            Command::Resume(partitions) => {
                let owned = self.mark(partitions, false);
                if !self.consumer.context().held_back.load(Ordering::Relaxed) {
                    self.apply(&owned, |consumer, list| consumer.resume(list));
                }
            }
            Command::Reset(partition, offset, reply) => {
                // An owner that went away needs no answer.
                let _ = reply.send(self.reset(&partition, offset));
            }
        }
    }

    fn mark(&self, mut partitions: Vec<TopicPartition>, paused: bool) -> Vec<TopicPartition> {
        partitions.retain(|partition| self.shared.with(partition, |owned| owned.paused = paused).is_some());
        partitions
    }

    fn reset(&self, partition: &TopicPartition, offset: i64) -> Result<u64, BrokerError> {
        let action = format!("{}: cannot read {partition} again from {offset}", self.consumer.context().name);
        if self.shared.with(partition, |_| ()).is_none() {
            return Err(BrokerError::retry(format!("{action}: it is not this member's")));
        }
        let mut attempt = 1;
        loop {
            let sought =
                self.consumer.seek(&partition.topic, partition.partition, Offset::Offset(offset), SEEK_TIMEOUT);
            match sought {
                Ok(()) => break,
                // While the library sets up the fetching of a fresh assignment it cannot seek.
                Err(_) if attempt < SEEK_ATTEMPTS => std::thread::sleep(SEEK_RETRY),
                Err(error) => return Err(BrokerError::of(&action, &error, None)),
            }
            attempt += 1;
        }
        let generation = self.shared.next_generation();
        self.shared.with(partition, |owned| {
            owned.generation = generation;
            owned.next = Some(offset);
            owned.taken = Some(offset);
        });
        Ok(generation)
    }

    fn deliver(&self, message: &BorrowedMessage<'_>) {
        let Some((topic, generation)) = self.shared.admit(message.topic(), message.partition(), message.offset())
        else {
            return;
        };
        let record = record(message, topic, generation);
        self.shared.queued(&record);
        if let Err(mpsc::error::TrySendError::Full(_)) = self.records.try_send(record) {
            // Cannot be: nothing is polled for while there is no room, and nobody else sends.
            self.consumer.context().fail(BrokerError::fatal("a record was read without room for it"));
        }
    }

    /// Tells an error that the library reports; one that it cannot recover from ends the thread.
    fn note(&mut self, error: &KafkaError) {
        let context = Arc::clone(self.consumer.context());
        let reason = context.errors.take().map(|(_, reason)| reason);
        let mut told = BrokerError::of(&context.name, error, reason.as_deref());
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        let joined = context.joined.load(Ordering::Relaxed);
        let passing = (is_refusal(code) && joined)
            // A topic may be made later; a record that the broker refuses is no reader's affair.
            || told.kind() == ErrorKind::Reject;
        if passing {
            told = BrokerError::retry(told.to_string());
        }
        if told.kind() == ErrorKind::Fatal {
            context.fail(told);
            return;
        }
        let now = Instant::now();
        if self.told.get(&(code as i32)).is_some_and(|last| now.duration_since(*last) < QUIET) {
            return;
        }
        self.told.insert(code as i32, now);
        tracing::warn!(error = %told, "consumer");
        context.tell(Control::Failed(told), now);
    }
}

fn list(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, partition.partition);
    }
    list
}

fn record(message: &BorrowedMessage<'_>, topic: Arc<str>, generation: u64) -> Record {
    let header = |header: rdkafka::message::Header<'_, &[u8]>| {
        (header.key.to_owned(), Bytes::copy_from_slice(header.value.unwrap_or_default()))
    };
    Record {
        topic,
        partition: message.partition(),
        offset: message.offset(),
        generation,
        key: message.key().map(Bytes::copy_from_slice),
        payload: message.payload().map(Bytes::copy_from_slice),
        timestamp_ms: message.timestamp().to_millis(),
        headers: message.headers().map(|headers| headers.iter().map(header).collect()).unwrap_or_default(),
    }
}
