//! The consumer: what its owner sees.

mod context;
mod control;
mod notes;
mod shared;
mod start;
mod thread;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};

pub use self::control::{Control, Reply};
pub use self::notes::Note;

use self::context::Context;
use self::shared::Shared;
use self::thread::{Client, Command, Thread};
use crate::client::ErrorLog;
use crate::{BrokerConfig, BrokerError, Record, TopicPartition};

/// Events of the group that may wait for the owner; the thread waits with the next.
const CONTROL_EVENTS: usize = 16;
/// Commands that may wait for the thread, which looks for them some fifty times a second.
const COMMANDS: usize = 64;

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
    /// Bytes of keys, values and headers held between the thread and its owner (one record may exceed it), and as
    /// much again, about, in what librdkafka has fetched ahead for all partitions.
    pub prefetch_bytes: usize,
}

impl ConsumerConfig {
    /// A member that does not poll for so long loses its partitions, unless it is told otherwise.
    pub const MAX_POLL_INTERVAL: Duration = Duration::from_secs(300);

    /// Settings that suit a worker: 45 s session, 300 s poll interval, 60 s for an assignment, 30 s for a
    /// revocation, 1,024 records or 16 MiB held.
    pub fn new(broker: BrokerConfig, group: impl Into<String>, topics: Vec<String>) -> Self {
        Self {
            broker,
            group: group.into(),
            instance_id: None,
            topics,
            session_timeout: Duration::from_secs(45),
            max_poll_interval: Self::MAX_POLL_INTERVAL,
            assign_timeout: Duration::from_secs(60),
            revoke_timeout: Duration::from_secs(30),
            channel_records: 1024,
            prefetch_bytes: 16 << 20,
        }
    }

    /// Whether the group waits for both an assignment and a revocation.
    pub(crate) fn timeouts_fit(&self) -> bool {
        self.assign_timeout.saturating_add(self.revoke_timeout) < self.max_poll_interval
    }

    /// The library's settings, checked.
    fn client(&self) -> Result<ClientConfig, BrokerError> {
        let problem = if self.group.is_empty() {
            Some("the consumer group has no name")
        } else if self.topics.is_empty() {
            Some("there is no topic to read")
        } else if self.channel_records == 0 || self.prefetch_bytes < 1024 {
            Some("channel_records must be at least 1 and prefetch_bytes at least 1,024")
        } else if !self.timeouts_fit() {
            Some("assign_timeout and revoke_timeout together must be shorter than max_poll_interval")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(BrokerError::fatal(problem));
        }
        let mut client = self.broker.client()?;
        client
            .set("group.id", &self.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Never a silent jump: where to start is always told, and what cannot be read is an error.
            .set("auto.offset.reset", "error")
            .set("session.timeout.ms", self.session_timeout.as_millis().to_string())
            .set("max.poll.interval.ms", self.max_poll_interval.as_millis().to_string())
            // For `lag`.
            .set("statistics.interval.ms", "1000");
        if let Some(instance_id) = &self.instance_id {
            client.set("group.instance.id", instance_id);
        }
        let prefetch_kibibytes = (self.prefetch_bytes / 1024).to_string();
        let heartbeat_ms = (self.session_timeout.as_millis() / 10).clamp(100, 3000).to_string();
        for (key, value) in [
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("heartbeat.interval.ms", heartbeat_ms.as_str()),
            ("queued.max.messages.kbytes", prefetch_kibibytes.as_str()),
            // Few, since a pause throws them away; looked at again soon, since they are few.
            ("queued.min.messages", "2000"),
            ("fetch.queue.backoff.ms", "10"),
            ("fetch.wait.max.ms", "100"),
        ] {
            if !self.broker.properties.contains_key(key) {
                client.set(key, value);
            }
        }
        Ok(client)
    }
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
    shared: Arc<Shared>,
}

impl Records {
    /// The next record; `None` once the consumer has ended. In order within a partition and generation. Safe to drop
    /// before it is ready: no record is lost by it.
    pub async fn recv(&mut self) -> Option<Record> {
        let record = self.receiver.recv().await?;
        self.shared.taken(&record);
        Some(record)
    }

