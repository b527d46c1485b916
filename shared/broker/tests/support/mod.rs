//! A member of a group under test, and topics of its own for each test.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bolus_broker::{
    Admin, BrokerConfig, BrokerError, Consumer, ConsumerConfig, Control, NewTopic, Producer, Record, Records, Start,
    TopicPartition,
};

/// How long any one thing may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The plain-text broker; `None`, said aloud, where there is none. `infra/test` always has one.
pub fn broker() -> Option<BrokerConfig> {
    match std::env::var("BOLUS_TEST_KAFKA_SERVERS") {
        Ok(servers) => Some(BrokerConfig::plaintext(servers)),
        Err(_) => {
            eprintln!("SKIPPED: BOLUS_TEST_KAFKA_SERVERS is not set (infra/kafka-server start DIR --secure sets it)");
            None
        }
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

    /// The partitions owned, by what was assigned and revoked so far.
    pub fn owned(&self) -> Vec<TopicPartition> {
        owned(&self.events())
    }

    pub async fn stop(self) {
        drop(self.records);
        Arc::into_inner(self.consumer).expect("the only handle").stop().await.unwrap();
        self.control.await.unwrap();
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
