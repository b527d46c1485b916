//! Several members of one group against a real broker: cooperative and eager rebalances, static membership.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bolus_broker::{BrokerConfig, Consumer, ConsumerConfig, Control, Note, Record, Start, TopicPartition};

use crate::support::{Event, Member, PATIENCE, Starts, broker, fill, new_topic, unique, until};

fn config(broker: &BrokerConfig, group: &str, topic: &str) -> ConsumerConfig {
    let mut config = ConsumerConfig::new(broker.clone(), group, vec![topic.to_owned()]);
    config.session_timeout = Duration::from_secs(6);
    config
}

/// A task that takes every record of a member and writes progress down as the lake would: a record counts only under
/// the newest generation of its partition, and the next owner starts where the progress stands.
struct Reader {
    progress: Starts,
    delivered: Arc<Mutex<Vec<Record>>>,
}

impl Reader {
    fn new() -> Self {
        Self { progress: Starts::default(), delivered: Arc::default() }
    }

    /// Takes one record if one is there.
    fn step(&self, member: &mut Member) {
        let Some(record) = member.records.try_recv() else { return };
        let partition = record.topic_partition();
        let newest = member.events().iter().rev().find_map(|event| match event {
            Event::Assigned(partitions, generation) if partitions.contains(&partition) => Some(*generation),
            _ => None,
        });
        if !member.owned().contains(&partition) || newest != Some(record.generation) {
            return;
        }
        self.progress.lock().unwrap().insert(partition, Start::Offset(record.offset + 1));
        self.delivered.lock().unwrap().push(record);
    }

    fn count(&self) -> usize {
        self.delivered.lock().unwrap().len()
    }

    /// Each partition's records in order, each once.
    fn check(&self, total: usize) {
        let mut next: BTreeMap<i32, i64> = BTreeMap::new();
        for record in self.delivered.lock().unwrap().iter() {
            let next = next.entry(record.partition).or_default();
            assert_eq!(record.offset, *next, "partition {}", record.partition);
            *next += 1;
        }
        assert_eq!(next.values().sum::<i64>(), i64::try_from(total).unwrap());
    }
}

