//! The assembler's configuration: one TOML file, environment variables `BOLUS_ASSEMBLER__…`, and flags.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bolus_broker::{BrokerConfig, ConsumerConfig};
use bolus_events::{Names, StudyRule};
use bolus_ops::config::{ByteSize, ConfigError, Loaded, Loader, Period};
use bolus_ops::telemetry::TelemetryConfig;
use serde::Deserialize;

use crate::assembly::Rules;
use crate::grouping::Grouping;

/// The prefix of the environment variables: `BOLUS_ASSEMBLER__STUDY__QUIET` is `study.quiet`.
pub const ENVIRONMENT: &str = "BOLUS_ASSEMBLER";

/// Everything that the assembler is told. `assembler.example.toml` shows each key with its default.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The stages that run in this process.
    #[serde(default = "both_stages")]
    pub stages: BTreeSet<Stage>,
    /// The broker.
    pub kafka: BrokerConfig,
    /// How the stages take part in their groups.
    #[serde(default)]
    pub consumer: ConsumerSettings,
    /// What is read and written.
    #[serde(default)]
    pub topics: Topics,
    /// When a study is complete.
    #[serde(default)]
    pub study: StudyConfig,
    /// What may be held and done at a time.
    #[serde(default)]
    pub limits: Limits,
    /// How the assembler lets go.
    #[serde(default)]
    pub shutdown: ShutdownConfig,
    /// Metrics and health.
    #[serde(default)]
    pub http: HttpConfig,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

/// One of the two stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Object topics → internal topic.
    Route,
    /// Internal topic → study topic.
    Assemble,
}

fn both_stages() -> BTreeSet<Stage> {
    BTreeSet::from([Stage::Route, Stage::Assemble])
}

/// `[consumer]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsumerSettings {
    /// The stages' groups are this name with `.route` and `.assemble`.
    pub group: String,
    /// A lasting name of this process, unique in the group: a restart within `session_timeout` moves no partition.
    pub instance_id: Option<String>,
    /// A process not heard of for so long loses its partitions.
    pub session_timeout: Period,
    /// Bytes of records that each stage fetches ahead.
    pub prefetch: ByteSize,
}

impl Default for ConsumerSettings {
    fn default() -> Self {
        Self {
            group: "bolus-assembler".into(),
            instance_id: None,
            session_timeout: Period::from_secs(45),
            prefetch: ByteSize::from_mib(16),
        }
    }
}

/// `[topics]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Topics {
    /// Where object stores write their notifications. Every process must be told the same ones.
    pub objects: Vec<String>,
    /// The topic between the stages; made where it does not exist.
    pub internal: String,
    /// How many partitions the internal topic is made with: the greatest number of processes of the second stage. To be
    /// changed only while no study is open.
    pub internal_partitions: i32,
    /// How many copies of it are kept; -1: as the broker has it by default.
    pub internal_replication: i32,
    /// How long its records are kept; much longer than `study.deadline` and than any outage.
    pub internal_retention: Period,
    /// Where study events go.
    pub studies: String,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            objects: vec!["bolus.objects".into()],
            internal: "bolus.objects.by-study".into(),
            internal_partitions: 12,
            internal_replication: -1,
            internal_retention: Period::from_secs(7 * 86_400),
            studies: "bolus.studies".into(),
        }
    }
}

/// `[study]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StudyConfig {
    /// How the study's folder follows from an object's key.
    pub prefix: StudyRule,
    /// Rules of single buckets, by the bucket's name.
    pub buckets: BTreeMap<String, BucketConfig>,
    /// Names of objects that say that the study of their folder is complete.
    pub markers: Names,
    /// Names of objects and folders that are passed over, wherever in the key. By default those of a lake: one that lies in a
    /// bucket whose notifications come here would feed itself for ever.
    pub ignore: Names,
    /// A study for which nothing has come for so long is complete.
    pub quiet: Period,
    /// A study is sent so long after its first object, whatever comes.
    pub deadline: Period,
    /// How long a study that was sent is remembered, so that a repeated notification leads to nothing.
    pub remember: Period,
    /// How often the first stage tells the second how far it is: up to so much later is a quiet study sent.
    pub progress: Period,
}

