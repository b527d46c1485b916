//! A registry of metrics, in the text format that Prometheus reads.
//!
//! `schemas/metrics.md` lists every metric; [`Metrics::differences`] compares a registry with it. Labels never carry what
//! identifies a patient, study or object: no UIDs, no keys.

use std::collections::BTreeSet;

use prometheus_client::encoding::{EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::family::Family;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;

/// The media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A gauge of fractions, sizes or seconds.
pub type FloatGauge = Gauge<f64, std::sync::atomic::AtomicU64>;

/// Histograms of seconds by label; made by [`seconds_by`].
pub type SecondsFamily<L> = Family<L, Histogram, fn() -> Histogram>;

/// A histogram of durations from a millisecond to five minutes.
#[must_use]
pub fn seconds() -> Histogram {
    Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
    ])
}

/// Histograms of durations by label.
#[must_use]
pub fn seconds_by<L: Clone + std::hash::Hash + Eq>() -> SecondsFamily<L> {
    Family::new_with_constructor(seconds)
}

/// A histogram of ratios in twentieths; for batch fill.
#[must_use]
pub fn ratio() -> Histogram {
    Histogram::new((1..=20).map(|twentieths| f64::from(twentieths) / 20.0))
}

/// The metrics of one service.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    prefix: String,
    registered: BTreeSet<(String, &'static str)>,
    memory: Gauge,
}

impl Metrics {
    /// Metrics whose names start with `bolus_<service>_`, with two that every service has: its `version` and its memory.
    #[must_use]
    pub fn new(service: &str, version: &str) -> Self {
        let prefix = format!("bolus_{service}");
        let mut registry = Registry::with_prefix(prefix.clone());
        registry.register(
            "build",
            "Always 1, with the version that runs",
            Info::new([("version", version.to_owned())]),
        );
        let registered = BTreeSet::from([(format!("{prefix}_build_info"), "info")]);
        let mut metrics = Self { registry, prefix, registered, memory: Gauge::default() };
        metrics.memory = metrics.add("resident_memory_bytes", "Memory that the process holds", Gauge::default());
        metrics
    }

    /// Registers `metric` as `bolus_<service>_<name>` and gives it back; its clones share its value.
    ///
    /// A counter is named without `_total`, which the format adds; `help` has no full stop, which it adds as well.
    pub fn add<M>(&mut self, name: &str, help: &str, metric: M) -> M
    where
        M: EncodeMetric + Clone + std::fmt::Debug + Send + Sync + 'static,
    {
        let (suffix, kind) = match metric.metric_type() {
            MetricType::Counter => ("_total", "counter"),
            MetricType::Gauge => ("", "gauge"),
            MetricType::Histogram => ("", "histogram"),
            MetricType::Info => ("_info", "info"),
            MetricType::Unknown => ("", "unknown"),
        };
        self.registered.insert((format!("{}_{name}{suffix}", self.prefix), kind));
        self.registry.register(name, help, metric.clone());
        metric
    }

    /// The text that Prometheus reads; see [`CONTENT_TYPE`].
    #[must_use]
    pub fn encode(&self) -> String {
        if let Some(bytes) = resident_memory_bytes() {
            self.memory.set(bytes);
        }
        let mut text = String::new();
        // Only the writer can fail, and a string takes all.
        let _ = text::encode(&mut text, &self.registry);
        text
    }

    /// What is registered but not in `table`, the text of `schemas/metrics.md`, or in it but not registered, or of another type.
    ///
    /// For the test of each service: it must be empty.
    #[must_use]
    pub fn differences(&self, table: &str) -> Vec<String> {
        let start = format!("{}_", self.prefix);
        let listed: BTreeSet<(String, &str)> = table
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| `")?.split('|').map(|cell| cell.trim().trim_end_matches('`'));
                Some((cells.next()?.to_owned(), cells.next()?))
            })
            .filter(|(name, _)| name.starts_with(&start))
            .collect();
        let registered: BTreeSet<(String, &str)> = self.registered.iter().cloned().collect();
        let missing = registered.difference(&listed).map(|(name, kind)| format!("not listed: {kind} {name}"));
        let absent = listed.difference(&registered).map(|(name, kind)| format!("not registered: {kind} {name}"));
        missing.chain(absent).collect()
    }
}

/// What the process holds in memory; none where the system does not say.
fn resident_memory_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
    struct Stage {
        stage: &'static str,
    }

    fn metrics() -> (Metrics, Counter, SecondsFamily<Stage>) {
        let mut metrics = Metrics::new("worker", "1.2.3");
        let commits = metrics.add("commits", "Commits", Counter::default());
        let stages = metrics.add("stage_seconds", "Time in each stage", seconds_by::<Stage>());
        (metrics, commits, stages)
    }

    #[test]
    fn values_are_told_under_their_names() {
        let (metrics, commits, stages) = metrics();
        commits.inc_by(3);
        stages.get_or_create(&Stage { stage: "fetch" }).observe(0.02);
        let text = metrics.encode();
        for line in [
            "bolus_worker_commits_total 3",
            "bolus_worker_build_info{version=\"1.2.3\"} 1",
            "bolus_worker_stage_seconds_bucket{le=\"0.025\",stage=\"fetch\"} 1",
            "bolus_worker_stage_seconds_bucket{le=\"0.01\",stage=\"fetch\"} 0",
            "# TYPE bolus_worker_commits counter",
            "# EOF",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
        let memory = text.lines().find_map(|line| line.strip_prefix("bolus_worker_resident_memory_bytes "));
        assert!(memory.unwrap().parse::<u64>().unwrap() > 1 << 20);
    }

    #[test]
    fn a_registry_is_compared_with_the_table() {
        let table = "| name | type | labels | meaning |\n| `bolus_worker_build_info` | info | version | … |\n\
            | `bolus_worker_resident_memory_bytes` | gauge | | … |\n| `bolus_worker_commits_total` | counter | | … |\n\
            | `bolus_worker_stage_seconds` | gauge | stage | … |\n| `bolus_other_total` | counter | | … |\n";
        let (metrics, ..) = metrics();
        let expected =
            ["not listed: histogram bolus_worker_stage_seconds", "not registered: gauge bolus_worker_stage_seconds"];
        assert_eq!(metrics.differences(table), expected);
    }
}
