//! One consumer against a real broker: starts, pauses, resets, back-pressure, lag.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bolus_broker::{
    Admin, BrokerConfig, Consumer, ConsumerConfig, Control, ErrorKind, Producer, Start, TopicPartition,
};
use bytes::Bytes;

use crate::support::{Event, Member, PATIENCE, Starts, broker, fill, new_topic, number, unique, until};

fn config(broker: &BrokerConfig, topic: &str) -> ConsumerConfig {
    ConsumerConfig::new(broker.clone(), unique("group"), vec![topic.to_owned()])
}

fn starts(list: impl IntoIterator<Item = (TopicPartition, Start)>) -> Starts {
    Arc::new(Mutex::new(list.into_iter().collect()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_partition_starts_at_its_offset_and_nothing_is_read_twice_or_skipped() {
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 4).await;
    fill(&broker, &topic, 0..2_000).await;
    let ends: BTreeMap<i32, i64> = offsets(&broker, &topic).await;
    assert_eq!(ends.values().sum::<i64>(), 2_000);

    // Offset 0 (which cannot be sought in some clients), one in the middle, the very end, and the earliest.
    let given = [Start::Offset(0), Start::Offset(17), Start::Offset(ends[&2]), Start::Earliest];
    let named = (0..).zip(given).map(|(partition, start)| (TopicPartition::new(topic.as_str(), partition), start));
    let mut member = Member::join(config(&broker, &topic), starts(named));
    let expected = ends[&0] + (ends[&1] - 17) + ends[&3];
    let records = member.take(usize::try_from(expected).unwrap()).await;
    let mut next = BTreeMap::from([(0, 0), (1, 17), (2, ends[&2]), (3, 0)]);
    for record in &records {
        let next = next.get_mut(&record.partition).unwrap();
        assert_eq!(record.offset, *next, "partition {}", record.partition);
        *next += 1;
        assert_eq!(record.key.as_deref().unwrap(), format!("key-{}", number(record)).as_bytes());
        assert!(record.timestamp_ms.unwrap() > 1_600_000_000_000);
    }
    assert_eq!(next, ends);
    assert!(member.records.try_recv().is_none());
    until("lag of nothing", || member.consumer.lag().iter().all(|(_, lag)| *lag == Some(0)).then_some(())).await;

    // What comes later is read on.
    fill(&broker, &topic, 2_000..2_010).await;
    let mut later: Vec<usize> = member.take(10).await.iter().map(number).collect();
    later.sort_unstable();
    assert_eq!(later, (2_000..2_010).collect::<Vec<_>>());
    member.stop().await;
}

async fn offsets(broker: &BrokerConfig, topic: &str) -> BTreeMap<i32, i64> {
    let offsets = Admin::start(broker).unwrap().topic_offsets(topic).await.unwrap();
    offsets.iter().map(|offset| (offset.partition, offset.end)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_the_partition_does_not_hold_is_an_error_and_never_a_jump() {
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 1).await;
    fill(&broker, &topic, 0..5).await;
    let named = starts([(TopicPartition::new(topic.as_str(), 0), Start::Offset(6))]);
    let mut member = Member::join(config(&broker, &topic), named);
    let error = member.until_failed().await;
    assert_eq!(error.kind(), ErrorKind::Fatal);
    let text = error.to_string();
    assert!(text.contains(&format!("{topic}/0 was to start at 6 but holds 0..5: the topic was made anew")), "{text}");
    assert!(text.contains(&broker.servers) && text.contains("group-"), "{text}");
    assert_eq!(tokio::time::timeout(PATIENCE, member.records.recv()).await.unwrap(), None, "the streams end");
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_groups_own_offset_is_the_start_where_that_is_asked_for() {
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 1).await;
    fill(&broker, &topic, 0..10).await;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let named = starts([(partition.clone(), Start::Committed)]);
    let config = config(&broker, &topic);
    let group = config.group.clone();

    let mut member = Member::join(config.clone(), Arc::clone(&named));
    assert_eq!(member.take(4).await[3].offset, 3, "a new group starts at the earliest record");
    member.consumer.commit(&[(partition.clone(), 4)]).unwrap();
    member.stop().await;

    let admin = Admin::start(&broker).unwrap();
    let lag = admin.group_lag(&group, &topic).await.unwrap();
    assert_eq!((lag[0].committed, lag[0].end, lag[0].lag), (Some(4), 10, 6), "a commit just before the stop arrives");
    let none = admin.group_lag(&unique("group"), &topic).await.unwrap();
    assert_eq!((none[0].committed, none[0].lag), (None, 10));

    let mut member = Member::join(config, named);
    assert_eq!(member.next().await.offset, 4);
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_channel_costs_neither_the_membership_nor_a_record() {
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 2).await;
    fill(&broker, &topic, 0..5_000).await;
    let mut config = config(&broker, &topic);
    config.channel_records = 10;
    config.session_timeout = Duration::from_millis(1_500);
    config.max_poll_interval = Duration::from_millis(2_000);
    config.assign_timeout = Duration::from_millis(1_000);
    config.revoke_timeout = Duration::from_millis(500);
    let poll_interval = config.max_poll_interval;
    let mut member = Member::join(config, Starts::default());
    member.until_assigned().await;

    // The owner is busy for longer than the poll interval, with the channel full. The broker's clock is the subject here.
    tokio::time::sleep(poll_interval * 5 / 2).await;
    let mut next = BTreeMap::from([(0, 0), (1, 0)]);
    for record in member.take(5_000).await {
        let next = next.get_mut(&record.partition).unwrap();
        assert_eq!(record.offset, *next);
        *next += 1;
    }
    assert_eq!(member.events().len(), 1, "no rebalance: {:?}", member.events());
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_channel_is_bounded_in_bytes() {
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 1).await;
    let producer = Producer::start(&broker).unwrap();
    // As large as the broker takes with its settings as they come (1 MiB with the record's own overhead).
    let payload: Vec<u8> = (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for _ in 0..12 {
        producer.send(&topic, b"key", &payload, &[]).await.unwrap();
    }
    let mut config = config(&broker, &topic);
    config.prefetch_bytes = 3 << 20;
    let mut member = Member::join(config, Starts::default());
    until("the first fetch", || member.knows_the_end().then_some(())).await;
    // Many polls, each of which takes a record or finds the channel full: enough to overfill it.
    for _ in 0..50 {
        member.until_obeyed().await;
    }
    let waiting = member.drain_without_waiting();
    assert!((1..=4).contains(&waiting.len()), "{} records of 1 MB wait", waiting.len());
    let rest = member.take(12 - waiting.len()).await;
    assert!(waiting.iter().chain(&rest).map(|record| record.offset).eq(0..12));
    assert!(waiting.iter().chain(&rest).all(|record| record.payload.as_deref() == Some(payload.as_slice())));
    member.stop().await;
}

impl Member {
    /// Whether the consumer has heard how many records there are.
    fn knows_the_end(&self) -> bool {
        self.consumer.lag().iter().any(|(_, lag)| *lag == Some(12))
    }

    fn drain_without_waiting(&mut self) -> Vec<bolus_broker::Record> {
        std::iter::from_fn(|| self.records.try_recv()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_partition_rests_and_goes_on_where_it_was() {
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 2).await;
    let mut member = Member::join(config(&broker, &topic), Starts::default());
    member.until_assigned().await;
    let rest = TopicPartition::new(topic.as_str(), 0);
    fill(&broker, &topic, 0..100).await;
    let ends = offsets(&broker, &topic).await;
    let mut taken = member.take(100).await.len();

    member.consumer.pause(std::slice::from_ref(&rest)).unwrap();
    member.until_obeyed().await;
    // Two rounds: what comes with the second is written after all of the first, and would come after it.
    let mut running = ends[&1];
    for round in [100..200, 200..300] {
        fill(&broker, &topic, round).await;
        let end = offsets(&broker, &topic).await[&1];
        assert!(end > running, "both partitions got records");
        for record in member.take(usize::try_from(end - running).unwrap()).await {
            assert_eq!(record.partition, 1, "the paused partition rests");
            taken += 1;
        }
        running = end;
    }
    assert!(member.records.try_recv().is_none(), "the paused partition rests");

    member.consumer.resume(&[rest]).unwrap();
    let more = offsets(&broker, &topic).await;
    let resumed = member.take(300 - taken).await;
    assert!(resumed.iter().all(|record| record.partition == 0));
    assert!(resumed.iter().map(|record| record.offset).eq(ends[&0]..more[&0]));
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_partition_is_read_again_under_a_new_generation() {
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 1).await;
    fill(&broker, &topic, 0..3_000).await;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let mut config = config(&broker, &topic);
    // Small, so that the reset meets a consumer that is held back, with records on their way.
    config.channel_records = 50;
    let mut member = Member::join(config, Starts::default());
    let first = member.take(100).await;
    let before = first[0].generation;

    for offset in [40, 0, 2_500, 7] {
        let generation = member.consumer.reset(&partition, offset).await.unwrap();
        assert!(generation > before);
        let mut fresh = vec![];
        while fresh.len() < 200 {
            let record = member.next().await;
            assert!(record.generation <= generation);
            if record.generation == generation {
                fresh.push(record.offset);
            }
        }
        assert!(fresh.iter().copied().eq(offset..offset + 200), "from {offset}: {fresh:?}");
    }

    let elsewhere = TopicPartition::new(topic.as_str(), 9);
    let error = member.consumer.reset(&elsewhere, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_assignment_that_nobody_answers_ends_the_consumer() {
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 1).await;
    fill(&broker, &topic, 0..5).await;
    let mut config = config(&broker, &topic);
    config.assign_timeout = Duration::from_millis(300);
    let mut member = Member::join(config.clone(), Starts::default());
    member.stall.store(true, Ordering::Relaxed);
    let error = member.until_failed().await;
    assert!(error.to_string().contains("no start offsets were given within 0.3 s"), "{error}");
    assert_eq!(tokio::time::timeout(PATIENCE, member.records.recv()).await.unwrap(), None);
    member.stop().await;

    let (consumer, mut control, mut records) = Consumer::start(config).unwrap();
    let mut failures = Vec::new();
    while let Some(event) = tokio::time::timeout(PATIENCE, control.recv()).await.unwrap() {
        match event {
            Control::Assigned { reply, .. } => drop(reply),
            Control::Failed(error) => failures.push(error.to_string()),
            Control::Revoked { .. } => panic!("nothing was owned"),
        }
    }
    let told = failures.iter().any(|error| error.contains("no start offsets were given by the owner"));
    assert!(told, "{failures:?}");
    assert_eq!(tokio::time::timeout(PATIENCE, records.recv()).await.unwrap(), None);
    consumer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_made_later_is_read() {
    let Some(broker) = broker() else { return };
    let topic = unique("late");
    let mut quick = broker.clone();
    quick.properties.insert("topic.metadata.refresh.interval.ms".into(), "200".into());
    let mut member = Member::join(config(&quick, &topic), Starts::default());
    let error = member.until_failed().await;
    assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
    assert!(error.to_string().contains(&topic), "{error}");
    let request = bolus_broker::NewTopic { name: topic.clone(), partitions: 1, replication: 1, config: vec![] };
    Admin::start(&broker).unwrap().create_topics(&[request]).await.unwrap();
    fill(&broker, &topic, 0..1).await;
    assert_eq!(number(&member.next().await), 0);
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_headers_and_tombstones_arrive_as_sent() {
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 1).await;
    let producer = Producer::start(&broker).unwrap();
    let headers = [("bolus-attempt".to_owned(), Bytes::from_static(b"2")), ("empty".to_owned(), Bytes::new())];
    let sent = producer.send(&topic, b"k\xff", b"\x00\xff", &headers).await.unwrap();
    assert_eq!(sent, (0, 0));
    let mut member = Member::join(config(&broker, &topic), Starts::default());
    let record = member.next().await;
    assert_eq!((record.key.as_deref(), record.payload.as_deref()), (Some(&b"k\xff"[..]), Some(&b"\x00\xff"[..])));
    assert_eq!(record.headers, headers);
    assert!(matches!(member.events()[0], Event::Assigned(_, generation) if generation == record.generation));
    member.stop().await;
}
