//! One test's share of the servers: topics, a folder of the bucket, and the program that runs on them.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bolus_broker::{Admin, BrokerConfig, Consumer, ConsumerConfig, Control, NewTopic, Producer, Record, Start};
use bolus_events::{Event, StudyContent, StudyEvent};
use bolus_testkit::servers::{self, S3};
use object_store::ObjectStoreExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path as Key;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a test looks.
const LOOK: Duration = Duration::from_millis(50);

/// The name of the first member of the groups.
pub const FIRST: &str = "one";

pub struct World {
    pub bucket: String,
    pub admin: Admin,
    s3: S3,
    servers: String,
    name: String,
    producer: Producer,
    folder: TempDir,
    listen: String,
    /// What lies in the object topic and in the study topic.
    records: Arc<Mutex<Vec<Record>>>,
    _reader: Consumer,
}

/// A study event with its record.
#[derive(Debug, Clone)]
pub struct Ready {
    pub event: StudyEvent,
    pub key: String,
}

impl Ready {
    /// The folder, or the key of the only object.
    pub fn study(&self) -> &str {
        match &self.event.content {
            StudyContent::Prefix(prefix) => prefix,
            StudyContent::Objects(objects) => &objects[0].key,
        }
    }
}

impl World {
    /// None where the servers are not there: see [`servers`].
    pub async fn new(test: &str) -> Option<Self> {
        let (servers, s3) = (servers::kafka()?, servers::s3()?);
        let name = format!("assembler-{test}-{}", std::process::id());
        let broker = BrokerConfig::plaintext(&servers);
        let admin = Admin::start(&broker).unwrap();
        let topics = [("objects", 3), ("studies", 2)].map(|(topic, partitions)| NewTopic {
            name: format!("{name}.{topic}"),
            partitions,
            replication: 1,
            config: Vec::new(),
        });
        admin.create_topics(&topics).await.unwrap();
        let records = Arc::default();
        let reader =
            read_all(&broker, topics.map(|topic| topic.name).into(), &format!("{name}.test"), Arc::clone(&records));
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (producer, folder) = (Producer::start(&broker).unwrap(), tempfile::tempdir().unwrap());
        let listen = free.to_string();
        let bucket = s3.bucket.clone();
        Some(Self { bucket, s3, admin, servers, name, producer, folder, listen, records, _reader: reader })
    }

    pub fn topic(&self, kind: &str) -> String {
        format!("{}.{kind}", self.name)
    }

    pub fn group(&self, stage: &str) -> String {
        format!("{}.{stage}", self.name)
    }

    /// A key below this test's own folder.
    pub fn key(&self, rest: &str) -> String {
        format!("{}/{rest}", self.name)
    }

    pub async fn put(&self, key: &str) {
        let settings = self.s3.options().into_iter().map(|(name, value)| (name.parse().unwrap(), value));
        let builder = settings.fold(AmazonS3Builder::new(), |builder, (name, value)| builder.with_config(name, value));
        let store = builder.build().unwrap();
        store.put(&Key::parse(key).unwrap(), "slice".into()).await.unwrap();
    }

    /// Writes one record of our own to the internal topic.
    pub async fn pass_on(&self, study: &str, record: &[u8]) {
        self.producer.send(&self.topic("by-study"), study.as_bytes(), record, &[]).await.unwrap();
    }

    /// Writes one record to the object topic; gives its partition and offset.
    pub async fn notify(&self, payload: &str) -> (i32, i64) {
        // The key decides the partition: stores key by object, so that a study's notifications are spread.
        self.producer.send(&self.topic("objects"), payload.as_bytes(), payload.as_bytes(), &[]).await.unwrap()
    }

    fn config(&self, quiet: &str, instance: &str) -> String {
        let Self { servers, name, .. } = self;
        // The tests ask only the first one how it is.
        let listen = if instance == FIRST { &self.listen } else { "127.0.0.1:0" };
        format!(
            "[kafka]\nservers = \"{servers}\"\n[consumer]\ngroup = \"{name}\"\ninstance_id = \"{instance}\"\nsession_timeout = \"6s\"\n\
             [topics]\nobjects = [\"{name}.objects\"]\ninternal = \"{name}.by-study\"\ninternal_partitions = 2\n\
             internal_replication = 1\nstudies = \"{name}.studies\"\n\
             [study]\nquiet = \"{quiet}\"\nprogress = \"250ms\"\n[http]\nlisten = \"{listen}\"\n"
        )
    }

    /// Starts the program. Its log goes to a file that is printed where a test fails.
    pub fn start(&self, quiet: &str, instance: &str) -> Running {
        self.start_stages(quiet, instance, "route,assemble")
    }

