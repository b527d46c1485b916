//! What the thread tells the owner of the group, and the answers that it waits for.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::{BrokerError, Start, TopicPartition};

/// What the group does to this member. To be taken promptly: the thread waits for the replies.
#[derive(Debug)]
pub enum Control {
    /// These partitions are now this member's; reading starts where the reply says, and no record of them arrives
    /// before. Under cooperative rebalancing only what is new is named.
    Assigned {
        /// What is new.
        partitions: Vec<TopicPartition>,
        /// The [`Record::generation`](crate::Record::generation) of every record that will be read under this assignment.
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

/// The answer that the consumer's thread waits for. Dropping it without an answer is an answer too: an assignment
/// fails, a revocation goes on.
#[derive(Debug)]
pub struct Reply<T>(SyncSender<T>);

impl<T> Reply<T> {
    /// A reply, and where its answer arrives.
    pub(super) fn awaited() -> (Self, Receiver<T>) {
        let (sender, receiver) = sync_channel(1);
        (Self(sender), receiver)
    }

    /// Answers. `false` where the thread no longer waits (its deadline is over or it has ended).
    pub fn send(self, answer: T) -> bool {
        self.0.try_send(answer).is_ok()
    }
}
