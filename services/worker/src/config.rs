//! The worker's configuration: one TOML file, environment variables `BOLUS_WORKER__…`, and flags.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use bolus_broker::{BrokerConfig, ConsumerConfig, ConsumerSettings, topic_problem};
use bolus_inference::{AUTO, DeviceChoice};
use bolus_ops::ShutdownConfig;
use bolus_ops::config::{ByteSize, Loaded, Loader, Period, Problems, at_least_one, more_than_zero};
use bolus_ops::http::HttpConfig;
use bolus_ops::telemetry::TelemetryConfig;
use bolus_storage::Location;
use bolus_study::{Allowed, NotAllowable, is_bucket_name};
use serde::{Deserialize, Serialize};

/// The prefix of the environment variables: `BOLUS_WORKER__LAKE__URL` is `lake.url`.
pub const ENVIRONMENT: &str = "BOLUS_WORKER";

/// How long an assignment may wait for the lake to say where its partitions stand.
const ASSIGN_TIMEOUT: Duration = Duration::from_secs(180);
/// Most studies at a time: what is under way has to fit the note that the broker keeps of it.
const MOST_STUDIES: usize = 200;

/// Everything that the worker is told. `worker.example.toml` shows each key with its default.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where labels go.
    pub lake: LakeConfig,
    /// The broker.
    pub kafka: BrokerConfig,
    /// How the worker takes part in its group. Progress is kept in the lake under the group's name: another group begins at the
    /// beginning.
    pub consumer: ConsumerSettings,
    /// What it reads.
    #[serde(default)]
    pub topics: Topics,
    /// What labels.
    #[serde(default)]
    pub model: ModelConfig,
    /// Which objects may be read, and how they are read.
    #[serde(default)]
    pub studies: StudiesConfig,
    /// When rows are committed.
    #[serde(default)]
    pub flush: FlushConfig,
    /// What may be held and done at a time.
    #[serde(default)]
    pub limits: Limits,
    /// How often and when what may pass is tried again.
    #[serde(default)]
    pub retry: RetryConfig,
    /// How the worker lets go.
    pub shutdown: ShutdownConfig,
    /// Metrics and health.
    pub http: HttpConfig,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

/// `[lake]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LakeConfig {
    /// A folder or `s3://bucket/prefix`. Credentials, region and endpoint come from the AWS environment or profile.
    pub url: String,
}

/// `[topics]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Topics {
    /// Topics of new studies: they go first.
    pub live: Vec<String>,
    /// Topics of what can wait: nothing of them begins while anything of `live` waits.
    pub backfill: Vec<String>,
}

impl Default for Topics {
    fn default() -> Self {
        Self { live: vec!["bolus.studies".into()], backfill: vec!["bolus.studies.backfill".into()] }
    }
}

impl Topics {
    /// All topics, in the order of their lanes.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.live.iter().chain(&self.backfill).cloned().collect()
    }

    /// The lane of `topic`: 0 for live, 1 for backfill.
    #[must_use]
    pub fn lane(&self, topic: &str) -> usize {
        usize::from(!self.live.iter().any(|live| live == topic))
    }
}

/// `[model]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// The bundle: a name below the folders, a bundle's folder, or `auto` for the default bundle of each series' body part.
    pub name: String,
    /// Whether slices are scored only until the class of a series is settled.
    pub adaptive: bool,
    /// Refusals that are overridden, by their reason codes, such as `derived`.
    pub allow: Vec<String>,
    /// Folders that hold bundles, searched before `./models`.
    pub folders: Vec<PathBuf>,
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// Threads for decoding and for the network; one a core where absent.
    pub threads: Option<usize>,
    /// Slices in one batch of the network; by default 4 on a CPU and 32 on CUDA.
    pub batch: Option<usize>,
    /// Most GPU memory of the CUDA provider's arena.
    pub cuda_memory: Option<ByteSize>,
}

impl ModelConfig {
    /// The refusals that are overridden.
    ///
    /// # Errors
    /// Names the code that cannot be.
    pub fn allowed(&self) -> Result<Allowed, NotAllowable> {
        Allowed::of(self.allow.iter().map(String::as_str))
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            name: AUTO.into(),
            adaptive: false,
            allow: Vec::new(),
            folders: Vec::new(),
            device: "auto".into(),
            threads: None,
            batch: None,
            cuda_memory: None,
        }
    }
}

/// `[studies]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StudiesConfig {
    /// Buckets that events may name; empty means any. Events of others end as failed rows, and nothing of them is read.
    pub allowed_buckets: BTreeSet<String>,
    /// File with a secret key; stores HMAC-SHA-256 of the patient ID under it. Without it nothing of the ID is stored.
    pub patient_key_file: Option<PathBuf>,
    /// Where archives are expanded; the system's folder for temporary files where absent.
    pub spool: Option<PathBuf>,
}

