//! Writing a commit: rows and progress of several partitions at once, until each has landed or is another owner's.

use std::sync::Arc;
use std::time::Duration;

use bolus_broker::TopicPartition;
use bolus_lake::{AppendOptions, ErrorKind, Lake, LakeError, TransactionStep};
use bolus_ops::health::Health;
use bolus_study::LabelRow;

use crate::backoff;
use crate::book::Part;
use crate::failpoints;
use crate::meters::Meters;

/// An attempt at a commit that takes longer counts as hanging: far above the store client's own limits.
const HEARTBEAT: Duration = Duration::from_secs(900);

/// The name under which the lake keeps the progress of a partition.
#[must_use]
pub fn app_id(group: &str, partition: &TopicPartition) -> String {
    format!("bolus/{group}/{}/{}", partition.topic, partition.partition)
}

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartOutcome {
    /// Its rows are in the lake, and the lake's progress is its end.
    Landed,
    /// The lake's progress was another than expected, this one: its rows are dropped.
    Fenced(Option<i64>),
}

/// A part that has been written, or will not be.
#[derive(Debug)]
pub struct Written<T> {
    /// The partition.
    pub partition: TopicPartition,
    /// Its generation.
    pub generation: u64,
    /// The end of the part.
    pub next: i64,
    /// What the part held, beside its rows.
    pub values: Vec<T>,
    /// What became of it.
    pub outcome: PartOutcome,
}

/// Where commits go.
#[derive(Clone)]
pub struct Committer {
    /// The lake.
    pub lake: Arc<Lake>,
    /// The consumer group.
    pub group: String,
    /// Metrics.
    pub meters: Arc<Meters>,
    /// Told while the lake does not answer.
    pub health: Health,
}

/// A commit that is being written: the parts that are left, and their rows one after the other.
struct Pending<T> {
    parts: Vec<Left<T>>,
    rows: Vec<LabelRow>,
}

struct Left<T> {
    part: Part<T>,
    app_id: String,
    rows: usize,
}

impl Committer {
    /// Writes `parts` as one commit; `rows_of` takes the rows out of a value.
    ///
    /// While the lake's store fails it waits and tries again, for ever: nothing is lost by that, and partitions pause in
    /// the meantime. A part whose progress is not what was expected is taken out, and the others are written without it. Where
    /// the progress is the part's own end, all its events have ended in the lake, whoever wrote them (it was this writer, where
    /// an answer was lost): then it has landed.
    ///
    /// # Errors
    /// The lake's, where waiting does not help.
    pub async fn write<T>(
        &self,
        parts: Vec<Part<T>>,
        mut rows_of: impl FnMut(&mut T) -> Vec<LabelRow>,
    ) -> Result<Vec<Written<T>>, LakeError> {
        let mut pending = Pending { parts: Vec::new(), rows: Vec::new() };
        for mut part in parts {
            let before = pending.rows.len();
            pending.rows.extend(part.values.iter_mut().flat_map(&mut rows_of));
            let (rows, app_id) = (pending.rows.len() - before, app_id(&self.group, &part.partition));
            pending.parts.push(Left { part, app_id, rows });
        }
        let mut written = Vec::new();
        let mut pauses = backoff::of_the_lake();
        let heartbeat = self.health.heartbeat("commit", HEARTBEAT);
        while !pending.parts.is_empty() {
            heartbeat.beat();
            failpoints::pass(failpoints::BEFORE_LAKE_COMMIT);
            match self.lake.append(&pending.rows, &pending.options()).await {
                Ok(commit) => {
                    failpoints::pass(failpoints::AFTER_LAKE_COMMIT);
                    self.health.set_ready("lake", true, "");
                    self.meters.conflicts.inc_by(u64::from(commit.conflicts));
                    self.count(&pending, commit.appended);
                    written.extend(pending.parts.drain(..).map(|left| left.end(PartOutcome::Landed)));
                }
                Err(LakeError::Fenced { app_id, expected, found }) => {
                    let Some(fenced) = pending.take(&app_id) else {
                        // No step of ours: it cannot be, and going on would loop.
                        return Err(LakeError::Fenced { app_id, expected, found });
                    };
                    written.push(self.settle(fenced, found));
                }
                Err(error) if error.kind() == ErrorKind::Retry => {
                    tracing::warn!(%error, "a commit did not land, trying again");
                    self.health.set_ready("lake", false, "commits do not land");
                    self.meters.retry("commit");
                    pauses.wait().await;
                }
                Err(error) => {
                    self.meters.commit("failed");
                    return Err(error);
                }
            }
        }
        Ok(written)
    }

    fn settle<T>(&self, fenced: Left<T>, found: Option<i64>) -> Written<T> {
        if found == Some(fenced.part.next) {
            self.meters.commit("settled");
            return fenced.end(PartOutcome::Landed);
        }
        self.meters.fenced.inc();
        tracing::warn!(
            partition = %fenced.part.partition, expected = fenced.part.expected, found,
            "another owner has moved the partition on: its batch is dropped"
        );
        fenced.end(PartOutcome::Fenced(found))
    }

    fn count<T>(&self, pending: &Pending<T>, appended: usize) {
        self.meters.commit(if pending.rows.is_empty() { "empty" } else { "committed" });
        self.meters.rows_committed.inc_by(appended as u64);
        for row in &pending.rows {
            self.meters.row(row);
        }
        let events: usize = pending.parts.iter().map(|left| left.part.events).sum();
        tracing::info!(rows = appended, events, partitions = pending.parts.len(), "committed");
    }
}

impl<T> Pending<T> {
    fn options(&self) -> AppendOptions {
        let step = |left: &Left<T>| TransactionStep {
            app_id: left.app_id.clone(),
            expected: left.part.expected,
            version: left.part.next,
        };
        AppendOptions { relabel: false, transactions: self.parts.iter().map(step).collect() }
    }

    /// Takes a part out, with its rows.
    fn take(&mut self, app_id: &str) -> Option<Left<T>> {
        let place = self.parts.iter().position(|left| left.app_id == app_id)?;
        let start: usize = self.parts.iter().take(place).map(|left| left.rows).sum();
        let left = self.parts.remove(place);
        self.rows.drain(start..start + left.rows);
        Some(left)
    }
}

impl<T> Left<T> {
    fn end(self, outcome: PartOutcome) -> Written<T> {
        let Part { partition, generation, next, values, .. } = self.part;
        Written { partition, generation, next, values, outcome }
    }
}
