//! The consumer: what its owner sees.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::{BrokerConfig, BrokerError, Record, Start, TopicPartition};

/// How a consumer joins its group and how much it holds.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// The cluster.
    pub broker: BrokerConfig,
    /// The consumer group.
    pub group: String,
    /// A lasting name of this member (static membership, KIP-345): a restart within `session_timeout` moves no
    /// partition. Must be unique in the group.
    pub instance_id: Option<String>,
    /// The topics to read.
    pub topics: Vec<String>,
    /// A member not heard of for so long loses its partitions.
    pub session_timeout: Duration,
    /// A member that does not poll for so long loses its partitions. The thread polls whatever its owner does, so
    /// only an unanswered [`Control`] comes near it.
    pub max_poll_interval: Duration,
    /// How long an assignment waits for its start offsets. If exceeded, the consumer fails and leaves the group.
    pub assign_timeout: Duration,
    /// How long a revocation waits for its reply. If exceeded, the partitions are given up all the same; fencing by
    /// the lake has to hold then.
    pub revoke_timeout: Duration,
    /// Records held between the thread and its owner, at most.
    pub channel_records: usize,
    /// Bytes of keys and values held between the thread and its owner (one record may exceed it), and again,
    /// at most, by librdkafka's own prefetch of each partition.
    pub prefetch_bytes: usize,
}

impl ConsumerConfig {
    /// Settings that suit a worker: 45 s session, 300 s poll interval, 60 s for an assignment, 30 s for a
    /// revocation, 1,024 records or 16 MiB held.
    pub fn new(broker: BrokerConfig, group: impl Into<String>, topics: Vec<String>) -> Self {
        Self {
            broker,
            group: group.into(),
            instance_id: None,
            topics,
            session_timeout: Duration::from_secs(45),
            max_poll_interval: Duration::from_secs(300),
            assign_timeout: Duration::from_secs(60),
            revoke_timeout: Duration::from_secs(30),
            channel_records: 1024,
            prefetch_bytes: 16 << 20,
        }
    }
}

/// The answer that the consumer's thread waits for. Dropping it without an answer is an answer too: an assignment
/// fails, a revocation goes on.
#[derive(Debug)]
pub struct Reply<T>(std::sync::mpsc::SyncSender<T>);

impl<T> Reply<T> {
    /// Answers. `false` where the thread no longer waits (its deadline is over or it has ended).
    pub fn send(self, answer: T) -> bool {
        self.0.try_send(answer).is_ok()
    }
}

/// What the group does to this member. To be taken promptly: the thread waits for the replies.
#[derive(Debug)]
pub enum Control {
    /// These partitions are now this member's; reading starts where the reply says, and no record of them arrives
    /// before. Under cooperative rebalancing only what is new is named.
    Assigned {
        /// What is new.
        partitions: Vec<TopicPartition>,
        /// The [`Record::generation`] of every record that will be read under this assignment.
        generation: u64,
        /// One start for each partition named; a partition left out fails the consumer.
        reply: Reply<Vec<(TopicPartition, Start)>>,
    },
    /// These partitions are to be given up, and are once the reply is sent or the deadline is over.
    Revoked {
        /// What goes.
        partitions: Vec<TopicPartition>,
        /// Whether another member may own them already (the session was lost): then nothing in flight may be
        /// published.
        lost: bool,
        /// Says that nothing of them is in flight any more.
        reply: Reply<()>,
    },
    /// Something is wrong. With [`ErrorKind::Retry`](crate::ErrorKind::Retry) the consumer goes on by itself and this
    /// is for the log; with any other it has left the group and both streams end.
    Failed(BrokerError),
}

/// The stream of what the group does to this member.
#[derive(Debug)]
pub struct ControlEvents {
    receiver: mpsc::Receiver<Control>,
}

impl ControlEvents {
    /// The next event; `None` once the consumer has ended.
    pub async fn recv(&mut self) -> Option<Control> {
        self.receiver.recv().await
    }
}

/// The stream of records; bounded in records and in bytes.
#[derive(Debug)]
pub struct Records {
    receiver: mpsc::Receiver<Record>,
}

impl Records {
    /// The next record; `None` once the consumer has ended. In order within a partition and generation. Safe to drop
    /// before it is ready: no record is lost by it.
    pub async fn recv(&mut self) -> Option<Record> {
        self.receiver.recv().await
    }

    /// A record if one is there.
    pub fn try_recv(&mut self) -> Option<Record> {
        self.receiver.try_recv().ok()
    }
}

/// A member of a consumer group. Polls on a thread of its own, so that its owner's work never costs it the
/// membership. Dropping it ends the thread as [`stop`](Self::stop) does, without waiting.
#[derive(Debug)]
pub struct Consumer {}

impl Consumer {
    /// Joins the group. Returns at once; partitions come as [`Control::Assigned`].
    ///
    /// # Errors
    /// `Fatal` where the configuration is unfit. A broker that cannot be reached is told by [`Control::Failed`].
    pub fn start(config: ConsumerConfig) -> Result<(Consumer, ControlEvents, Records), BrokerError> {
        let _ = config;
        todo!()
    }

    /// Stops fetching these partitions until [`resume`](Self::resume). Records already in the channel still arrive.
    /// A later assignment of the partition starts unpaused.
    pub fn pause(&self, partitions: &[TopicPartition]) -> Result<(), BrokerError> {
        let _ = partitions;
        todo!()
    }

    /// Fetches these partitions again, from behind the last record that was put into the channel.
    pub fn resume(&self, partitions: &[TopicPartition]) -> Result<(), BrokerError> {
        let _ = partitions;
        todo!()
    }

    /// Reads a partition again from `offset`. Returns the partition's new generation: records of less are from
    /// before and must be dropped.
    ///
    /// # Errors
    /// `Retry` where the partition is no longer this member's.
    pub async fn reset(&self, partition: &TopicPartition, offset: i64) -> Result<u64, BrokerError> {
        let _ = (partition, offset);
        todo!()
    }

    /// Tells the broker how far the group is: each offset is the next to read. Not awaited, and of no consequence if
    /// it fails: for lag metrics alone. May be called while a revocation waits for its reply.
    pub fn commit(&self, offsets: &[(TopicPartition, i64)]) -> Result<(), BrokerError> {
        let _ = offsets;
        todo!()
    }

    /// For each partition owned, how many records lie between the last one taken from [`Records`] and the newest one
    /// that the broker told of (at most about a second ago; not fresh for a paused partition). `None`: not known yet.
    pub fn lag(&self) -> Vec<(TopicPartition, Option<i64>)> {
        todo!()
    }

    /// Leaves the group (a static member keeps its place until the session times out) and waits until the thread has
    /// ended. What is owned is revoked first, so [`ControlEvents`] must be served meanwhile.
    pub async fn stop(self) -> Result<(), BrokerError> {
        todo!()
    }
}
