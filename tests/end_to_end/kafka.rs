//! A real broker and a real S3 server, for the commands that go between them.

use std::process::Command;
use std::time::Duration;

use bolus_broker::{Admin, BrokerConfig, Consumer, ConsumerConfig, Control, NewTopic, Start};
use bolus_events::{Event, StudyContent, StudyEvent};
use bolus_testkit::servers::{self, S3};
use futures::{StreamExt, stream};
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

use crate::s3::client;
use crate::support::{Run, bolus, program};

/// The servers that `infra/test` starts, with a folder of the bucket and a topic for one test.
pub struct Site {
    pub bucket: String,
    /// A prefix of the bucket that is the test's own.
    pub prefix: String,
    pub topic: String,
    pub servers: String,
    s3: S3,
    store: AmazonS3,
}

/// A message of the topic.
pub struct Message {
    pub key: String,
    pub payload: Vec<u8>,
}

impl Message {
    pub fn study(&self) -> StudyEvent {
        let mut parsed = bolus_events::parse(&self.payload).unwrap();
        match parsed.events.pop() {
            Some(Event::Study(study)) => study,
            other => panic!("no study event: {other:?}"),
        }
    }

    pub fn prefix(&self) -> String {
        match self.study().content {
            StudyContent::Prefix(prefix) => prefix,
            StudyContent::Objects(objects) => panic!("objects, not a prefix: {objects:?}"),
        }
    }
}

impl Site {
    /// None where the servers are not there: see [`servers`].
    pub async fn new(test: &str) -> Option<Self> {
        let (servers, s3) = (servers::kafka()?, servers::s3()?);
        let name = format!("{test}-{}", std::process::id());
        let topic = NewTopic { name: name.clone(), partitions: 3, replication: 1, config: Vec::new() };
        Admin::start(&BrokerConfig::plaintext(&servers)).unwrap().create_topics(&[topic]).await.unwrap();
        let (bucket, store) = (s3.bucket.clone(), client(&s3));
        Some(Self { bucket, prefix: name.clone(), topic: name, servers, s3, store })
    }

    /// The test's folder of the bucket, as a URL with a slash at its end.
    pub fn url(&self) -> String {
        format!("s3://{}/{}/", self.bucket, self.prefix)
    }

    /// The program, for a test that stops it, with what it needs to find the bucket.
    pub fn command(&self, args: &[&str]) -> Command {
        self.pointed(program(), args)
    }

    pub fn bolus(&self, args: &[&str]) -> Run {
        Run::of(&self.pointed(bolus(), args).output().unwrap())
    }

    fn pointed(&self, mut command: Command, args: &[&str]) -> Command {
        command.args(args).envs(self.s3.variables());
        command
    }

    /// Runs the program with the broker and the topic named too.
    pub fn bolus_to_topic(&self, args: &[&str]) -> Run {
        let broker = ["--kafka", &self.servers, "--topic", &self.topic, "--json"];
        self.bolus(&[args, &broker].concat())
    }

    /// Writes an object below the test's folder.
    pub async fn put(&self, key: &str, bytes: impl Into<PutPayload>) {
        let path = Path::parse(format!("{}/{key}", self.prefix)).unwrap();
        self.store.put(&path, bytes.into()).await.unwrap();
    }

    /// Writes many small objects.
    pub async fn put_all(&self, keys: impl IntoIterator<Item = String>) {
        stream::iter(keys).for_each_concurrent(64, |key| async move { self.put(&key, "tiny").await }).await;
    }

    pub async fn delete(&self, key: &str) {
        self.store.delete(&Path::parse(format!("{}/{key}", self.prefix)).unwrap()).await.unwrap();
    }

    /// How many messages the topic holds.
    pub async fn count(&self) -> i64 {
        let admin = Admin::start(&BrokerConfig::plaintext(&self.servers)).unwrap();
        let offsets = admin.topic_offsets(&self.topic).await.unwrap();
        offsets.iter().map(|partition| partition.end - partition.earliest).sum()
    }

    /// Everything that the topic holds, by partition, in order.
    pub async fn messages(&self) -> Vec<Message> {
        let expected = usize::try_from(self.count().await).unwrap();
        let group = format!("{}-{expected}", self.topic);
        let config = ConsumerConfig::new(BrokerConfig::plaintext(&self.servers), group, vec![self.topic.clone()]);
        let (consumer, mut control, mut records) = Consumer::start(config).unwrap();
        let serving = tokio::spawn(async move {
            while let Some(event) = control.recv().await {
                match event {
                    Control::Assigned { partitions, reply, .. } => {
                        reply.send(partitions.into_iter().map(|partition| (partition, Start::Earliest)).collect());
                    }
                    Control::Revoked { reply, .. } => {
                        reply.send(());
                    }
                    Control::Failed(error) => println!("consumer: {error}"),
                }
            }
        });
        let mut found = Vec::new();
        while found.len() < expected {
            let record =
                tokio::time::timeout(Duration::from_secs(60), records.recv()).await.expect("a record").unwrap();
            let key = String::from_utf8(record.key.unwrap_or_default().to_vec()).unwrap();
            found.push(Message { key, payload: record.payload.unwrap_or_default().to_vec() });
        }
        drop(records);
        consumer.stop().await.unwrap();
        serving.await.unwrap();
        found
    }
}
