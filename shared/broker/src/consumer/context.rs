//! What the group does to this member, carried from the library's callbacks to the owner and back.
//!
//! The callbacks run on the polling thread, inside `poll`. Each waits for the owner's answer, so that start offsets are
//! part of the assignment itself (there is no seek, hence no moment in which a wrong record could be read), and so
//! that nothing is in flight when a partition is given up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::control::{Control, Reply};
use super::shared::{Owned, Shared};
use super::start::{Position, locate};
use crate::client::ErrorLog;
use crate::{BrokerError, Start, TopicPartition};

/// How often a full control channel is tried again.
const CONTROL_RETRY: Duration = Duration::from_millis(5);

pub(super) struct Context {
    pub shared: Arc<Shared>,
    pub control: mpsc::Sender<Control>,
    pub errors: ErrorLog,
    /// The group and the servers, for messages.
    pub name: String,
    pub assign_timeout: Duration,
    pub revoke_timeout: Duration,
    /// The channel of records is full: nothing is fetched.
    pub held_back: AtomicBool,
    /// The library has forgotten every broker.
    pub stranded: AtomicBool,
    /// Whether the group ever took us in.
    pub joined: AtomicBool,
    /// Why the thread has to end.
    pub failure: Mutex<Option<BrokerError>>,
}

impl Context {
    /// Offers an event until the deadline; whether the owner has taken it in.
    pub fn tell(&self, mut control: Control, deadline: Instant) -> bool {
        loop {
            match self.control.try_send(control) {
                Ok(()) => return true,
                Err(TrySendError::Full(back)) if Instant::now() < deadline => {
                    control = back;
                    std::thread::sleep(CONTROL_RETRY);
                }
                Err(_) => return false,
            }
        }
    }

    /// Has the thread end, so the error is fatal to this consumer whatever its cause would say.
    pub fn fail(&self, error: BrokerError) {
        let error = BrokerError::fatal(error.to_string());
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    pub fn failure(&self) -> Option<BrokerError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Asks where the partitions start and owns them. `None` (with the reason kept) where that cannot be told.
    fn start(&self, consumer: &BaseConsumer<Self>, partitions: &[TopicPartition]) -> Option<TopicPartitionList> {
        let generation = self.shared.next_generation();
        let starts = self.ask_starts(partitions, generation)?;
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            let Some((_, start)) = starts.iter().find(|(named, _)| named == partition) else {
                self.fail(BrokerError::fatal(format!("{}: no start was given for {partition}", self.name)));
                return None;
            };
            let position = match locate(consumer, partition, *start) {
                Ok(position) => position,
                Err(error) => {
                    self.fail(BrokerError::fatal(format!("{}: {error}", self.name)));
                    return None;
                }
            };
            let Position { next, end, skipped } = position;
            if let Some(reason) = skipped {
                let error = BrokerError::retry(format!("{}: {reason}", self.name));
                tracing::error!(%error, "records were lost");
                self.tell(Control::Failed(error), Instant::now());
            }
            let offset = next.map_or(Offset::Beginning, Offset::Offset);
            if let Err(error) = list.add_partition_offset(&partition.topic, partition.partition, offset) {
                self.fail(BrokerError::of(&format!("{}: cannot start {partition}", self.name), &error, None));
                return None;
            }
            self.shared.own(partition, Owned { generation, paused: false, next, taken: next, end });
        }
        Some(list)
    }

    fn ask_starts(&self, partitions: &[TopicPartition], generation: u64) -> Option<Vec<(TopicPartition, Start)>> {
        let deadline = Instant::now() + self.assign_timeout;
        let (reply, answers) = Reply::awaited();
        let control = Control::Assigned { partitions: partitions.to_vec(), generation, reply };
        let answer = if self.tell(control, deadline) {
            answers.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        } else {
            Err(RecvTimeoutError::Disconnected)
        };
        if let Err(error) = answer {
            let why = match error {
                RecvTimeoutError::Timeout => format!("within {} s", self.assign_timeout.as_secs_f32()),
                RecvTimeoutError::Disconnected => "by the owner of the consumer".to_owned(),
            };
            self.fail(BrokerError::fatal(format!("{}: no start offsets were given {why}", self.name)));
        }
        answer.ok()
    }

    /// Has the owner give up what it owns of these, and waits for that until the deadline.
    pub fn give_up(&self, mut partitions: Vec<TopicPartition>, lost: bool) {
        partitions.retain(|partition| self.shared.with(partition, |_| ()).is_some());
        if partitions.is_empty() {
            return;
        }
        let deadline = Instant::now() + self.revoke_timeout;
        let (reply, answers) = Reply::awaited();
        let control = Control::Revoked { partitions: partitions.clone(), lost, reply };
        if self.tell(control, deadline) {
            let left = deadline.saturating_duration_since(Instant::now());
            if answers.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                tracing::error!(
                    timeout_s = self.revoke_timeout.as_secs_f32(),
                    "partitions are given up although their owner did not say that it has finished"
                );
            }
        }
        for partition in &partitions {
            self.shared.disown(partition);
        }
    }

    fn assigned(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        self.joined.store(true, Ordering::Relaxed);
        let partitions = names(list);
        let starts = if partitions.is_empty() { None } else { self.start(consumer, &partitions) };
        // Without starts nothing is fetched, but the library still has to hear that the rebalance is over.
        let starts = starts.unwrap_or_default();
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(&starts)?,
            _ => consumer.assign(&starts)?,
        }
        if self.held_back.load(Ordering::Relaxed) {
            consumer.pause(&starts)?;
        }
        Ok(())
    }

    fn revoked(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        self.give_up(names(list), consumer.assignment_lost());
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
            _ => consumer.unassign(),
        }
    }
}

fn names(list: &TopicPartitionList) -> Vec<TopicPartition> {
    let name = |element: &TopicPartitionListElem<'_>| TopicPartition::new(element.topic(), element.partition());
    let mut names: Vec<TopicPartition> = list.elements().iter().map(name).collect();
    names.sort_unstable();
    names
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        crate::client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.errors.note(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.shared.note_ends(&statistics);
        self.stranded.store(crate::client::is_stranded(&statistics), Ordering::Relaxed);
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let result = match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assigned(consumer, list),
            _ => self.revoked(consumer, list),
        };
        if let Err(error) = result {
            self.fail(BrokerError::of(&format!("{}: a rebalance failed", self.name), &error, None));
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            // Of no consequence: offsets at the broker serve metrics alone.
            tracing::debug!(%error, "the broker did not take the committed offsets");
        }
    }
}
