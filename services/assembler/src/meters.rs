//! The assembler's metrics. `schemas/metrics.md` says what each means; a test holds them together.

use std::sync::Arc;

use bolus_ops::metrics::{Counter, EncodeLabelSet, Family, FloatGauge, Gauge, Histogram, Metrics, seconds};

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PartitionLabels {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

/// What a rebalance did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    /// `assigned`, `revoked` or `lost`.
    pub kind: &'static str,
}

/// What a record was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// `object`, `study`, `duplicate`, `ignored` or `unreadable`.
    pub outcome: &'static str,
}

/// What closed a study.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByLabel {
    /// [`crate::assembly::Why::code`].
    pub by: &'static str,
}

/// The metrics, and the registry that tells them.
#[derive(Debug)]
pub struct Meters {
    /// Records between what was taken and a partition's end.
    pub lag: Family<PartitionLabels, Gauge>,
    /// Partitions held, of both stages.
    pub partitions: Gauge,
    /// Rebalances.
    pub rebalances: Family<KindLabel, Counter>,
    /// Records taken.
    pub events: Family<OutcomeLabel, Counter>,
    /// Open studies.
    pub open_studies: Gauge,
    /// Their objects.
    pub open_objects: Gauge,
    /// Study events sent.
    pub ready: Family<ByLabel, Counter>,
    /// Of these, those that follow an earlier one.
    pub revisions: Counter,
    /// From a study's last object to its event.
    pub ready_delay: Histogram,
    /// How far event time is behind the clock.
    pub watermark_delay: FloatGauge,
    /// Sends that were tried again.
    pub produce_failures: Counter,
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
        let mut all = Metrics::new("assembler", env!("CARGO_PKG_VERSION"));
        let meters = Self {
            lag: all.add(
                "lag_records",
                "Records between what was taken and the end of the partition",
                Family::default(),
            ),
            partitions: all.add("partitions", "Partitions this assembler holds", Gauge::default()),
            rebalances: all.add("rebalances", "Rebalances by what they did", Family::default()),
            events: all.add("events", "Records taken, by what they are", Family::default()),
            open_studies: all.add("open_studies", "Studies that wait to be complete", Gauge::default()),
            open_objects: all.add("open_objects", "Objects of studies that wait to be complete", Gauge::default()),
            ready: all.add("studies_ready", "Study events sent, by what closed the study", Family::default()),
            revisions: all.add("revisions", "Study events that follow an earlier one", Counter::default()),
            ready_delay: all.add("ready_delay_seconds", "From the last object of a study to its event", seconds()),
            watermark_delay: all.add(
                "watermark_delay_seconds",
                "How far event time is behind the clock",
                FloatGauge::default(),
            ),
            produce_failures: all.add("produce_failures", "Sends that were tried again", Counter::default()),
            registry: Arc::new(all),
        };
        meters.begin_at_zero();
        meters
    }

    /// Tells the counters before they count: one that first appears with a value hides that value from Prometheus' `rate`
    /// and `increase`.
    fn begin_at_zero(&self) {
        for kind in ["assigned", "revoked", "lost"] {
            self.rebalances.get_or_create(&KindLabel { kind }).inc_by(0);
        }
        for outcome in ["object", "study", "duplicate", "ignored", "unreadable"] {
            self.event(outcome, 0);
        }
        for by in ["quiet", "deadline", "marker", "archive", "limit"] {
            self.ready.get_or_create(&ByLabel { by }).inc_by(0);
        }
    }

    /// What is served.
    #[must_use]
    pub fn registry(&self) -> Arc<Metrics> {
        Arc::clone(&self.registry)
    }

    /// Counts `times` records of one outcome.
    pub fn event(&self, outcome: &'static str, times: usize) {
        self.events.get_or_create(&OutcomeLabel { outcome }).inc_by(times as u64);
    }

    /// Counts a rebalance that changes the number of partitions held by `change`.
    pub fn rebalanced(&self, kind: &'static str, change: i64) {
        self.rebalances.get_or_create(&KindLabel { kind }).inc();
        self.partitions.inc_by(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_are_those_of_the_table() {
        let differences = Meters::new().registry().differences(include_str!("../../../schemas/metrics.md"));
        assert_eq!(differences, Vec::<String>::new());
    }
}
