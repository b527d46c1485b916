//! How the worker lets partitions go: one after a rebalance, or all at its end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bolus_broker::{Control, TopicPartition};
use tokio::time::Instant;

use super::{LAST_TASKS, Shell, Step};
use crate::assignment::Leaving;

/// How long the broker may take to note that nothing of a partition is under way any more. Less than the consumer's margin.
const LAST_MARKS: Duration = Duration::from_secs(2);

impl Shell {
    /// Begins to let everything go.
    pub(super) fn drain(&mut self) {
        tracing::info!("draining: what is under way is finished and committed");
        self.draining = true;
        self.health.set_ready("drain", false, "the worker is shutting down");
        let partitions = self.book.partitions().cloned().collect();
        self.leave(Leaving::new(partitions, self.settings.shutdown.drain.0, None));
    }

    pub(super) fn leave(&mut self, leaving: Leaving) {
        for partition in leaving.partitions() {
            self.book.leave(partition);
            if let Some(patience) = self.patience.get(partition) {
                patience.begin.cancel();
            }
        }
        self.leaving.push(leaving);
    }

    /// Gives up the partitions whose work has ended, or whose time is over. True once the last of a drain has gone.
    pub(super) fn let_go(&mut self) -> bool {
        let now = Instant::now();
        let mut going = Vec::new();
        for leaving in std::mem::take(&mut self.leaving) {
            if now >= leaving.finish_by {
                let under_way = leaving.partitions().filter_map(|partition| self.patience.get(partition));
                under_way.for_each(|patience| patience.go_on.cancel());
            }
            let is_over = leaving.is_quiet(&self.book) || now >= leaving.give_up_by;
            if is_over { going.push(leaving) } else { self.leaving.push(leaving) }
        }
        for leaving in going {
            if !leaving.is_quiet(&self.book) {
                self.meters.commit("abandoned");
                tracing::warn!("time is over: what has not landed will be read again");
            }
            self.give_back(leaving);
        }
        self.draining && self.leaving.is_empty()
    }

    /// Gives partitions up, and says so once the broker has been told that nothing of them is under way.
    fn give_back(&mut self, leaving: Leaving) {
        let partitions: Vec<TopicPartition> = leaving.partitions().cloned().collect();
        for partition in &partitions {
            self.end_patience(partition);
        }
        let begun = self.begun.clone();
        self.steps.spawn(async move {
            if tokio::time::timeout(LAST_MARKS, begun.release(partitions)).await.is_err() {
                tracing::warn!("the broker does not take the marks of partitions that go: their records may run alone");
            }
            leaving.answer();
            Step::Left
        });
    }

    /// Leaves the group, answering what it still asks.
    pub(super) async fn leave_group(mut self) -> anyhow::Result<()> {
        // Their tokens are cancelled. One that does not notice holds nothing that could be lost. Steps are not torn off: the
        // thread on which the lake's library reads the log panics when the runtime goes away below it.
        let steps = async { while self.steps.join_next().await.is_some() {} };
        let ended = async { tokio::join!(self.events.shutdown(), steps) };
        if tokio::time::timeout(LAST_TASKS, ended).await.is_err() {
            tracing::warn!("some tasks did not end in time");
        }
        self.committer.lake.finish().await;
        self.marking.abort();
        let _aborted = (&mut self.marking).await;
        // Only steps and the marking had clones, and they have ended.
        let Some(consumer) = Arc::into_inner(self.consumer) else { return Ok(()) };
        let answers = async {
            while let Some(control) = self.control.recv().await {
                if let Control::Revoked { reply, .. } = control {
                    reply.send(());
                }
            }
        };
        let (stopped, ()) = tokio::join!(consumer.stop(), answers);
        stopped.context("cannot leave the group in order")
    }
}