/// `[flush]`: a commit is made when any of these is reached.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlushConfig {
    /// Time since the first event that waits for it, shortened by up to a fifth at random so that workers part.
    pub interval: Period,
    /// Rows.
    pub rows: usize,
    /// Memory of the rows.
    pub bytes: ByteSize,
    /// Events, with or without rows.
    pub events: usize,
}

impl Default for FlushConfig {
    fn default() -> Self {
        Self { interval: Period::from_secs(5), rows: 1_000, bytes: ByteSize::from_mib(32), events: 5_000 }
    }
}

/// `[limits]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Studies that are listed, read or labelled at the same time.
    pub studies: usize,
    /// Of these, kept free for the live topics.
    pub live_reserve: usize,
    /// Memory of events that are under way and of rows that have not landed; partitions pause at their share of it.
    pub memory: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { studies: 8, live_reserve: 2, memory: ByteSize::from_mib(128) }
    }
}

/// `[retry]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryConfig {
    /// Attempts in all, on top of the store client's own; after the last one the event ends as a failed row.
    pub attempts: u32,
    /// The first pause; each is twice the one before, and any length up to that.
    pub first_pause: Period,
    /// The longest pause.
    pub longest_pause: Period,
    /// Deaths of a worker's process under one record, the last of them with nothing else under way, after which the record
    /// ends as a failed row.
    pub deaths: u32,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { attempts: 5, first_pause: Period::from_millis(500), longest_pause: Period::from_secs(30), deaths: 3 }
    }
}

impl Config {
    /// Reads the configuration, and checks all of it that this machine has no part in.
    #[must_use]
    pub fn read(loader: Loader) -> Loaded<Self> {
        let mut loaded = loader
            .default_value("consumer.group", "bolus")
            .default_value("shutdown.drain", "25s")
            .default_value("http.listen", "127.0.0.1:9464")
            .read();
        loaded.check(Self::problems);
        loaded
    }

    /// The device, which [`Config::read`] has checked.
    #[must_use]
    pub fn device(&self) -> DeviceChoice {
        self.model.device.parse().unwrap_or(DeviceChoice::Auto)
    }

    /// How the worker reads its topics.
    #[must_use]
    pub fn consumer(&self) -> ConsumerConfig {
        let (group, revoke) = (self.consumer.group.clone(), self.shutdown.revoke);
        let consumer = self.consumer.consumer(&self.kafka, group, self.topics.all(), revoke);
        ConsumerConfig { assign_timeout: ASSIGN_TIMEOUT, ..consumer }
    }

    /// What of it will not do.
    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        let lake = Location::parse(&self.lake.url).and_then(|lake| lake.lake_url());
        problems.add(&["lake.url"], lake.err().map(|error| error.to_string()));
        problems.table("kafka", self.kafka.problems());
        problems.table("consumer", self.consumer.problems());
        let has_slash = self.consumer.group.contains('/');
        problems.add(&["consumer.group"], has_slash.then(|| "a slash would not be told from the topic".into()));
        problems.table("topics", self.topics.problems());
        problems.table("model", self.model.problems());
        problems.table("studies", self.studies.problems());
        problems.table("flush", self.flush.problems());
        problems.table("limits", self.limits.problems());
        let reserve = ["limits.live_reserve", "limits.studies", "topics.backfill"];
        problems.add(&reserve, self.reserve_problem());
        problems.table("retry", self.retry.problems());
        problems.add(&["shutdown.revoke"], self.consumer().revoke_problem());
        problems.table("telemetry", self.telemetry.problems());
        problems
    }

    fn reserve_problem(&self) -> Option<String> {
        let too_many = !self.topics.backfill.is_empty() && self.limits.live_reserve >= self.limits.studies;
        too_many
            .then(|| format!("expected less than limits.studies ({}), or backfill never begins", self.limits.studies))
    }
}

impl Topics {
    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        let topics = self.all();
        let none = topics.is_empty().then(|| "expected at least one topic, here or in topics.backfill".into());
        problems.add(&["live", "backfill"], none);
        let mut seen = BTreeSet::new();
        let twice = topics.iter().find(|topic| !seen.insert(*topic));
        problems.add(&["live", "backfill"], twice.map(|twice| format!("topic {twice} is named twice")));
        for (key, topics) in [("live", &self.live), ("backfill", &self.backfill)] {
            problems.add(&[key], topics.iter().find_map(|topic| topic_problem(topic)));
        }
        problems
    }
}

impl ModelConfig {
    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        problems.add(&["device"], self.device.parse::<DeviceChoice>().err());
        problems.add(&["allow"], self.allowed().err().map(|error| error.to_string()));
        problems
    }
}

impl StudiesConfig {
    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        let odd = self.allowed_buckets.iter().find(|bucket| !is_bucket_name(bucket));
        problems.add(&["allowed_buckets"], odd.map(|odd| format!("expected names of buckets, found \"{odd}\"")));
        problems
    }
}

