//! How fast small records pass, beside a bare consumer of librdkafka on the same records: the machine may be busy.

use std::time::{Duration, Instant};

use bolus_broker::{ConsumerConfig, Producer};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use crate::support::{Member, PATIENCE, Starts, broker, new_topic, unique};

const COUNT: usize = 100_000;
/// How much of the bare consumer's speed must be left. On an idle machine it is well over a half; an owner that lagged a
/// little and was paused for it each time had a fifth.
const LEAST_SHARE: f64 = 0.25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_records_pass_nearly_as_quickly_as_without_us() {
    const PAYLOAD: [u8; 300] = [b'x'; 300];
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 4).await;
    let producer = Producer::start(&broker).unwrap();
    let senders = (0..500).map(|sender| {
        let (producer, topic) = (producer.clone(), topic.clone());
        tokio::spawn(async move {
            for number in 0..COUNT / 500 {
                producer.send(&topic, format!("{sender}-{number}").as_bytes(), &PAYLOAD, &[]).await.unwrap();
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }

    // The same machine at nearly the same time; the better of two, since either may meet a pause.
    let mut share = 0.0_f64;
    for _ in 0..2 {
        let (servers, name) = (broker.servers.clone(), topic.clone());
        let bare = tokio::task::spawn_blocking(move || bare_seconds(&servers, &name)).await.unwrap();
        let config = ConsumerConfig::new(broker.clone(), unique("group"), vec![topic.clone()]);
        let mut member = Member::join(config, Starts::default());
        member.next().await;
        let begun = Instant::now();
        for _ in 1..COUNT {
            member.next().await;
        }
        let ours = begun.elapsed().as_secs_f64();
        member.stop().await;
        println!("{COUNT} records of {} bytes: {ours:.2} s, bare {bare:.2} s", PAYLOAD.len());
        share = share.max(bare / ours);
    }
    assert!(share > LEAST_SHARE, "{share:.2} of a bare consumer's speed");
}

/// How long librdkafka itself takes from the first record to the last.
fn bare_seconds(servers: &str, topic: &str) -> f64 {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("group.id", unique("bare")).set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = config.create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let next = || {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                break message.unwrap();
            }
            assert!(Instant::now() < deadline, "no record within {PATIENCE:?}");
        }
    };
    next();
    let begun = Instant::now();
    for _ in 1..COUNT {
        next();
    }
    begun.elapsed().as_secs_f64()
}
