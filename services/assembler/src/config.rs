//! The assembler's configuration: one TOML file, environment variables `BOLUS_ASSEMBLER__…`, and flags.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use bolus_broker::{BrokerConfig, ConsumerConfig, ConsumerSettings, topic_problem};
use bolus_events::{Names, StudyRule};
use bolus_ops::ShutdownConfig;
use bolus_ops::config::{Loaded, Loader, Period, Problems, at_least_one, more_than_zero};
use bolus_ops::http::HttpConfig;
use bolus_ops::telemetry::TelemetryConfig;
use serde::{Deserialize, Serialize, Serializer};

use crate::assembly::Rules;
use crate::grouping::Grouping;

/// The prefix of the environment variables: `BOLUS_ASSEMBLER__STUDY__QUIET` is `study.quiet`.
pub const ENVIRONMENT: &str = "BOLUS_ASSEMBLER";

/// Everything that the assembler is told. `assembler.example.toml` shows each key with its default.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The stages that run in this process.
    #[serde(default = "both_stages")]
    pub stages: BTreeSet<Stage>,
    /// The broker.
    pub kafka: BrokerConfig,
    /// How the stages take part in their groups, whose names are that of this group with `.route` and `.assemble`.
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
    pub shutdown: ShutdownConfig,
    /// Metrics and health.
    pub http: HttpConfig,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

/// One of the two stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
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

/// `[topics]`
#[derive(Debug, Clone, Deserialize, Serialize)]
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
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StudyConfig {
    /// How the study's folder follows from an object's key.
    #[serde(serialize_with = "as_text")]
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
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    /// As `study.prefix`.
    #[serde(serialize_with = "as_text")]
    pub prefix: StudyRule,
}

/// `[limits]`
#[derive(Debug, Clone, Deserialize, Serialize)]
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

fn as_text<S: Serializer>(rule: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(rule)
}

impl Config {
    /// Reads the configuration, and checks all of it that this machine has no part in.
    #[must_use]
    pub fn read(loader: Loader) -> Loaded<Self> {
        let mut loaded = loader
            .default_value("consumer.group", "bolus-assembler")
            .default_value("shutdown.drain", "20s")
            .default_value("http.listen", "127.0.0.1:9465")
            .read();
        loaded.check(Self::problems);
        loaded
    }

    /// What it names that is not there on this machine, or is not what it should be.
    #[must_use]
    pub fn problems_here(&self) -> Problems {
        let mut problems = Problems::default();
        problems.table("kafka", self.kafka.problems_here());
        problems
    }

    /// What of it will not do.
    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        problems.add(&["stages"], self.stages.is_empty().then(|| "expected \"route\", \"assemble\" or both".into()));
        problems.table("kafka", self.kafka.problems());
        problems.table("consumer", self.consumer.problems());
        problems.table("topics", self.topics.problems());
        problems.add(&["topics.internal_retention", "study.deadline"], self.retention_problem());
        problems.table("study", self.study.problems());
        problems.table("limits", self.limits.problems());
        problems.add(&["shutdown.revoke"], self.consumer(Stage::Route, Vec::new()).revoke_problem());
        problems.table("telemetry", self.telemetry.problems());
        problems
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

    /// How a stage reads `topics`.
    #[must_use]
    pub fn consumer(&self, stage: Stage, topics: Vec<String>) -> ConsumerConfig {
        let suffix = match stage {
            Stage::Route => "route",
            Stage::Assemble => "assemble",
        };
        let group = format!("{}.{suffix}", self.consumer.group);
        self.consumer.consumer(&self.kafka, group, topics, self.shutdown.revoke)
    }
}

impl Topics {
    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        problems.add(&["objects"], self.objects.is_empty().then(|| "expected at least one topic".into()));
        let same = self.internal == self.studies;
        problems.add(&["internal", "studies"], same.then(|| "expected another topic than topics.studies".into()));
        let mut seen = BTreeSet::from([&self.internal, &self.studies]);
        let twice = self.objects.iter().find(|topic| !seen.insert(*topic));
        let twice = twice.map(|topic| format!("topic {topic} is named twice, or is written to as well"));
        problems.add(&["objects", "internal", "studies"], twice);
        problems.add(&["objects"], self.objects.iter().find_map(|topic| topic_problem(topic)));
        problems.add(&["internal"], topic_problem(&self.internal));
        problems.add(&["studies"], topic_problem(&self.studies));
        problems.add(&["internal_partitions"], (self.internal_partitions < 1).then(|| "expected at least 1".into()));
        let copies = self.internal_replication;
        let odd = copies < -1 || copies == 0;
        problems
            .add(&["internal_replication"], odd.then(|| "expected at least 1, or -1 for the broker's default".into()));
        problems
    }
}

impl StudyConfig {
    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        problems.add(&["quiet"], more_than_zero(self.quiet));
        let early = (self.deadline < self.quiet).then(|| format!("expected no less than study.quiet ({})", self.quiet));
        problems.add(&["deadline", "quiet"], early);
        problems.add(&["progress"], more_than_zero(self.progress));
        problems
    }
}

impl Limits {
    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        problems.add(&["open_objects"], at_least_one(self.open_objects));
        problems.add(&["open_studies"], at_least_one(self.open_studies));
        problems.add(&["in_flight"], at_least_one(self.in_flight));
        problems.add(&["head_requests"], at_least_one(self.head_requests));
        problems
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bolus_ops::config::ConfigErrors;

    use super::*;

    const SMALLEST: &str = "[kafka]\nservers = \"localhost:9092\"\n";

    fn load(text: &str) -> Result<Config, ConfigErrors> {
        Config::read(Loader::new(ENVIRONMENT).text("assembler.toml", text)).finish()
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
        let loader = Loader::new(ENVIRONMENT).text("a.toml", SMALLEST).environment(variables);
        let config = Config::read(loader).finish().unwrap();
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
            (&format!("{SMALLEST}[topics]\ninternal_replication = 0"), "topics.internal_replication"),
            (&format!("{SMALLEST}[topics]\nstudies = \"a b\""), "topics.studies"),
            (&format!("{SMALLEST}[shutdown]\nrevoke = \"1h\""), "shutdown.revoke"),
        ] {
            let errors = load(text).unwrap_err();
            assert!(errors.to_string().contains(named), "{errors} does not name {named}");
            assert_eq!(errors.iter().count(), 1, "{errors}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_and_what_is_in_effect_can_be_loaded_again() {
        let wrong =
            "stages = [\"rout\"]\n[kafka]\n[study]\nquiet = \"60\"\nprefix = \"x\"\n[limits]\nin_flight = 0\n[flush]\n";
        let errors = load(wrong).unwrap_err().to_string();
        for named in ["stages[0]", "kafka.servers", "study.quiet", "study.prefix", "limits.in_flight", "flush"] {
            assert!(errors.contains(named), "{errors} does not name {named}");
        }
        assert_eq!(errors.lines().count(), 6, "{errors}");

        let read = |text: &str| Config::read(Loader::new(ENVIRONMENT).text("a.toml", text));
        let rules = "stages = [\"route\"]\n[study]\nmarkers = [\"*.done\", \"a*\", \"b\"]\n[study.buckets.in]\nprefix = \"pattern=^(?<study>[^/]+)/\"\n";
        let first = read(&format!("{rules}{SMALLEST}"));
        let shown = first.show().unwrap();
        assert_eq!(
            format!("{:?}", read(&shown).finish().unwrap()),
            format!("{:?}", first.finish().unwrap()),
            "{shown}"
        );
    }
}
