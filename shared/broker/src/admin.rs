//! Topics, their ends, and how far a group is.

use crate::{BrokerConfig, BrokerError};

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

/// Asks and changes what a cluster holds.
#[derive(Clone, Debug)]
pub struct Admin {}

impl Admin {
    /// Makes a client. Returns at once.
    ///
    /// # Errors
    /// `Fatal` where the configuration is unfit.
    pub fn start(config: &BrokerConfig) -> Result<Self, BrokerError> {
        let _ = config;
        todo!()
    }

    /// Makes those of the topics that do not exist; one that does is left as it is.
    ///
    /// # Errors
    /// `Retry` where the broker does not answer, `Reject` where it refuses the topic, `Fatal` where it refuses us.
    pub async fn create_topics(&self, topics: &[NewTopic]) -> Result<(), BrokerError> {
        let _ = topics;
        todo!()
    }

    /// What each partition of a topic holds, by partition.
    ///
    /// # Errors
    /// As [`create_topics`](Self::create_topics); `Reject` where there is no such topic.
    pub async fn topic_offsets(&self, topic: &str) -> Result<Vec<TopicOffsets>, BrokerError> {
        let _ = topic;
        todo!()
    }

    /// How far a group is in a topic, by partition.
    ///
    /// # Errors
    /// As [`topic_offsets`](Self::topic_offsets).
    pub async fn group_lag(&self, group: &str, topic: &str) -> Result<Vec<GroupLag>, BrokerError> {
        let _ = (group, topic);
        todo!()
    }
}