    /// A record if one is there.
    pub fn try_recv(&mut self) -> Option<Record> {
        let record = self.receiver.try_recv().ok()?;
        self.shared.taken(&record);
        Some(record)
    }
}

/// A member of a consumer group. Polls on a thread of its own, so that its owner's work never costs it the
/// membership. Dropping it ends the thread as [`stop`](Self::stop) does, without waiting.
pub struct Consumer {
    name: String,
    shared: Arc<Shared>,
    client: Arc<Client>,
    commands: mpsc::Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Consumer {
    /// Joins the group. Returns at once; partitions come as [`Control::Assigned`].
    ///
    /// # Errors
    /// `Fatal` where the configuration is unfit. A broker that cannot be reached is told by [`Control::Failed`].
    pub fn start(config: ConsumerConfig) -> Result<(Consumer, ControlEvents, Records), BrokerError> {
        let settings = config.client()?;
        let name = format!("consumer group {} at {}", config.group, config.broker.servers);
        let shared = Arc::new(Shared::default());
        let (control, control_events) = mpsc::channel(CONTROL_EVENTS);
        let (records_sender, records) = mpsc::channel(config.channel_records);
        let (commands, commands_receiver) = mpsc::channel(COMMANDS);
        let context = Context {
            shared: Arc::clone(&shared),
            control,
            errors: ErrorLog::default(),
            name: name.clone(),
            assign_timeout: config.assign_timeout,
            revoke_timeout: config.revoke_timeout,
            held_back: AtomicBool::new(false),
            stranded: AtomicBool::new(false),
            joined: AtomicBool::new(false),
            failure: Mutex::new(None),
        };
        let failed = |error| BrokerError::of(&name, &error, None);
        let consumer: BaseConsumer<Context> = settings.create_with_context(context).map_err(failed)?;
        let topics: Vec<&str> = config.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(failed)?;
        let consumer = Arc::new(consumer);
        let client = Arc::new(Client::new(Some(Arc::clone(&consumer))));
        let thread = Thread {
            consumer,
            client: Arc::clone(&client),
            shared: Arc::clone(&shared),
            servers: config.broker.servers.clone(),
            commands: commands_receiver,
            records: records_sender,
            prefetch_bytes: config.prefetch_bytes,
            full_since: None,
            told: HashMap::new(),
        };
        let handle = std::thread::Builder::new()
            .name("kafka-consumer".to_owned())
            .spawn(move || thread.run())
            .map_err(|error| BrokerError::fatal(format!("{name}: cannot start its thread: {error}")))?;
        let records = Records { receiver: records, shared: Arc::clone(&shared) };
        let consumer = Self { name, shared, client, commands, thread: Some(handle) };
        Ok((consumer, ControlEvents { receiver: control_events }, records))
    }

    /// Stops fetching these partitions until [`resume`](Self::resume). Records already in the channel still arrive.
    /// A later assignment of the partition starts unpaused; a partition that is not this member's is passed over.
    ///
    /// # Errors
    /// `Retry` where the consumer has ended or too many commands wait.
    pub fn pause(&self, partitions: &[TopicPartition]) -> Result<(), BrokerError> {
        self.command(Command::Pause(partitions.to_vec()))
    }

    /// Fetches these partitions again, from behind the last record that was put into the channel.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub fn resume(&self, partitions: &[TopicPartition]) -> Result<(), BrokerError> {
        self.command(Command::Resume(partitions.to_vec()))
    }

    fn command(&self, command: Command) -> Result<(), BrokerError> {
        self.commands.try_send(command).map_err(|error| BrokerError::retry(format!("{}: {error}", self.name)))
    }

    /// Reads a partition again from `offset`, as after fencing. Returns the partition's new generation: records of
    /// less are from before and must be dropped.
    ///
    /// # Errors
    /// `Retry` where the partition is no longer this member's or the consumer has ended.
    pub async fn reset(&self, partition: &TopicPartition, offset: i64) -> Result<u64, BrokerError> {
        let (sender, receiver) = oneshot::channel();
        let ended = || BrokerError::retry(format!("{}: the consumer has ended", self.name));
        self.commands.send(Command::Reset(partition.clone(), offset, sender)).await.map_err(|_| ended())?;
        receiver.await.map_err(|_| ended())?
    }

    /// Tells the broker how far the group is: each offset is the next to read. Not awaited, and of no consequence if
    /// it fails: for lag metrics and for [`Start::Committed`](crate::Start::Committed). May be called while a revocation
    /// waits for its reply.
    ///
    /// # Errors
    /// `Retry` where the consumer has ended.
    pub fn commit(&self, offsets: &[(TopicPartition, i64)]) -> Result<(), BrokerError> {
        let action = format!("{}: cannot commit offsets", self.name);
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(client) = client else {
            return Err(BrokerError::retry(format!("{action}: the consumer has ended")));
        };
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(*offset))
                .map_err(|error| BrokerError::of(&action, &error, None))?;
        }
        client.commit(&list, CommitMode::Async).map_err(|error| BrokerError::of(&action, &error, None))
    }

    /// For each partition owned, how many records lie between the last one taken from [`Records`] and the newest one
    /// that the broker told of (at most about a second ago; not fresh for a paused partition). `None`: not known yet.
    pub fn lag(&self) -> Vec<(TopicPartition, Option<i64>)> {
        self.shared.lag()
    }

    /// Leaves the group (a static member keeps its place until the session times out) and waits until the thread has
    /// ended. What is owned is revoked first, so [`ControlEvents`] must be served meanwhile, or dropped.
    ///
    /// # Errors
    /// `Fatal` where the thread ended by a panic.
    pub async fn stop(mut self) -> Result<(), BrokerError> {
        self.shared.stop();
        let Some(thread) = self.thread.take() else { return Ok(()) };
        match tokio::task::spawn_blocking(move || thread.join()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(BrokerError::fatal(format!("{}: its thread ended by a panic", self.name))),
        }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.shared.stop();
    }
}
