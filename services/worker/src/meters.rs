//! The worker's metrics. `schemas/metrics.md` says what each means; a test holds them together.

use std::sync::Arc;
use std::time::Duration;

use bolus_broker::TopicPartition;
use bolus_labeling::{Progress, Stages};
use bolus_ops::metrics::{
    Counter, EncodeLabelSet, Family, Gauge, Histogram, Metrics, SecondsFamily, ratio, seconds, seconds_by,
};
use bolus_study::{LabelRow, Outcome, ReasonCode};

use crate::book::Book;

/// Labels of one name.
macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty),+ }),+ $(,)?) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub struct $name { $(#[doc = "The label's value."] pub $field: $kind),+ })+
    };
}

labels! {
    /// A partition.
    PartitionLabels { topic: String, partition: i32 },
    /// What a rebalance did.
    KindLabel { kind: &'static str },
    /// How an event ended.
    EventLabels { topic: String, outcome: &'static str },
    /// How something ended.
    OutcomeLabel { outcome: &'static str },
    /// A row's status.
    StatusLabel { status: &'static str },
    /// A stage of an event.
    StageLabel { stage: &'static str },
    /// A reason's code.
    ReasonLabel { reason: &'static str },
}

/// The metrics, and the registry that tells them.
#[derive(Debug)]
pub struct Meters {
    /// Records between the lake and a partition's end.
    pub lag: Family<PartitionLabels, Gauge>,
    /// Partitions owned.
    pub partitions: Gauge,
    /// Partitions that are paused.
    pub paused: Gauge,
    /// Rebalances.
    pub rebalances: Family<KindLabel, Counter>,
    /// Events that ended.
    pub events: Family<EventLabels, Counter>,
    /// Studies that ended.
    pub studies: Family<OutcomeLabel, Counter>,
    /// Rows by status.
    pub series: Family<StatusLabel, Counter>,
    slices: Counter,
    bytes_read: Counter,
    /// Studies under way.
    pub inflight_studies: Gauge,
    /// Bytes held.
    pub inflight_bytes: Gauge,
    /// Slices of a batch over its capacity.
    pub batch_fill: Histogram,
    stages: SecondsFamily<StageLabel>,
    /// From a record's time to its commit.
    pub event_to_commit: Histogram,
    /// Commits.
    pub commits: Family<OutcomeLabel, Counter>,
    /// Commits that lost a race.
    pub conflicts: Counter,
    /// Batches dropped.
    pub fenced: Counter,
    /// Rows that landed.
    pub rows_committed: Counter,
    /// Attempts after the first.
    pub retries: Family<StageLabel, Counter>,
    /// Failed rows by reason.
    pub failures: Family<ReasonLabel, Counter>,
    registry: Arc<Metrics>,
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

impl Meters {
    /// Registers everything.
    #[must_use]
    pub fn new() -> Self {
        let mut all = Metrics::new("worker", env!("CARGO_PKG_VERSION"));
        let meters = Self {
            lag: all.add(
                "lag_records",
                "Records between what the lake has and the end of the partition",
                Family::default(),
            ),
            partitions: all.add("partitions", "Partitions this worker holds", Gauge::default()),
            paused: all.add(
                "paused_partitions",
                "Partitions it takes nothing from because enough is in flight",
                Gauge::default(),
            ),
            rebalances: all.add("rebalances", "Rebalances by what they did", Family::default()),
            events: all.add("events", "Events that ended", Family::default()),
            studies: all.add("studies", "Studies that ended in a commit", Family::default()),
            series: all.add("series", "Rows by their status, and keys the lake had", Family::default()),
            slices: all.add("slices", "Slices that a network scored", Counter::default()),
            bytes_read: all.add("bytes_read", "Bytes read from object stores", Counter::default()),
            inflight_studies: all.add("inflight_studies", "Studies taken and not committed", Gauge::default()),
            inflight_bytes: all.add("inflight_bytes", "Bytes of records and rows held for them", Gauge::default()),
            batch_fill: all.add("batch_fill_ratio", "Slices of a batch over its capacity", ratio()),
            stages: all.add("stage_seconds", "Time of each stage", seconds_by()),
            event_to_commit: all.add("event_to_commit_seconds", "From the record's time to its commit", seconds()),
            commits: all.add("commits", "Commits by how they ended", Family::default()),
            conflicts: all.add("commit_conflicts", "Commits that lost a version to another writer", Counter::default()),
            fenced: all.add("fenced", "Batches dropped because another owner had moved on", Counter::default()),
            rows_committed: all.add("rows_committed", "Rows that landed in the lake", Counter::default()),
            retries: all.add("retries", "Attempts after the first", Family::default()),
            failures: all.add("failures", "Failed rows by the kind of their reason", Family::default()),
            registry: Arc::new(all),
        };
        meters.begin_at_zero();
        meters
    }

    /// Tells the counters whose labels are known: one that first appears with a value hides that value from Prometheus' `rate`
    /// and `increase`, and so from the alerts.
    fn begin_at_zero(&self) {
        for kind in ["assigned", "revoked", "lost"] {
            drop(self.rebalances.get_or_create(&KindLabel { kind }));
        }
        for outcome in ["labelled", "skipped", "failed"] {
            drop(self.studies.get_or_create(&OutcomeLabel { outcome }));
        }
        for outcome in ["committed", "empty", "settled", "abandoned", "failed"] {
            drop(self.commits.get_or_create(&OutcomeLabel { outcome }));
        }
        for status in ["labelled", "refused", "failed", "skipped"] {
            drop(self.series.get_or_create(&StatusLabel { status }));
        }
        for reason in ReasonCode::ALL {
            drop(self.failures.get_or_create(&ReasonLabel { reason: reason.as_str() }));
        }
    }

    /// What is served.
    #[must_use]
    pub fn registry(&self) -> Arc<Metrics> {
        Arc::clone(&self.registry)
    }

    /// Counts an event of `topic`.
    pub fn event(&self, topic: &str, outcome: &'static str) {
        self.events.get_or_create(&EventLabels { topic: topic.to_owned(), outcome }).inc();
    }

    /// Counts a study.
    pub fn study(&self, outcome: &'static str) {
        self.studies.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts a commit.
    pub fn commit(&self, outcome: &'static str) {
        self.commits.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts a rebalance.
    pub fn rebalance(&self, kind: &'static str) {
        self.rebalances.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counts another attempt, after a failure in `stage`.
    pub fn retry(&self, stage: &'static str) {
        self.retries.get_or_create(&StageLabel { stage }).inc();
    }

    /// Takes the time of a stage.
    pub fn stage(&self, stage: &'static str, time: Duration) {
        self.stages.get_or_create(&StageLabel { stage }).observe(time.as_secs_f64());
    }

    /// Takes the times of a series that went through its stages.
    pub fn series_stages(&self, stages: &Stages) {
        for (stage, time) in [("fetch", stages.fetch), ("decode", stages.decode), ("infer", stages.infer)] {
            if !time.is_zero() {
                self.stage(stage, time);
            }
        }
    }

    /// Counts the keys that the lake had.
    pub fn skipped(&self, keys: usize) {
        self.series.get_or_create(&StatusLabel { status: "skipped" }).inc_by(keys as u64);
    }

    /// Counts a row that has landed.
    pub fn row(&self, row: &LabelRow) {
        self.series.get_or_create(&StatusLabel { status: row.status().as_str() }).inc();
        if let Outcome::Failed(reason) = &row.outcome {
            self.failures.get_or_create(&ReasonLabel { reason: reason.code.as_str() }).inc();
        }
    }

    /// Sets the gauges of what is owned and held. `lag` is what lies behind the last record taken of each partition.
    pub fn gauges<T>(&self, book: &Book<T>, paused: usize, lag: &[(TopicPartition, Option<i64>)]) {
        self.partitions.set(book.partitions().count() as i64);
        self.paused.set(paused as i64);
        self.inflight_bytes.set(book.held().map(|(_, bytes)| bytes as i64).sum());
        self.inflight_studies.set(book.partitions().map(|partition| book.waiting(partition) as i64).sum());
        // Partitions that have gone leave no gauge behind.
        self.lag.clear();
        for (partition, behind) in lag.iter().filter_map(|(partition, behind)| Some((partition, (*behind)?))) {
            let labels = PartitionLabels { topic: partition.topic.to_string(), partition: partition.partition };
            self.lag.get_or_create(&labels).set(behind + book.waiting(partition) as i64);
        }
    }

    /// Follows the counters of the labelling.
    pub fn follow(&self, progress: &Progress) {
        catch_up(&self.slices, progress.slices_scored.get());
        catch_up(&self.bytes_read, progress.bytes_read.get());
    }
}

/// Brings a counter that only one task moves up to `total`.
fn catch_up(counter: &Counter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_what_the_schema_lists() {
        let table = include_str!("../../../schemas/metrics.md");
        assert_eq!(Meters::new().registry().differences(table), Vec::<String>::new());
    }

    #[test]
    fn failures_are_told_before_the_first_one() {
        let told = Meters::new().registry().encode();
        assert!(told.contains("bolus_worker_failures_total{reason=\"unreadable\"} 0"), "{told}");
        assert!(told.contains("bolus_worker_commits_total{outcome=\"committed\"} 0"), "{told}");
    }
}
