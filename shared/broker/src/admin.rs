//! Topics, their ends, and how far a group is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, TopicReplication};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{IsError as _, KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};

use crate::client::ErrorLog;
use crate::error::kind_of_code;
use crate::{BrokerConfig, BrokerError, ErrorKind};

/// How long one question to the broker may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long the reason of a failure is waited for.
const REASON: Duration = Duration::from_millis(500);

/// A topic to be made.
#[derive(Clone, Debug)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// How many copies of each.
    pub replication: i32,
    /// The topic's settings by their Kafka names (`retention.ms`, …).
    pub config: Vec<(String, String)>,
}

/// What one partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicOffsets {
    /// The partition's number.
    pub partition: i32,
    /// The offset of its earliest record.
    pub earliest: i64,
    /// One past the offset of its newest record.
    pub end: i64,
}

/// How far a group is in one partition, as the broker knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLag {
    /// The partition's number.
    pub partition: i32,
    /// The next offset that the group committed; `None` where it has committed none.
    pub committed: Option<i64>,
    /// One past the offset of the partition's newest record.
    pub end: i64,
    /// Records not yet covered by the commit; all that the partition holds where there is none.
    pub lag: i64,
}

/// Asks and changes what a cluster holds. Connects for each call; meant for the occasional question.
#[derive(Clone, Debug)]
pub struct Admin {
    client: ClientConfig,
    servers: Arc<str>,
}

impl Admin {
    /// Makes a client. Returns at once.
    ///
    /// # Errors
    /// `Fatal` where the configuration is unfit.
    pub fn start(config: &BrokerConfig) -> Result<Self, BrokerError> {
        Ok(Self { client: config.client()?, servers: config.servers.as_str().into() })
    }

    /// Makes those of the topics that do not exist; one that does is left as it is.
    ///
    /// # Errors
    /// `Retry` where the broker does not answer, `Reject` where it refuses the topic, `Fatal` where it refuses us.
    pub async fn create_topics(&self, topics: &[NewTopic]) -> Result<(), BrokerError> {
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        let action = format!("cannot create topic {} at {}", names.join(", "), self.servers);
        let client: AdminClient<ErrorLog> = self
            .client
            .create_with_context(ErrorLog::default())
            .map_err(|error| BrokerError::of(&action, &error, None))?;
        let requests: Vec<_> = topics.iter().map(request).collect();
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT));
        let results = client
            .create_topics(&requests, &options)
            .await
            .map_err(|error| explain(&action, &error, client.inner().context()))?;
        for result in results {
            match result {
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    let message = format!("cannot create topic {name} at {}: {code}", self.servers);
                    return Err(BrokerError::new(kind_of_code(code), message));
                }
            }
        }
        Ok(())
    }

    /// What each partition of a topic holds, by partition.
    ///
    /// # Errors
    /// As [`create_topics`](Self::create_topics); `Reject` where there is no such topic.
    pub async fn topic_offsets(&self, topic: &str) -> Result<Vec<TopicOffsets>, BrokerError> {
        let action = format!("cannot read the offsets of topic {topic} at {}", self.servers);
        let topic = topic.to_owned();
        self.ask(self.client.clone(), action, move |reader, action| topic_offsets(reader, action, &topic)).await
    }

    /// How far a group is in a topic, by partition.
    ///
    /// # Errors
    /// As [`topic_offsets`](Self::topic_offsets).
    pub async fn group_lag(&self, group: &str, topic: &str) -> Result<Vec<GroupLag>, BrokerError> {
        let action = format!("cannot read the lag of group {group} in topic {topic} at {}", self.servers);
        let topic = topic.to_owned();
        // A client that names the group but subscribes to nothing is no member of it.
        let mut client = self.client.clone();
        client.set("group.id", group);
        self.ask(client, action, move |reader, action| group_lag(reader, action, &topic)).await
    }

    /// Runs a question on a thread where it may block.
    async fn ask<T: Send + 'static>(
        &self,
        client: ClientConfig,
        action: String,
        question: impl FnOnce(&BaseConsumer<ErrorLog>, &str) -> Result<T, BrokerError> + Send + 'static,
    ) -> Result<T, BrokerError> {
        let asked = tokio::task::spawn_blocking(move || {
            let reader: BaseConsumer<ErrorLog> = client
                .create_with_context(ErrorLog::default())
                .map_err(|error| BrokerError::of(&action, &error, None))?;
            question(&reader, &action).map_err(|error| {
                // What the library has to say of it waits in its queue, among other things.
                let deadline = Instant::now() + REASON;
                while error.kind() == ErrorKind::Retry && Instant::now() < deadline {
                    reader.poll(REASON / 10);
                }
                match reader.context().take() {
                    Some((cause, reason)) => BrokerError::of(&error.to_string(), &cause, Some(&reason)),
                    None => error,
                }
            })
        });
        asked.await.unwrap_or_else(|error| Err(BrokerError::retry(format!("a question to the broker ended: {error}"))))
    }
}

fn request(topic: &NewTopic) -> rdkafka::admin::NewTopic<'_> {
    let replication = TopicReplication::Fixed(topic.replication);
    let request = rdkafka::admin::NewTopic::new(&topic.name, topic.partitions, replication);
    topic.config.iter().fold(request, |request, (key, value)| request.set(key, value))
}

fn explain(action: &str, error: &KafkaError, log: &ErrorLog) -> BrokerError {
    match log.take() {
        Some((cause, reason)) => BrokerError::of(&format!("{action}: {error}"), &cause, Some(&reason)),
        None => BrokerError::of(action, error, None),
    }
}

fn topic_offsets(reader: &BaseConsumer<ErrorLog>, action: &str, topic: &str) -> Result<Vec<TopicOffsets>, BrokerError> {
    let failed = |error: KafkaError| BrokerError::of(action, &error, None);
    let metadata = reader.fetch_metadata(Some(topic), TIMEOUT).map_err(failed)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Err(BrokerError::new(ErrorKind::Reject, format!("{action}: there is no such topic")));
    };
    if let Some(error) = found.error().filter(|error| error.is_error()) {
        return Err(failed(KafkaError::MetadataFetch(error.into())));
    }
    let mut partitions: Vec<i32> = found.partitions().iter().map(|partition| partition.id()).collect();
    partitions.sort_unstable();
    let offsets = |partition| {
        let (earliest, end) = reader.fetch_watermarks(topic, partition, TIMEOUT).map_err(failed)?;
        Ok(TopicOffsets { partition, earliest, end })
    };
    partitions.into_iter().map(offsets).collect()
}

fn group_lag(reader: &BaseConsumer<ErrorLog>, action: &str, topic: &str) -> Result<Vec<GroupLag>, BrokerError> {
    let offsets = topic_offsets(reader, action, topic)?;
    let mut asked = TopicPartitionList::with_capacity(offsets.len());
    for offset in &offsets {
        asked.add_partition(topic, offset.partition);
    }
    let committed = reader.committed_offsets(asked, TIMEOUT).map_err(|error| BrokerError::of(action, &error, None))?;
    let lag = |TopicOffsets { partition, earliest, end }| {
        let committed = match committed.find_partition(topic, partition).map(|found| found.offset()) {
            Some(Offset::Offset(offset)) => Some(offset),
            _ => None,
        };
        let lag = (end - committed.unwrap_or(earliest).max(earliest)).max(0);
        GroupLag { partition, committed, end, lag }
    };
    Ok(offsets.into_iter().map(lag).collect())
}
