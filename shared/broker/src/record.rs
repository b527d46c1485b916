//! What is read from a topic, and from where.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names a partition of a topic.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// Where the reading of a newly assigned partition starts.
///
/// An offset is the next one to read, not the last one read: librdkafka is given it as it stands, 0 included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Start {
    /// At this offset exactly. One that the partition does not hold is an error ([`Control::Failed`]), never a skip.
    ///
    /// [`Control::Failed`]: crate::Control::Failed
    Offset(i64),
    /// At the offset that the group last committed to the broker, else at the earliest record. Only for a reader
    /// whose truth is the broker.
    Committed,
    /// At the earliest record that the partition still holds.
    Earliest,
}

/// One record of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
    /// The record's place in the partition.
    pub offset: i64,
    /// Which assignment (or [`reset`](crate::Consumer::reset)) of the partition this record was read under. It grows
    /// with each, over all partitions of a consumer, so a record with less than the partition's newest generation
    /// is from before and must be dropped.
    pub generation: u64,
    /// The key, if any.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub payload: Option<Bytes>,
    /// The broker's or the producer's time, in milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// The headers in their order; a name may occur twice; a header without value has an empty one.
    pub headers: Vec<(String, Bytes)>,
}

impl Record {
    /// The partition that holds the record.
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition { topic: Arc::clone(&self.topic), partition: self.partition }
    }
}