/// Two members, the second joining and the first leaving while records flow.
async fn hand_over(broker: BrokerConfig) -> (Vec<Event>, Vec<Event>) {
    const TOTAL: usize = 3_000;
    let topic = new_topic(&broker, 6).await;
    let group = unique("group");
    let reader = Reader::new();
    let mut first = Member::join(config(&broker, &group, &topic), Arc::clone(&reader.progress));
    fill(&broker, &topic, 0..TOTAL / 3).await;
    until("the first records", || {
        reader.step(&mut first);
        (reader.count() >= 200).then_some(())
    })
    .await;

    let mut second = Member::join(config(&broker, &group, &topic), Arc::clone(&reader.progress));
    fill(&broker, &topic, TOTAL / 3..2 * TOTAL / 3).await;
    until("a share for each", || {
        for _ in 0..20 {
            reader.step(&mut first);
            reader.step(&mut second);
        }
        let shares = [first.owned().len(), second.owned().len()];
        (shares == [3, 3] && reader.count() == 2 * TOTAL / 3).then_some(())
    })
    .await;

    let events = first.events();
    first.stop().await;
    fill(&broker, &topic, 2 * TOTAL / 3..TOTAL).await;
    until("the rest", || {
        for _ in 0..20 {
            reader.step(&mut second);
        }
        (second.owned().len() == 6 && reader.count() == TOTAL).then_some(())
    })
    .await;
    reader.check(TOTAL);
    let seconds = second.events();
    second.stop().await;
    (events, seconds)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cooperative_rebalance_moves_only_what_must_move_and_delivers_every_record_once() {
    let Some(broker) = broker() else { return };
    let (first, second) = hand_over(broker).await;
    let revoked: usize = first.iter().map(|event| if let Event::Revoked(of, _) = event { of.len() } else { 0 }).sum();
    assert_eq!(revoked, 3, "{first:?}");
    assert!(!second.iter().any(|event| matches!(event, Event::Revoked(..))), "{second:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_eager_rebalance_delivers_every_record_once_too() {
    let Some(mut broker) = broker() else { return };
    broker.properties.insert("partition.assignment.strategy".into(), "range".into());
    let (first, _) = hand_over(broker).await;
    let revoked: usize = first.iter().map(|event| if let Event::Revoked(of, _) = event { of.len() } else { 0 }).sum();
    assert_eq!(revoked, 6, "all is taken and dealt anew: {first:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_member_that_comes_back_moves_nothing() {
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 4).await;
    let group = unique("group");
    let member = |name: &str| {
        let mut config = config(&broker, &group, &topic);
        config.instance_id = Some(name.to_owned());
        config.session_timeout = Duration::from_secs(30);
        Member::join(config, Starts::default())
    };
    let (stays, leaves) = (member("a"), member("b"));
    until("a share for each", || (stays.owned().len() == 2 && leaves.owned().len() == 2).then_some(())).await;
    let (share, others, before) = (leaves.owned(), stays.owned(), stays.events().len());
    leaves.stop().await;

    let mut back = member("b");
    let assigned: Vec<TopicPartition> = back.until_assigned().await;
    assert_eq!(assigned, share);
    fill(&broker, &topic, 0..100).await;
    assert!(share.contains(&back.next().await.topic_partition()));
    assert_eq!(stays.events().len(), before, "the other member noticed nothing: {:?}", stays.events());
    assert_eq!(stays.owned(), others);
    back.stop().await;
    stays.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_members_of_one_static_name_end_in_a_fatal_error_for_the_elder() {
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 1).await;
    let mut config = config(&broker, &unique("group"), &topic);
    config.instance_id = Some("same".to_owned());
    let elder = Member::join(config.clone(), Starts::default());
    elder.until_assigned().await;
    let younger = Member::join(config, Starts::default());
    younger.until_assigned().await;
    let error = elder
        .until("a fatal failure", |event| match event {
            Event::Failed(error) if error.kind() == bolus_broker::ErrorKind::Fatal => Some(error.clone()),
            _ => None,
        })
        .await;
    assert!(error.to_string().contains("group"), "{error}");
    elder.stop().await;
    younger.stop().await;
}

/// The old owner's silence holds the partitions back until the deadline, and no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_waits_for_its_reply_until_the_deadline() {
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 2).await;
    let group = unique("group");
    let mut config = config(&broker, &group, &topic);
    let deadline = Duration::from_secs(3);
    config.revoke_timeout = deadline;
    let (consumer, mut control, _records) = Consumer::start(config.clone()).unwrap();
    let assigned = tokio::time::timeout(PATIENCE, control.recv()).await.unwrap();
    let Some(Control::Assigned { partitions, reply, .. }) = assigned else { panic!("an assignment first") };
    assert!(reply.send(partitions.into_iter().map(|partition| (partition, Start::Earliest)).collect()));

    let second = Member::join(config, Starts::default());
    let revoked = tokio::time::timeout(PATIENCE, control.recv()).await.unwrap();
    let Some(Control::Revoked { partitions, lost, reply }) = revoked else { panic!("a revocation next") };
    assert_eq!((partitions.len(), lost), (1, false));
    let asked = std::time::Instant::now();
    until("the partition's new owner", || (second.owned() == partitions).then_some(())).await;
    let waited = asked.elapsed();
    // Half of it: the consumer's clock starts before ours, on a busy machine well before.
    assert!(waited > deadline / 2, "given up after {waited:?}, unanswered");
    assert!(!reply.send(()), "the answer comes too late, and is told so");
    second.stop().await;
    drop(control);
    consumer.stop().await.unwrap();
}

#[tokio::test]
async fn notes_outlive_the_member_that_wrote_them() {
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 3).await;
    let config = config(&broker, &unique("notes"), &topic);
    let partitions: Vec<TopicPartition> = (0..3).map(|number| TopicPartition::new(topic.as_str(), number)).collect();
    let note = |partition: &TopicPartition, offset: i64, text: &str| Note {
        partition: partition.clone(),
        offset,
        text: text.to_owned(),
    };
    let first = Member::join(config.clone(), Starts::default());
    first.until_assigned().await;
    assert_eq!(first.consumer.notes(&partitions).await.unwrap(), ["", "", ""]);
    let long = "x".repeat(4_000);
    let written = vec![note(&partitions[0], 0, "one"), note(&partitions[2], 7, &long)];
    first.consumer.commit_noted(written).await.unwrap();
    // A later commit of one partition replaces its note, and that alone.
    first.consumer.commit_noted(vec![note(&partitions[0], 0, "two")]).await.unwrap();
    assert_eq!(first.consumer.notes(&partitions).await.unwrap(), ["two", "", long.as_str()]);
    let too_long = vec![note(&partitions[1], 0, &"x".repeat(5_000))];
    assert!(first.consumer.commit_noted(too_long).await.is_err(), "the broker takes 4,096 bytes");
    first.stop().await;
    let second = Member::join(config, Starts::default());
    second.until_assigned().await;
    assert_eq!(second.consumer.notes(&partitions).await.unwrap(), ["two", "", long.as_str()]);
    second.stop().await;
}