impl FlushConfig {
    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        problems.add(&["interval"], more_than_zero(self.interval));
        problems.add(&["rows"], at_least_one(self.rows));
        problems.add(&["events"], at_least_one(self.events));
        problems
    }
}

impl Limits {
    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        problems.add(&["studies"], at_least_one(self.studies));
        problems.add(&["studies"], (self.studies > MOST_STUDIES).then(|| format!("expected at most {MOST_STUDIES}")));
        problems.add(&["memory"], (self.memory.0 < 1 << 20).then(|| "expected at least 1 MiB".into()));
        problems
    }
}

impl RetryConfig {
    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        problems.add(&["attempts"], at_least_one(self.attempts as usize));
        problems.add(&["deaths"], at_least_one(self.deaths as usize));
        problems
    }
}

#[cfg(test)]
mod tests {
    use bolus_ops::config::ConfigErrors;

    use super::*;

    const SMALLEST: &str = "[lake]\nurl = \"s3://lake\"\n[kafka]\nservers = \"localhost:9092\"\n";

    fn load(text: &str) -> Result<Config, ConfigErrors> {
        Config::read(Loader::new(ENVIRONMENT).text("worker.toml", text)).finish()
    }

    #[test]
    fn a_lake_and_a_broker_are_enough() {
        let config = load(SMALLEST).unwrap();
        assert_eq!(config.topics.all(), ["bolus.studies", "bolus.studies.backfill"]);
        assert_eq!((config.topics.lane("bolus.studies"), config.topics.lane("bolus.studies.backfill")), (0, 1));
    }

    #[test]
    fn the_example_holds_the_defaults() {
        let example = load(include_str!("../worker.example.toml")).unwrap();
        let mut smallest = load(SMALLEST).unwrap();
        smallest.lake.url.clone_from(&example.lake.url);
        smallest.telemetry.clone_from(&example.telemetry);
        assert_eq!(format!("{example:?}"), format!("{smallest:?}"));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_key() {
        for (text, named) in [
            ("", "lake"),
            ("[lake]\nurl = \"ftp://x\"\n[kafka]\nservers = \"s\"", "lake.url"),
            ("[kafka]\nservers = \"s\"\n[lake]\nurl = \"s3://l\"\nrul = 1", "rul"),
            (&format!("{SMALLEST}[flush]\nrows = 0"), "flush.rows"),
            (&format!("{SMALLEST}[flush]\ninterval = \"5\""), "flush.interval"),
            (&format!("{SMALLEST}[limits]\nstudies = 1000"), "limits.studies"),
            (&format!("{SMALLEST}[retry]\ndeaths = 0"), "retry.deaths"),
            (&format!("{SMALLEST}[topics]\nlive = [\"a\", \"a\"]"), "topics.live"),
            (&format!("{SMALLEST}[limits]\nlive_reserve = 8"), "limits.live_reserve"),
            (&format!("{SMALLEST}[model]\ndevice = \"tpu\""), "model.device"),
            (&format!("{SMALLEST}[model]\nallow = [\"truncated\"]"), "model.allow"),
            (&format!("{SMALLEST}[consumer]\ngroup = \"a/b\""), "consumer.group"),
            (&format!("{SMALLEST}[shutdown]\nrevoke = \"115s\""), "shutdown.revoke"),
            (&format!("{SMALLEST}[studies]\nallowed_buckets = [\"s3://a\"]"), "studies.allowed_buckets"),
            (&format!("{SMALLEST}[topics]\nlive = [\"^a\"]"), "topics.live"),
            (&format!("{SMALLEST}[kafka.security]\nprotocol = \"sasl_ssl\""), "kafka.security.mechanism"),
        ] {
            let errors = load(text).unwrap_err();
            assert!(errors.to_string().contains(named), "{errors}");
            assert_eq!(errors.iter().count(), if text.is_empty() { 2 } else { 1 }, "{errors}");
        }
    }

    #[test]
    fn a_limit_is_not_held_against_one_that_was_refused() {
        let errors = load(&format!("{SMALLEST}[limits]\nstudies = \"many\"\nlive_reserve = 50")).unwrap_err();
        assert!(errors.iter().count() == 1 && errors.to_string().contains("limits.studies"), "{errors}");
    }

    #[test]
    fn what_is_in_effect_can_be_loaded_again() {
        let more = "[model]\nthreads = 3\n[kafka.properties]\n\"socket.timeout.ms\" = \"100\"\n";
        let read = |text: &str| Config::read(Loader::new(ENVIRONMENT).text("worker.toml", text));
        let first = read(&format!("{SMALLEST}{more}"));
        let shown = first.show().unwrap();
        assert!(shown.contains("threads = 3  # worker.toml:6\n"), "{shown}");
        assert!(shown.contains("listen = \"127.0.0.1:9464\"\n"), "{shown}");
        assert_eq!(format!("{:?}", read(&shown).finish().unwrap()), format!("{:?}", first.finish().unwrap()));
    }
}