    /// Starts a process that runs only some stages.
    pub fn start_stages(&self, quiet: &str, instance: &str, stages: &str) -> Running {
        let config = self.folder.path().join(format!("{instance}.toml"));
        std::fs::write(&config, self.config(quiet, instance)).unwrap();
        let log = self.folder.path().join(format!("{instance}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bolus-assembler"));
        command
            .arg("--config")
            .arg(config)
            .args(["--stages", stages])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file);
        command.envs(self.s3.variables());
        Running { child: command.spawn().unwrap(), log }
    }

    /// All study events so far, in order of each partition.
    pub fn ready(&self) -> Vec<Ready> {
        let topic = self.topic("studies");
        let records = self.records.lock().unwrap();
        let events = records.iter().filter(|record| *record.topic == *topic).filter_map(|record| {
            let parsed = bolus_events::parse(record.payload.as_deref()?).ok()?;
            let Some(Event::Study(event)) = parsed.events.into_iter().next() else { return None };
            let key = String::from_utf8(record.key.as_deref()?.to_vec()).unwrap();
            Some(Ready { event, key })
        });
        events.collect()
    }

    /// Records of the study topic that were forwarded from another one: by origin, the payload and the reason.
    pub fn forwarded(&self) -> BTreeMap<String, (Vec<u8>, String)> {
        let topic = self.topic("studies");
        let records = self.records.lock().unwrap();
        let forwarded = records.iter().filter(|record| *record.topic == *topic).filter_map(|record| {
            let header = |wanted: &str| {
                let value = &record.headers.iter().find(|(name, _)| name == wanted)?.1;
                Some(String::from_utf8(value.to_vec()).unwrap())
            };
            Some((header("bolus-origin")?, (record.payload.as_deref()?.to_vec(), header("bolus-reason")?)))
        });
        forwarded.collect()
    }

    /// When a record of the object topic was written, in milliseconds since 1970.
    pub fn written_ms(&self, (partition, offset): (i32, i64)) -> Option<i64> {
        let topic = self.topic("objects");
        let records = self.records.lock().unwrap();
        let is_it =
            |record: &&Record| *record.topic == *topic && record.partition == partition && record.offset == offset;
        records.iter().find(is_it)?.timestamp_ms
    }

    /// Waits until `look` gives something.
    pub async fn wait<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(started.elapsed() < PATIENCE, "waited too long for {what}; ready: {:#?}", self.ready());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What the program answers to `path`; none while it does not listen.
    pub async fn get(&self, path: &str) -> Option<String> {
        tokio::time::timeout(PATIENCE, self.ask(path)).await.expect("an answer in time")
    }

    async fn ask(&self, path: &str) -> Option<String> {
        let mut stream = tokio::net::TcpStream::connect(&self.listen).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: bolus\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    /// Waits until the first process has found its topics, and so has made the internal one.
    pub async fn wait_until_ready(&self) {
        let started = Instant::now();
        while !self.get("/readyz").await.is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            assert!(started.elapsed() < PATIENCE, "never ready");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until a metric, named with its labels as Prometheus reads them, is `expected`; one that is not told is 0.
    pub async fn shows(&self, name: &str, expected: f64) {
        let started = Instant::now();
        loop {
            let text = self.get("/metrics").await.unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let value: f64 = line.map_or(0.0, |value| value.parse().unwrap());
            if !text.is_empty() && (value - expected).abs() < f64::EPSILON {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{name} is {value}, not {expected}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The program; killed when it is dropped.
pub struct Running {
    child: Child,
    log: std::path::PathBuf,
}

impl Running {
    /// Ends it as a crash does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it by SIGTERM, and waits.
    pub fn terminate(mut self) -> ExitStatus {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "does not end by SIGTERM");
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Reads `topics` from their beginning into `records`.
fn read_all(broker: &BrokerConfig, topics: Vec<String>, group: &str, records: Arc<Mutex<Vec<Record>>>) -> Consumer {
    let (consumer, mut controls, mut incoming) =
        Consumer::start(ConsumerConfig::new(broker.clone(), group, topics)).unwrap();
    tokio::spawn(async move {
        while let Some(control) = controls.recv().await {
            match control {
                Control::Assigned { partitions, reply, .. } => {
                    reply.send(partitions.into_iter().map(|partition| (partition, Start::Earliest)).collect());
                }
                Control::Revoked { reply, .. } => {
                    reply.send(());
                }
                Control::Failed(error) => println!("the test's consumer: {error}"),
            }
        }
    });
    tokio::spawn(async move {
        while let Some(record) = incoming.recv().await {
            records.lock().unwrap().push(record);
        }
    });
    consumer
}
