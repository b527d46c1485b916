//! One test's share of the servers: topics, a folder of the bucket, a lake, and the workers that run on them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bolus_broker::{Admin, BrokerConfig, NewTopic, Producer};
use bolus_events::StudyEvent;
use bolus_lake::Lake;
use bolus_testkit::SyntheticSeries;
use bolus_testkit::servers::{self, S3};
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often a test looks.
pub const LOOK: Duration = Duration::from_millis(100);

/// The servers that `infra/test` starts, and this test's places on them.
pub struct World {
    name: String,
    servers: String,
    s3: S3,
    producer: Producer,
    pub folder: TempDir,
    pub live: String,
    pub backfill: String,
}

/// The bundles of the tests.
pub fn bundles() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/bundles")
}

impl World {
    /// Makes topics of `partitions` for the test `name`; none where the servers are not there.
    pub async fn new(name: &str, partitions: i32) -> Option<Self> {
        let (servers, s3) = (servers::kafka()?, servers::s3()?);
        let name = format!("streaming-{name}-{}", std::process::id());
        let broker = BrokerConfig::plaintext(&servers);
        let (live, backfill) = (format!("{name}.live"), format!("{name}.backfill"));
        let topics = [&live, &backfill].map(|topic| NewTopic {
            name: topic.clone(),
            partitions,
            replication: 1,
            config: Vec::new(),
        });
        Admin::start(&broker).unwrap().create_topics(&topics).await.unwrap();
        let producer = Producer::start(&broker).unwrap();
        Some(Self { name, servers, s3, producer, folder: tempfile::tempdir().unwrap(), live, backfill })
    }

    pub fn bucket(&self) -> &str {
        &self.s3.bucket
    }

    /// A prefix of the bucket that is this test's own.
    pub fn prefix(&self, study: &str) -> String {
        format!("{}/images/{study}", self.name)
    }

    /// Uploads study number `number`, one tiny series, and gives its prefix.
    pub async fn upload(&self, number: usize) -> String {
        let prefix = self.prefix(&format!("study-{number}"));
        let series = SyntheticSeries::tiny(&Self::series_uid(number), number);
        for slice in 0..series.slices {
            self.put(&format!("{prefix}/{slice}.dcm"), series.file(slice)).await;
        }
        prefix
    }

    /// The Series Instance UID of study number `number`.
    pub fn series_uid(number: usize) -> String {
        format!("1.2.826.0.1.3680043.10.1700.{}.{number}", std::process::id())
    }

    pub async fn put(&self, key: &str, bytes: Vec<u8>) {
        client(&self.s3).put(&Key::parse(key).unwrap(), bytes.into()).await.unwrap();
    }