impl Default for StudyConfig {
    fn default() -> Self {
        Self {
            prefix: StudyRule::Parent,
            buckets: BTreeMap::new(),
            markers: Names::of_markers(),
            ignore: Names::of_lakes(),
            quiet: Period::from_secs(60),
            deadline: Period::from_secs(30 * 60),
            remember: Period::from_secs(86_400),
            progress: Period::from_secs(1),
        }
    }
}

/// `[study.buckets.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    /// As `study.prefix`.
    pub prefix: StudyRule,
}

/// `[limits]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Objects of open studies, some 20 bytes each; beyond it the oldest study is sent as it is.
    pub open_objects: usize,
    /// Open studies, some 400 bytes each; beyond it the oldest is sent as it is.
    pub open_studies: usize,
    /// Objects of studies that were sent and are remembered, 8 bytes each.
    pub remember_objects: usize,
    /// Records that are routed, and studies that are sent, at the same time.
    pub in_flight: usize,
    /// HEAD requests at the same time.
    pub head_requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open_objects: 8_000_000,
            open_studies: 500_000,
            remember_objects: 8_000_000,
            in_flight: 1_000,
            head_requests: 16,
        }
    }
}

/// `[shutdown]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// How long SIGTERM waits for what is being written.
    pub drain: Period,
    /// How long a partition that goes to another process is held for the same.
    pub revoke: Period,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { drain: Period::from_secs(20), revoke: Period::from_secs(10) }
    }
}

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Where `/metrics`, `/healthz` and `/readyz` are served; port 0 lets the system choose.
    pub listen: SocketAddr,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9465)) }
    }
}

impl Config {
    /// Loads and checks the configuration.
    ///
    /// # Errors
    /// [`ConfigError`] names the first key that is wrong, and where it stands.
    pub fn load(loader: Loader) -> Result<Self, ConfigError> {
        let loaded: Loaded<Self> = loader.load()?;
        match loaded.value.problem() {
            Some((key, problem)) => Err(loaded.invalid(key, problem)),
            None => Ok(loaded.value),
        }
    }

    /// The first key whose value will not do, and why.
    fn problem(&self) -> Option<(&'static str, String)> {
        let (study, limits) = (&self.study, &self.limits);
        let checks = [
            ("stages", self.stages.is_empty().then(|| "expected \"route\", \"assemble\" or both".into())),
            ("consumer.group", self.consumer.group.is_empty().then(|| "expected a name".into())),
            ("topics.objects", self.topics_problem()),
            ("topics.internal_partitions", (self.topics.internal_partitions < 1).then(|| "expected at least 1".into())),
            ("topics.internal_retention", self.retention_problem()),
            ("study.quiet", more_than_zero(study.quiet)),
            ("study.deadline", (study.deadline < study.quiet).then(|| "expected no less than study.quiet".into())),
            ("study.progress", more_than_zero(study.progress)),
            ("limits.open_objects", at_least_one(limits.open_objects)),
            ("limits.open_studies", at_least_one(limits.open_studies)),
            ("limits.in_flight", at_least_one(limits.in_flight)),
            ("limits.head_requests", at_least_one(limits.head_requests)),
        ];
        checks.into_iter().find_map(|(key, problem)| problem.map(|problem| (key, problem)))
    }

    fn topics_problem(&self) -> Option<String> {
        let topics = &self.topics;
        let mut seen = BTreeSet::from([&topics.internal, &topics.studies]);
        let twice = topics.objects.iter().find(|topic| !seen.insert(*topic));
        if topics.internal == topics.studies {
            return Some("expected topics.internal and topics.studies to differ".into());
        }
        match twice {
            Some(topic) => Some(format!("topic {topic} is named twice, or is written to as well")),
            None => topics.objects.is_empty().then(|| "expected at least one topic".into()),
        }
    }

    fn retention_problem(&self) -> Option<String> {
        let least = self.study.deadline.0.saturating_mul(2);
        (self.topics.internal_retention.0 < least)
            .then(|| format!("expected at least twice study.deadline ({})", self.study.deadline))
    }

