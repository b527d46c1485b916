//! How fast small records pass. The figure is printed; the bound is far below it, since the machine may be busy.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test binary uses a part of it")]
mod support;

use std::time::Instant;

use bolus_broker::{ConsumerConfig, Producer};

use support::{Member, Starts, broker, new_topic, unique};

/// Duplicates have to drain at 5,000 a second behind the consumer.
const LEAST_PER_SECOND: f64 = 10_000.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_records_pass_quickly() {
    const COUNT: usize = 200_000;
    const PAYLOAD: [u8; 300] = [b'x'; 300];
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 4).await;
    let producer = Producer::start(&broker).unwrap();
    let begun = Instant::now();
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
    let produced = COUNT as f64 / begun.elapsed().as_secs_f64();

    let config = ConsumerConfig::new(broker, unique("group"), vec![topic]);
    let mut member = Member::join(config, Starts::default());
    member.next().await;
    let begun = Instant::now();
    for _ in 1..COUNT {
        member.next().await;
    }
    let consumed = COUNT as f64 / begun.elapsed().as_secs_f64();
    println!("{produced:.0} records a second produced, {consumed:.0} consumed, of {} bytes", PAYLOAD.len());
    assert!(consumed > LEAST_PER_SECOND, "{consumed:.0} records a second");
    member.stop().await;
}
