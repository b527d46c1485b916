//! A broker of its own that is killed and started again while records pass.

use std::path::Path;
use std::process::Command;

use bolus_broker::{BrokerConfig, ConsumerConfig, Producer};

use crate::support::{Event, Log, Member, PATIENCE, Starts, broker, new_topic, number, unique, until};

/// A cluster of one node under `directory`, ended when it goes out of scope.
struct Cluster<'a> {
    directory: &'a Path,
}

impl Cluster<'_> {
    fn run(&self, verb: &str, more: &[&str]) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/kafka-server");
        let output = Command::new(script).arg(verb).arg(self.directory).args(more).output().unwrap();
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn start(&self) -> BrokerConfig {
        let exports = self.run("start", &[]);
        let servers = exports.trim().strip_prefix("export BOLUS_TEST_KAFKA_SERVERS=").unwrap();
        BrokerConfig::plaintext(servers)
    }
}

impl Drop for Cluster<'_> {
    fn drop(&mut self) {
        self.run("stop", &[]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_costs_no_acknowledged_record_and_doubles_none() {
    const COUNT: usize = 600;
    // The broker of the other tests stands for "brokers can be run here".
    if broker().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster { directory: directory.path() };
    let broker = cluster.start();
    let topic = new_topic(&broker, 1).await;
    let config = ConsumerConfig::new(broker.clone(), unique("group"), vec![topic.clone()]);
    let mut member = Member::join(config, Starts::default());

    let producer = Producer::start(&broker).unwrap();
    let sender = tokio::spawn(async move {
        for number in 0..COUNT {
            producer.send(&topic, b"key", number.to_string().as_bytes(), &[]).await.unwrap();
        }
        (producer, topic)
    });
    let mut numbers: Vec<usize> = member.take(50).await.iter().map(number).collect();
    tokio::task::block_in_place(|| {
        cluster.run("kill-node", &["1"]);
        cluster.run("start-node", &["1"]);
    });
    numbers.extend(member.take(COUNT - 50).await.iter().map(number));
    let (producer, topic) = sender.await.unwrap();
    assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
    // The partition is in order: what were doubled would come before a later record.
    producer.send(&topic, b"key", COUNT.to_string().as_bytes(), &[]).await.unwrap();
    assert_eq!(number(&member.next().await), COUNT);
    let fatal = |event: &Event| matches!(event, Event::Failed(error) if error.kind() != bolus_broker::ErrorKind::Retry);
    assert!(!member.events().iter().any(fatal), "{:?}", member.events());
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_had_no_broker_for_a_while_is_met_again() {
    if broker().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster { directory: directory.path() };
    let mut broker = cluster.start();
    let (log, servers) = (Log::kept(), format!("{:?}", broker.servers));
    // So that a question is sure to come while there is no broker.
    broker.properties.insert("topic.metadata.refresh.interval.ms".into(), "100".into());
    let topic = new_topic(&broker, 1).await;
    let config = ConsumerConfig::new(broker.clone(), unique("group"), vec![topic.clone()]);
    let mut member = Member::join(config, Starts::default());
    let producer = Producer::start(&broker).unwrap();
    producer.send(&topic, b"key", b"0", &[]).await.unwrap();
    assert_eq!(number(&member.next().await), 0);

    // The cluster fences a broker whose session is shorter than the time between its heartbeats, most of the time: it answers
    // questions, and tells that there is no broker. The library then forgets even the bootstrap servers.
    let settings = directory.path().join("node-1/server.properties");
    let sound = std::fs::read_to_string(&settings).unwrap();
    let fenced = "broker.session.timeout.ms=600\nbroker.heartbeat.interval.ms=3000";
    std::fs::write(&settings, sound.replace("broker.session.timeout.ms=3000", fenced)).unwrap();
    let restart = || {
        cluster.run("kill-node", &["1"]);
        cluster.run("start-node", &["1"]);
    };
    tokio::task::block_in_place(restart);
    let forgotten =
        || log.text().lines().filter(|line| line.contains("forgotten every") && line.contains(&servers)).count();
    until("two rescues, of consumer and producer", || (forgotten() >= 2).then_some(())).await;
    std::fs::write(&settings, sound).unwrap();
    tokio::task::block_in_place(restart);

    let sent = tokio::time::timeout(PATIENCE, producer.send(&topic, b"key", b"1", &[])).await;
    sent.expect("the producer has come back").unwrap();
    assert_eq!(number(&member.next().await), 1);
    member.stop().await;
}
