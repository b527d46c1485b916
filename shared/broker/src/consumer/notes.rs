//! A note beside a group's committed offset: the offset's metadata (Kafka protocol, OffsetCommit and OffsetFetch).
//!
//! It outlives the member that wrote it, follows its partition to the next one, and is replaced by the next commit of the
//! same partition. A broker takes 4,096 bytes of it (`offset.metadata.max.bytes`) unless told otherwise.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use super::Consumer;
use super::context::Context;
use crate::{BrokerError, TopicPartition};

/// How long the broker may take to tell notes.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What a group says of a partition at the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The partition.
    pub partition: TopicPartition,
    /// The next offset to read, for lag metrics alone.
    pub offset: i64,
    /// The note.
    pub text: String,
}

impl Consumer {
    /// Commits offsets with notes, and waits until the broker has them. May be called while a revocation or an assignment
    /// waits for its reply. On an error some of them may have been taken.
    ///
    /// # Errors
    /// `Retry` where the broker does not answer, the group is being rebalanced or the consumer has ended.
    pub async fn commit_noted(&self, notes: Vec<Note>) -> Result<(), BrokerError> {
        let action = format!("{}: cannot commit notes", self.name);
        self.with_client(action, move |client, action| {
            let mut list = TopicPartitionList::with_capacity(notes.len());
            for Note { partition, offset, text } in &notes {
                let mut element = list.add_partition(&partition.topic, partition.partition);
                let offset = Offset::Offset(*offset);
                element.set_offset(offset).map_err(|error| BrokerError::of(action, &error, None))?;
                element.set_metadata(text);
            }
            client.commit(&list, CommitMode::Sync).map_err(|error| BrokerError::of(action, &error, None))
        })
        .await
    }

    /// The notes that the group has left about `partitions`, in their order; empty where there is none.
    ///
    /// # Errors
    /// As [`commit_noted`](Self::commit_noted).
    pub async fn notes(&self, partitions: &[TopicPartition]) -> Result<Vec<String>, BrokerError> {
        let action = format!("{}: cannot read notes", self.name);
        let partitions = partitions.to_vec();
        self.with_client(action, move |client, action| {
            let mut list = TopicPartitionList::with_capacity(partitions.len());
            for partition in &partitions {
                list.add_partition(&partition.topic, partition.partition);
            }
            let failed = |error| BrokerError::of(action, &error, None);
            let list = client.committed_offsets(list, TIMEOUT).map_err(failed)?;
            let note = |partition: &TopicPartition| {
                let Some(element) = list.find_partition(&partition.topic, partition.partition) else {
                    return Ok(String::new());
                };
                element.error().map_err(failed)?;
                Ok(text(&element))
            };
            partitions.iter().map(note).collect()
        })
        .await
    }

    /// Runs what blocks on a thread where it may.
    async fn with_client<T: Send + 'static>(
        &self,
        action: String,
        call: impl FnOnce(&BaseConsumer<Context>, &str) -> Result<T, BrokerError> + Send + 'static,
    ) -> Result<T, BrokerError> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(client) = client else {
            return Err(BrokerError::retry(format!("{action}: the consumer has ended")));
        };
        let called = tokio::task::spawn_blocking(move || {
            let client: Arc<BaseConsumer<Context>> = client;
            call(&client, &action)
        });
        called.await.unwrap_or_else(|error| Err(BrokerError::retry(format!("a call of the broker ended: {error}"))))
    }
}

/// A note, where it is text: rdkafka panics on another program's bytes, which are none of ours.
fn text(element: &TopicPartitionListElem<'_>) -> String {
    std::panic::catch_unwind(AssertUnwindSafe(|| element.metadata().to_owned())).unwrap_or_default()
}
