//! A broker of its own that is killed and started again while records pass.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test binary uses a part of it")]
mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bolus_broker::{BrokerConfig, ConsumerConfig, Producer};

use support::{Event, Member, Starts, broker, new_topic, number, unique};

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
    });
    let mut numbers: Vec<usize> = member.take(50).await.iter().map(number).collect();
    tokio::task::block_in_place(|| {
        cluster.run("kill-node", &["1"]);
        cluster.run("start-node", &["1"]);
    });
    numbers.extend(member.take(COUNT - 50).await.iter().map(number));
    sender.await.unwrap();
    assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(member.records.try_recv().is_none());
    let fatal = |event: &Event| matches!(event, Event::Failed(error) if error.kind() != bolus_broker::ErrorKind::Retry);
    assert!(!member.events().iter().any(fatal), "{:?}", member.events());
    member.stop().await;
}
