//! The worker's configuration: one TOML file, environment variables `BOLUS_WORKER__…`, and flags.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use bolus_broker::BrokerConfig;
use bolus_inference::{AUTO, DeviceChoice};
use bolus_ops::config::{ByteSize, ConfigError, Loaded, Loader, Period};
use bolus_ops::telemetry::TelemetryConfig;
use bolus_storage::Location;
use bolus_study::{Allowed, NotAllowable};
use serde::Deserialize;

/// The prefix of the environment variables: `BOLUS_WORKER__LAKE__URL` is `lake.url`.
pub const ENVIRONMENT: &str = "BOLUS_WORKER";

/// Most studies at a time: what is under way has to fit the note that the broker keeps of it.
const MOST_STUDIES: usize = 200;

/// Everything that the worker is told. `worker.example.toml` shows each key with its default.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where labels go.
    pub lake: LakeConfig,
    /// The broker.
    pub kafka: BrokerConfig,
    /// How the worker takes part in its group.
    #[serde(default)]
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
    #[serde(default)]
    pub shutdown: ShutdownConfig,
    /// Metrics and health.
    #[serde(default)]
    pub http: HttpConfig,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

/// `[lake]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LakeConfig {
    /// A folder or `s3://bucket/prefix`. Credentials, region and endpoint come from the AWS environment or profile.
    pub url: String,
}

/// `[consumer]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsumerSettings {
    /// The consumer group. Progress is kept in the lake under this name: another group begins at the beginning.
    pub group: String,
    /// A lasting name of this worker, unique in the group: a restart within `session_timeout` moves no partition.
    pub instance_id: Option<String>,
    /// A worker not heard of for so long loses its partitions.
    pub session_timeout: Period,
    /// Bytes of records that are fetched ahead of the worker.
    pub prefetch: ByteSize,
}

impl Default for ConsumerSettings {
    fn default() -> Self {
        Self {
            group: "bolus".into(),
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
#[derive(Debug, Clone, Deserialize)]
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
#[derive(Debug, Clone, Default, Deserialize)]
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
#[derive(Debug, Clone, Deserialize)]
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
#[derive(Debug, Clone, Deserialize)]
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
#[derive(Debug, Clone, Deserialize)]
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

/// `[shutdown]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// How long SIGTERM waits for studies under way and for the last commit.
    pub drain: Period,
    /// How long a partition that goes to another worker is held for the same. The group waits meanwhile.
    pub revoke: Period,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { drain: Period::from_secs(25), revoke: Period::from_secs(10) }
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
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9464)) }
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

    /// The device, which [`Config::load`] has checked.
    #[must_use]
    pub fn device(&self) -> DeviceChoice {
        self.model.device.parse().unwrap_or(DeviceChoice::Auto)
    }

    /// The first key whose value will not do, and why.
    fn problem(&self) -> Option<(&'static str, String)> {
        let checks = [
            ("lake.url", Location::parse(&self.lake.url).err().map(|error| error.to_string())),
            ("model.device", self.model.device.parse::<DeviceChoice>().err().map(|error| error.to_string())),
            ("model.allow", self.model.allowed().err().map(|error| error.to_string())),
            ("topics.live", self.topics_problem()),
            ("consumer.group", self.consumer.group.is_empty().then(|| "expected a name".into())),
            (
                "consumer.group",
                self.consumer.group.contains('/').then(|| "a slash would not be told from the topic".into()),
            ),
            ("flush.rows", at_least_one(self.flush.rows)),
            ("flush.events", at_least_one(self.flush.events)),
            ("flush.interval", self.flush.interval.0.is_zero().then(|| "expected more than zero".into())),
            ("limits.studies", at_least_one(self.limits.studies)),
            ("limits.live_reserve", self.reserve_problem()),
            ("limits.memory", (self.limits.memory.0 < 1 << 20).then(|| "expected at least 1 MiB".into())),
            (
                "limits.studies",
                (self.limits.studies > MOST_STUDIES).then(|| format!("expected at most {MOST_STUDIES}")),
            ),
            ("retry.attempts", at_least_one(self.retry.attempts as usize)),
            ("retry.deaths", at_least_one(self.retry.deaths as usize)),
        ];
        checks.into_iter().find_map(|(key, problem)| problem.map(|problem| (key, problem)))
    }

    fn topics_problem(&self) -> Option<String> {
        let topics = self.topics.all();
        let mut seen = BTreeSet::new();
        match topics.iter().find(|topic| !seen.insert(*topic)) {
            Some(twice) => Some(format!("topic {twice} is named twice")),
            None => topics.is_empty().then(|| "expected at least one topic, here or in topics.backfill".into()),
        }
    }

    fn reserve_problem(&self) -> Option<String> {
        let too_many = !self.topics.backfill.is_empty() && self.limits.live_reserve >= self.limits.studies;
        too_many
            .then(|| format!("expected less than limits.studies ({}), or backfill never begins", self.limits.studies))
    }
}

fn at_least_one(number: usize) -> Option<String> {
    (number == 0).then(|| "expected at least 1".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "[lake]\nurl = \"s3://lake\"\n[kafka]\nservers = \"localhost:9092\"\n";

    fn load(text: &str) -> Result<Config, ConfigError> {
        Config::load(Loader::new(ENVIRONMENT).text("worker.toml", text))
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
        ] {
            let message = load(text).unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
        }
    }
}
