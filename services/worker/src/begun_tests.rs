//! What begins when, against a broker that answers when it is told to.

use std::time::Duration;

use bolus_broker::{BrokerConfig, ConsumerConfig};
use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::*;

/// A broker that takes one request for each permit, and keeps what it took.
struct FakeBroker {
    permits: Semaphore,
    failures: Mutex<usize>,
    taken: Mutex<Vec<Vec<Note>>>,
}

impl FakeBroker {
    fn new(permits: usize, failures: usize) -> Arc<Self> {
        Arc::new(Self { permits: Semaphore::new(permits), failures: Mutex::new(failures), taken: Mutex::default() })
    }

    fn requests(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    /// The newest note of a partition.
    fn note(&self, partition: &TopicPartition) -> String {
        let taken = self.taken.lock().unwrap();
        let of_it = taken.iter().flatten().rev().find(|note| note.partition == *partition);
        of_it.map(|note| note.text.clone()).unwrap_or_default()
    }
}

impl Notes for FakeBroker {
    fn write(&self, notes: Vec<Note>) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            self.permits.acquire().await.unwrap().forget();
            let mut failures = self.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                let nameless = ConsumerConfig::new(BrokerConfig::plaintext("nowhere:1"), "", Vec::new());
                return Err(Consumer::start(nameless).map(drop).unwrap_err());
            }
            self.taken.lock().unwrap().push(notes);
            Ok(())
        })
    }
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("t", number)
}

fn ticket(number: i32, offset: i64) -> Ticket {
    Ticket { partition: partition(number), generation: 1, offset }
}

/// Lets every task run that can.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_attempt_begins_once_the_broker_has_its_mark_and_marks_share_requests() {
    let (broker, begun) = (FakeBroker::new(0, 0), Begun::new(3));
    begun.assign(partition(0), 1, Some(10), "");
    begun.assign(partition(1), 1, None, "");
    let keeper = begun.keep(Arc::clone(&broker) as Arc<dyn Notes>);
    let begin = |number: i32, offset: i64| {
        let begun = begun.clone();
        tokio::spawn(async move { begun.begin(&ticket(number, offset)).await })
    };
    let first = begin(0, 10);
    settle().await;
    let others = [begin(0, 11), begin(1, 7), begin(0, 12)];
    settle().await;
    assert!(!first.is_finished() && others.iter().all(|other| !other.is_finished()));
    broker.permits.add_permits(1);
    let first = first.await.unwrap().unwrap();
    settle().await;
    assert!(others.iter().all(|other| !other.is_finished()), "their marks came too late for the first request");
    broker.permits.add_permits(1);
    for other in others {
        drop(other.await.unwrap().unwrap());
    }
    assert_eq!(broker.requests(), 2);
    assert_eq!(broker.note(&partition(0)), format!("bolus-begun/1 {} 10 0:0o 1:0o 2:0o", begun.shared.process));
    assert_eq!(broker.note(&partition(1)), format!("bolus-begun/1 {} 7 0:0o", begun.shared.process));
    // What has ended goes with the next note, here that of a commit.
    begun.end(&ticket(0, 11));
    begun.landed(&partition(0), 10);
    broker.permits.add_permits(1);
    settle().await;
    assert_eq!(broker.note(&partition(0)), format!("bolus-begun/1 {} 10 0:0o", begun.shared.process));
    // What is let go leaves nothing behind.
    broker.permits.add_permits(1);
    begun.release(vec![partition(0), partition(1)]).await;
    assert_eq!(broker.note(&partition(0)), format!("bolus-begun/1 {} 10", begun.shared.process));
    assert!(begun.known().is_empty() && begun.begin(&ticket(0, 13)).await.is_none());
    drop(first);
    keeper.abort();
}

#[tokio::test]
async fn a_broker_that_fails_is_asked_again_and_nothing_begins_meanwhile() {
    let (broker, begun) = (FakeBroker::new(3, 2), Begun::new(3));
    begun.assign(partition(0), 1, Some(0), "");
    let keeper = begun.keep(Arc::clone(&broker) as Arc<dyn Notes>);
    let under_way = tokio::time::timeout(Duration::from_secs(60), begun.begin(&ticket(0, 0))).await.unwrap();
    assert!(under_way.is_some());
    assert_eq!(*broker.failures.lock().unwrap(), 0);
    assert_eq!(broker.requests(), 1);
    keeper.abort();
}