    /// When studies are closed.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            quiet: self.study.quiet.0,
            deadline: self.study.deadline.0,
            open_objects: self.limits.open_objects,
            open_studies: self.limits.open_studies,
            remember: self.study.remember.0,
            remember_objects: self.limits.remember_objects,
        }
    }

    /// Which study an object belongs to.
    #[must_use]
    pub fn grouping(&self) -> Grouping {
        let buckets = self.study.buckets.iter().map(|(bucket, own)| (bucket.clone(), own.prefix.clone()));
        Grouping {
            prefix: self.study.prefix.clone(),
            buckets: buckets.collect(),
            markers: self.study.markers.clone(),
            ignore: self.study.ignore.clone(),
        }
    }

    /// How a stage reads `topics`. The broker's thread waits a little longer for a revocation than we hold it.
    #[must_use]
    pub fn consumer(&self, stage: Stage, topics: Vec<String>) -> ConsumerConfig {
        let suffix = match stage {
            Stage::Route => "route",
            Stage::Assemble => "assemble",
        };
        let group = format!("{}.{suffix}", self.consumer.group);
        let mut config = ConsumerConfig::new(self.kafka.clone(), group, topics);
        config.instance_id.clone_from(&self.consumer.instance_id);
        config.session_timeout = self.consumer.session_timeout.0;
        config.prefetch_bytes = self.consumer.prefetch.as_usize();
        config.revoke_timeout = self.shutdown.revoke.0 + Duration::from_secs(5);
        config
    }
}

fn at_least_one(number: usize) -> Option<String> {
    (number == 0).then(|| "expected at least 1".into())
}

fn more_than_zero(period: Period) -> Option<String> {
    period.0.is_zero().then(|| "expected more than zero".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "[kafka]\nservers = \"localhost:9092\"\n";

    fn load(text: &str) -> Result<Config, ConfigError> {
        Config::load(Loader::new(ENVIRONMENT).text("assembler.toml", text))
    }

    #[test]
    fn a_broker_is_enough() {
        let config = load(SMALLEST).unwrap();
        assert_eq!(config.rules().quiet, Duration::from_secs(60));
        assert_eq!(config.consumer(Stage::Route, Vec::new()).group, "bolus-assembler.route");
    }

    #[test]
    fn the_example_holds_the_defaults() {
        let example = load(include_str!("../assembler.example.toml")).unwrap();
        let smallest = load(SMALLEST).unwrap();
        assert_eq!(format!("{example:?}"), format!("{smallest:?}"));
    }

    #[test]
    fn prefix_rules_are_read_in_each_form() {
        let text = format!(
            "{SMALLEST}[study]\nprefix = \"depth=2\"\n[study.buckets.in]\nprefix = \"pattern=^(?<study>[^/]+)/\"\n\
             [study.buckets.out]\nprefix = \"parent\"\n"
        );
        let grouping = load(&text).unwrap().grouping();
        assert_eq!(grouping.place("ct", "a/b/c/1").unwrap().study, "a/b");
        assert_eq!(grouping.place("in", "a/b/c/1").unwrap().study, "a");
        assert_eq!(grouping.place("out", "a/b/c/1").unwrap().study, "a/b/c");
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let variables = [("BOLUS_ASSEMBLER__STUDY__QUIET", "5s"), ("BOLUS_ASSEMBLER__STAGES", "route")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(Loader::new(ENVIRONMENT).text("a.toml", SMALLEST).environment(variables)).unwrap();
        assert_eq!((config.study.quiet, config.stages), (Period::from_secs(5), BTreeSet::from([Stage::Route])));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_key() {
        for (text, named) in [
            ("", "kafka"),
            (&format!("{SMALLEST}[study]\nquite = \"1s\"") as &str, "quite"),
            (&format!("stages = []\n{SMALLEST}"), "stages"),
            (&format!("{SMALLEST}[study]\nquiet = \"60\""), "study.quiet"),
            (&format!("{SMALLEST}[study]\nquiet = \"1h\""), "study.deadline"),
            (&format!("{SMALLEST}[study]\nprefix = \"pattern=x\""), "study.prefix"),
            (&format!("{SMALLEST}[study]\nmarkers = [\"a*b\"]"), "study.markers"),
            (&format!("{SMALLEST}[topics]\nobjects = [\"bolus.studies\"]"), "topics.objects"),
            (&format!("{SMALLEST}[topics]\ninternal_retention = \"30m\""), "topics.internal_retention"),
            (&format!("{SMALLEST}[limits]\nin_flight = 0"), "limits.in_flight"),
        ] {
            let message = load(text).unwrap_err().to_string();
            assert!(message.contains(named), "{message} does not name {named}");
        }
    }
}