    /// Uploads studies and publishes an event for each; `topic` is [`World::live`] or [`World::backfill`].
    pub async fn publish_studies(&self, topic: &str, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let event = StudyEvent::prefix(self.bucket(), self.upload(number).await);
            self.publish_event(topic, &event).await;
        }
    }

    pub async fn publish_event(&self, topic: &str, event: &StudyEvent) {
        self.publish(topic, event.partition_key().as_bytes(), &event.to_json()).await;
    }

    /// Sends one record; gives its partition and offset.
    pub async fn publish(&self, topic: &str, key: &[u8], payload: &[u8]) -> (i32, i64) {
        self.publish_with(topic, key, payload, &[]).await
    }

    /// Sends one record with headers.
    pub async fn publish_with(
        &self,
        topic: &str,
        key: &[u8],
        payload: &[u8],
        headers: &[(String, Bytes)],
    ) -> (i32, i64) {
        self.producer.send(topic, key, payload, headers).await.unwrap()
    }

    /// A worker's configuration: short times, and what `more` adds or replaces as `key=value` of the environment.
    fn command(&self, more: &[(&str, String)]) -> Command {
        let config = self.folder.path().join("worker.toml");
        std::fs::write(&config, self.config()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bolus-worker"));
        command.arg("--config").arg(config).env_remove("RUST_LOG").env_remove("FAILPOINTS");
        command.envs(self.s3.variables());
        command.envs(more.iter().map(|(name, value)| (name, value)));
        command
    }

    fn config(&self) -> String {
        let bundles = bundles();
        format!(
            r#"
lake.url = "s3://{}/{}/lake"
kafka.servers = "{}"
topics = {{ live = ["{}"], backfill = ["{}"] }}
consumer = {{ group = "{}", session_timeout = "6s" }}
model = {{ name = "cheap", folders = ["{}"], device = "cpu", threads = 1 }}
flush.interval = "300ms"
retry = {{ attempts = 3, first_pause = "50ms", longest_pause = "200ms" }}
http.listen = "127.0.0.1:0"
"#,
            self.s3.bucket,
            self.name,
            self.servers,
            self.live,
            self.backfill,
            self.name,
            bundles.display()
        )
    }

    /// Starts a worker; `more` are variables of its environment.
    pub fn worker(&self, more: &[(&str, String)]) -> Worker {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = self.folder.path().join(format!("worker-{number}.log"));
        let file = File::create(&log).unwrap();
        let process = self.command(more).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Worker { process, log }
    }

    async fn lake(&self) -> Option<Lake> {
        let store = PrefixStore::new(client(&self.s3), format!("{}/lake", self.name));
        let url = Url::parse(&format!("s3://{}/{}/lake", self.s3.bucket, self.name)).unwrap();
        Lake::open(&url, Arc::new(store) as Arc<dyn ObjectStore>).await.ok()
    }

    /// The rows of a query; none as long as there is no lake.
    pub async fn sql(&self, query: &str) -> Vec<Value> {
        let Some(lake) = self.lake().await else { return Vec::new() };
        let mut lines = Vec::new();
        lake.sql(query).await.unwrap().write_json_lines(&mut lines).await.unwrap();
        String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// How far the lake says that a partition is.
    pub async fn progress(&self, topic: &str, partition: i32) -> Option<i64> {
        let app_id = format!("bolus/{}/{topic}/{partition}", self.name);
        self.lake().await?.transaction_version(&app_id).await.unwrap()
    }

    /// The sum over all partitions of a topic.
    pub async fn progress_of_all(&self, topic: &str, partitions: i32) -> i64 {
        let mut sum = 0;
        for partition in 0..partitions {
            sum += self.progress(topic, partition).await.unwrap_or(0);
        }
        sum
    }

    /// Waits until the lake has `events` of `topic` behind it.
    pub async fn wait_for_progress(&self, topic: &str, partitions: i32, events: i64, worker: &mut Worker) {
        let start = Instant::now();
        loop {
            let progress = self.progress_of_all(topic, partitions).await;
            if progress >= events {
                assert_eq!(progress, events);
                return;
            }
            worker.assert_runs();
            assert!(start.elapsed() < PATIENCE, "{progress} of {events} events after {PATIENCE:?}\n{}", worker.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asserts that each of the studies has exactly one row, which is labelled, and that there is no other row.
    pub async fn assert_labelled(&self, numbers: std::ops::Range<usize>) {
        let rows = self.sql("SELECT series_instance_uid, status FROM labels").await;
        let mut found: Vec<&str> = rows.iter().filter_map(|row| row["series_instance_uid"].as_str()).collect();
        found.sort_unstable();
        let mut expected: Vec<String> = numbers.map(Self::series_uid).collect();
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert!(rows.iter().all(|row| row["status"] == "labelled"), "{rows:?}");
    }
}

/// A client of the bucket.
fn client(server: &S3) -> AmazonS3 {
    let settings = server.options().into_iter().map(|(name, value)| (name.parse().unwrap(), value));
    settings.fold(AmazonS3Builder::new(), |builder, (name, value)| builder.with_config(name, value)).build().unwrap()
}

/// A running worker; killed when dropped.
pub struct Worker {
    process: Child,
    log: PathBuf,
}

impl Worker {
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn assert_runs(&mut self) {
        if let Some(status) = self.process.try_wait().unwrap() {
            panic!("the worker has ended with {status}\n{}", self.log());
        }
    }

    pub fn terminate(&self) {
        self.signal("TERM");
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// How it has ended, if it does within `time`.
    pub async fn ended_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            let status = self.process.try_wait().unwrap();
            if status.is_some() || start.elapsed() > time {
                return status;
            }
            tokio::time::sleep(LOOK / 10).await;
        }
    }

    /// Waits for the end.
    pub async fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the worker does not end\n{}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the log holds `text`, and gives the rest of its line.
    pub async fn says(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some((_, rest)) = self.log().split_once(text) {
                return rest.lines().next().unwrap_or_default().to_owned();
            }
            self.assert_runs();
            assert!(start.elapsed() < PATIENCE, "the worker does not say {text:?}\n{}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Fetches `path` from the worker's own server.
    pub async fn fetch(&mut self, path: &str) -> String {
        tokio::time::timeout(PATIENCE, self.ask(path)).await.expect("an answer in time")
    }

    async fn ask(&mut self, path: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let address = self.says("address=").await;
        let address = address.split_whitespace().next().unwrap().to_owned();
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Waits until a metric, which may be set once a second only, is as `wanted`.
    pub async fn shows(&mut self, name: &str, wanted: impl Fn(f64) -> bool) {
        let start = Instant::now();
        loop {
            let value = self.metric(name).await;
            if wanted(value) {
                return;
            }
            self.assert_runs();
            assert!(start.elapsed() < PATIENCE, "{name} is {value}\n{}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The value of a metric, by its name and labels as they are told; 0 where it is not.
    pub async fn metric(&mut self, name: &str) -> f64 {
        let text = self.fetch("/metrics").await;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _status = self.process.wait();
    }
}