#[tokio::test]
async fn a_suspect_runs_alone_whatever_the_partition() {
    let (broker, begun) = (FakeBroker::new(1_000, 0), Begun::new(3));
    begun.assign(partition(0), 1, Some(0), "bolus-begun/1 another 0 1:0o 2:0o");
    begun.assign(partition(1), 1, Some(0), "");
    assert_eq!(begun.standing(&ticket(0, 1)), Some(Standing::Suspect));
    let keeper = begun.keep(Arc::clone(&broker) as Arc<dyn Notes>);
    let beside = begun.begin(&ticket(1, 0)).await.unwrap();
    let suspect = tokio::spawn({
        let begun = begun.clone();
        async move { begun.begin(&ticket(0, 1)).await }
    });
    settle().await;
    assert!(!suspect.is_finished(), "another record is under way");
    drop(beside);
    let suspect = suspect.await.unwrap().unwrap();
    let next = tokio::spawn({
        let begun = begun.clone();
        async move { begun.begin(&ticket(1, 1)).await }
    });
    settle().await;
    assert!(!next.is_finished(), "a suspect is under way");
    assert!(broker.note(&partition(0)).ends_with(" 0 1:1a 2:1"), "{}", broker.note(&partition(0)));
    assert!(!broker.note(&partition(1)).contains(":0o"), "nothing else is told to be under way");
    begun.end(&ticket(0, 1));
    drop(suspect);
    drop(next.await.unwrap().unwrap());
    assert_eq!(begun.standing(&ticket(0, 1)), Some(Standing::Clear));
    assert_eq!(begun.standing(&ticket(0, 2)), Some(Standing::Suspect));
    keeper.abort();
}

#[tokio::test]
async fn a_killer_keeps_its_mark_until_its_row_has_landed() {
    let (broker, begun) = (FakeBroker::new(1_000, 0), Begun::new(2));
    begun.assign(partition(0), 1, Some(5), "bolus-begun/1 another 5 0:1a");
    assert_eq!(begun.standing(&ticket(0, 5)), Some(Standing::Killer { deaths: 2 }));
    let keeper = begun.keep(Arc::clone(&broker) as Arc<dyn Notes>);
    begun.end(&ticket(0, 5));
    begun.release(vec![partition(0)]).await;
    begun.assign(partition(0), 2, Some(5), &broker.note(&partition(0)));
    let again = Ticket { generation: 2, ..ticket(0, 5) };
    assert_eq!(begun.standing(&again), Some(Standing::Killer { deaths: 2 }));
    assert_eq!(begun.standing(&ticket(0, 5)), None, "an older assignment's");
    begun.landed(&partition(0), 6);
    assert_eq!(begun.standing(&again), Some(Standing::Clear));
    keeper.abort();
}

proptest! {
    /// Whatever begins and ends in whatever order: with a suspect nothing else is under way, and everything gets its turn.
    #[test]
    fn everything_gets_its_turn(suspects in prop::collection::vec(any::<bool>(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (broker, begun) = (FakeBroker::new(10_000, 0), Begun::new(3));
            let marked = suspects.iter().enumerate().filter(|(_, suspect)| **suspect);
            let words: Vec<String> = marked.map(|(offset, _)| format!("{offset}:1")).collect();
            begun.assign(partition(0), 1, Some(0), format!("bolus-begun/1 another 0 {}", words.join(" ")).trim_end());
            let keeper = begun.keep(Arc::clone(&broker) as Arc<dyn Notes>);
            let running = Arc::new(Mutex::new((0_usize, 0_usize)));
            let tasks = suspects.iter().enumerate().map(|(offset, suspect)| {
                let (begun, running, suspect) = (begun.clone(), Arc::clone(&running), *suspect);
                tokio::spawn(async move {
                    let ticket = ticket(0, i64::try_from(offset).unwrap());
                    let under_way = begun.begin(&ticket).await.unwrap();
                    {
                        let mut running = running.lock().unwrap();
                        running.0 += 1;
                        running.1 += usize::from(suspect);
                        assert!(running.1 == 0 || running.0 == 1, "{running:?}");
                    }
                    tokio::task::yield_now().await;
                    {
                        let mut running = running.lock().unwrap();
                        running.0 -= 1;
                        running.1 -= usize::from(suspect);
                    }
                    begun.end(&ticket);
                    drop(under_way);
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                tokio::time::timeout(Duration::from_secs(60), task).await.expect("its turn in time").unwrap();
            }
            keeper.abort();
        });
    }
}
