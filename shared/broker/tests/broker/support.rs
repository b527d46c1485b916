//! A member of a group under test, and topics of its own for each test.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bolus_broker::{
    Admin, BrokerConfig, BrokerError, Consumer, ConsumerConfig, Control, ErrorKind, NewTopic, Producer, Record,
    Records, Start, TopicPartition,
};

/// How long any one thing may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The plain-text broker; see [`bolus_testkit::servers`] for what happens where there is none.
pub fn broker() -> Option<BrokerConfig> {
    bolus_testkit::servers::kafka().map(BrokerConfig::plaintext)
}

/// What all tests of this process log, librdkafka's lines too.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The log, kept from the first call on.
    pub fn kept() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Self::default();
            let sink = log.clone();
            tracing_subscriber::fmt()
                .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
                .with_ansi(false)
                .with_writer(move || sink.clone())
                .init();
            log
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn unique(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::new_v4().simple())
}

/// Makes a topic with `partitions` partitions and a name of its own.
pub async fn new_topic(broker: &BrokerConfig, partitions: i32) -> String {
    let name = unique("test");
    let topic = NewTopic { name: name.clone(), partitions, replication: 1, config: vec![] };
    Admin::start(broker).unwrap().create_topics(&[topic]).await.unwrap();
    name
}

/// Sends `count` records, `n` as the payload of the n-th, keyed by `key(n)`.
pub async fn fill(broker: &BrokerConfig, topic: &str, numbers: std::ops::Range<usize>) {
    let producer = Producer::start(broker).unwrap();
    let sends = numbers.map(|number| {
        let (producer, topic) = (producer.clone(), topic.to_owned());
        tokio::spawn(async move {
            producer.send(&topic, format!("key-{number}").as_bytes(), number.to_string().as_bytes(), &[]).await
        })
    });
    for send in sends.collect::<Vec<_>>() {
        send.await.unwrap().unwrap();
    }
}

/// What a group did to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Assigned(Vec<TopicPartition>, u64),
    Revoked(Vec<TopicPartition>, bool),
    Failed(BrokerError),
}

/// Where partitions start; what is not named starts at the earliest record.
pub type Starts = Arc<Mutex<BTreeMap<TopicPartition, Start>>>;

/// A consumer whose control events are answered by a task and kept.
pub struct Member {
    pub consumer: Arc<Consumer>,
    pub records: Records,
    pub events: Arc<Mutex<Vec<Event>>>,
    /// While set, assignments are not answered.
    pub stall: Arc<AtomicBool>,
    control: tokio::task::JoinHandle<()>,
}

impl Member {
    pub fn join(config: ConsumerConfig, starts: Starts) -> Self {
        let (consumer, mut control, records) = Consumer::start(config).unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let stall = Arc::new(AtomicBool::new(false));
        let (log, stalled) = (Arc::clone(&events), Arc::clone(&stall));
        let control = tokio::spawn(async move {
            // Replies that are kept unanswered.
            let mut kept = Vec::new();
            while let Some(event) = control.recv().await {
                match event {
                    Control::Assigned { partitions, generation, reply } => {
                        log.lock().unwrap().push(Event::Assigned(partitions.clone(), generation));
                        if stalled.load(Ordering::Relaxed) {
                            kept.push(reply);
                            continue;
                        }
                        let starts = starts.lock().unwrap();
                        let start = |partition: TopicPartition| {
                            let start = starts.get(&partition).copied().unwrap_or(Start::Earliest);
                            (partition, start)
                        };
                        reply.send(partitions.into_iter().map(start).collect());
                    }
                    Control::Revoked { partitions, lost, reply } => {
                        log.lock().unwrap().push(Event::Revoked(partitions, lost));
                        reply.send(());
                    }
                    Control::Failed(error) => log.lock().unwrap().push(Event::Failed(error)),
                }
            }
        });
        Self { consumer: Arc::new(consumer), records, events, stall, control }
    }

    pub async fn next(&mut self) -> Record {
        tokio::time::timeout(PATIENCE, self.records.recv()).await.expect("a record in time").expect("a live consumer")
    }

    pub async fn take(&mut self, count: usize) -> Vec<Record> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            taken.push(self.next().await);
        }
        taken
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// Waits until an event satisfies `condition`.
    pub async fn until<T>(&self, what: &str, condition: impl Fn(&Event) -> Option<T>) -> T {
        until(what, || self.events.lock().unwrap().iter().find_map(&condition)).await
    }

    pub async fn until_failed(&self) -> BrokerError {
        self.until("a failure", |event| match event {
            Event::Failed(error) => Some(error.clone()),
            _ => None,
        })
        .await
    }

    pub async fn until_assigned(&self) -> Vec<TopicPartition> {
        self.until("an assignment", |event| match event {
            Event::Assigned(partitions, _) => Some(partitions.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until the consumer's thread has obeyed all commands before this one, and so stands between two polls.
    pub async fn until_obeyed(&self) {
        let nobodys = TopicPartition::new("nobodys", 0);
        let answer = tokio::time::timeout(PATIENCE, self.consumer.reset(&nobodys, 0)).await.expect("an answer in time");
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Retry, "a partition of nobody's");
    }

    /// The partitions owned, by what was assigned and revoked so far.
    pub fn owned(&self) -> Vec<TopicPartition> {
        owned(&self.events())
    }

    pub async fn stop(self) {
        drop(self.records);
        let stopped = async {
            Arc::into_inner(self.consumer).expect("the only handle").stop().await.unwrap();
            self.control.await.unwrap();
        };
        tokio::time::timeout(PATIENCE, stopped).await.expect("an end in time");
    }
}

pub fn owned(events: &[Event]) -> Vec<TopicPartition> {
    let mut owned = std::collections::BTreeSet::new();
    for event in events {
        match event {
            Event::Assigned(partitions, _) => owned.extend(partitions.iter().cloned()),
            Event::Revoked(partitions, _) => owned.retain(|partition| !partitions.contains(partition)),
            Event::Failed(_) => {}
        }
    }
    owned.into_iter().collect()
}

/// Looks again and again until there is an answer.
pub async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what} within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn number(record: &Record) -> usize {
    std::str::from_utf8(record.payload.as_deref().unwrap()).unwrap().parse().unwrap()
}
