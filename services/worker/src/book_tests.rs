//! Two owners, one lake, and everything that may go wrong between them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const PARTITIONS: i32 = 2;

/// What a commit does to the lake: rows and progress at once, or nothing.
#[derive(Debug, Default)]
struct FakeLake {
    stands: BTreeMap<i32, i64>,
    rows: Vec<(i32, i64)>,
    /// Rows by key, as the lake drops keys that it has.
    keys: BTreeSet<(i32, i64)>,
}

impl FakeLake {
    /// The first partition that stands elsewhere than expected, else the parts land.
    fn append(&mut self, parts: &[Part<Vec<(i32, i64)>>]) -> Result<(), (i32, Option<i64>)> {
        for part in parts {
            let found = self.stands.get(&part.partition.partition).copied();
            if found != part.expected {
                return Err((part.partition.partition, found));
            }
        }
        for part in parts {
            self.stands.insert(part.partition.partition, part.next);
            for row in part.values.iter().flatten() {
                if self.keys.insert(*row) {
                    self.rows.push(*row);
                }
            }
        }
        Ok(())
    }
}

/// A worker as the shell around the book runs it.
#[derive(Default)]
struct Worker {
    book: Book<Vec<(i32, i64)>>,
    generation: u64,
    /// The next offset that the broker gives for each partition.
    position: BTreeMap<i32, i64>,
    open: Vec<Ticket>,
    writing: Vec<Part<Vec<(i32, i64)>>>,
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("studies", number)
}

impl Worker {
    fn assign(&mut self, number: i32, lake: &FakeLake) {
        self.generation += 1;
        let stands = lake.stands.get(&number).copied();
        self.position.insert(number, stands.unwrap_or(0));
        self.book.assign(partition(number), self.generation, stands, 0);
    }

    fn receive(&mut self, number: i32, log: &[u8]) {
        let Some(offset) = self.position.get_mut(&number) else { return };
        let Some(content) = log.get(usize::try_from(*offset).unwrap()) else { return };
        let ticket = Ticket { partition: partition(number), generation: 0, offset: *offset };
        let Some(generation) = self.book.generation(&ticket.partition) else { return };
        *offset += 1;
        if let Received::Begin(ticket) = self.book.receive(Ticket { generation, ..ticket }, 10, Some((*content).into()))
        {
            self.open.push(ticket);
        }
    }

    /// Ends an event: its row is named by its content, as a study's row is.
    fn finish(&mut self, which: usize, log: &[u8]) {
        if self.open.is_empty() {
            return;
        }
        let ticket = self.open.swap_remove(which % self.open.len());
        let content = i64::from(log[usize::try_from(ticket.offset).unwrap()]);
        let value = Some(vec![(ticket.partition.partition, content)]);
        self.book.finish(&ticket, 10, Ended { value, rows: 1, bytes: 5, failed: false });
    }

    /// Begins a commit where none is under way.
    fn draft(&mut self) {
        if self.writing.is_empty() {
            self.writing = self.book.draft();
        }
    }

    /// Ends the commit that is under way. `lost`: it takes effect and its answer is lost, so that it is tried again.
    fn write(&mut self, lake: &mut FakeLake, lost: bool) {
        while !self.writing.is_empty() {
            match lake.append(&self.writing) {
                Ok(()) if lost => {
                    // The same parts again, as after an unsettled commit.
                    let again = lake.append(&self.writing);
                    assert!(again.is_err());
                    self.settle(again.unwrap_err(), lake);
                }
                Ok(()) => {
                    for part in std::mem::take(&mut self.writing) {
                        self.book.landed(&part.partition, part.generation, part.next);
                    }
                }
                Err(fenced) => self.settle(fenced, lake),
            }
        }
    }

    fn settle(&mut self, (number, found): (i32, Option<i64>), lake: &FakeLake) {
        let place = self.writing.iter().position(|part| part.partition.partition == number).unwrap();
        let part = self.writing.remove(place);
        if found == Some(part.next) {
            self.book.landed(&part.partition, part.generation, part.next);
        } else if self.book.generation(&part.partition) == Some(part.generation) {
            self.assign(number, lake);
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Assign { worker: usize, number: i32 },
    Revoke { worker: usize, number: i32 },
    Receive { worker: usize, number: i32 },
    Finish { worker: usize, which: usize },
    Draft { worker: usize },
    Write { worker: usize, lost: bool },
    Crash { worker: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let worker = 0..2_usize;
    let number = 0..PARTITIONS;
    prop_oneof![
        1 => (worker.clone(), number.clone()).prop_map(|(worker, number)| Step::Assign { worker, number }),
        1 => (worker.clone(), number.clone()).prop_map(|(worker, number)| Step::Revoke { worker, number }),
        8 => (worker.clone(), number).prop_map(|(worker, number)| Step::Receive { worker, number }),
        8 => (worker.clone(), any::<usize>()).prop_map(|(worker, which)| Step::Finish { worker, which }),
        3 => worker.clone().prop_map(|worker| Step::Draft { worker }),
        3 => (worker.clone(), any::<bool>()).prop_map(|(worker, lost)| Step::Write { worker, lost }),
        1 => worker.prop_map(|worker| Step::Crash { worker }),
    ]
}

/// What the lake says of a partition has landed up to there, and nothing is there twice.
fn check(lake: &FakeLake, logs: &[Vec<u8>]) {
    let mut sorted = lake.rows.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), lake.rows.len(), "a row landed twice");
    for (number, stands) in &lake.stands {
        let log = &logs[usize::try_from(*number).unwrap()];
        for content in &log[..usize::try_from(*stands).unwrap()] {
            assert!(lake.keys.contains(&(*number, i64::from(*content))), "an event below the lake's offset has no row");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Owners that overlap, crash, write late and lose answers lose no event and land none twice.
    #[test]
    fn every_event_lands_once_whoever_owns_it(
        logs in prop::collection::vec(prop::collection::vec(0..12_u8, 1..30), PARTITIONS as usize),
        steps in prop::collection::vec(step(), 0..250),
    ) {
        let mut lake = FakeLake::default();
        let mut workers = [Worker::default(), Worker::default()];
        for step in steps {
            match step {
                Step::Assign { worker, number } => workers[worker].assign(number, &lake),
                Step::Revoke { worker, number } => workers[worker].book.forget(&partition(number)),
                Step::Receive { worker, number } => workers[worker].receive(number, &logs[number as usize]),
                Step::Finish { worker, which } => {
                    let number = {
                        let open = &workers[worker].open;
                        if open.is_empty() { continue }
                        open[which % open.len()].partition.partition
                    };
                    workers[worker].finish(which, &logs[number as usize]);
                }
                Step::Draft { worker } => workers[worker].draft(),
                Step::Write { worker, lost } => workers[worker].write(&mut lake, lost),
                Step::Crash { worker } => workers[worker] = Worker { generation: workers[worker].generation, ..Worker::default() },
            }
            check(&lake, &logs);
        }
        // In the end one of them owns everything, and everything lands.
        let mut last = Worker { generation: 1_000_000, ..Worker::default() };
        for number in 0..PARTITIONS {
            last.assign(number, &lake);
            let log = &logs[number as usize];
            while last.position[&number] < log.len() as i64 {
                last.receive(number, log);
            }
            while !last.open.is_empty() {
                last.finish(0, log);
            }
            last.draft();
            last.write(&mut lake, false);
            prop_assert_eq!(lake.stands.get(&number).copied(), Some(log.len() as i64));
        }
        check(&lake, &logs);
        prop_assert_eq!(last.book.held().map(|(_, bytes)| bytes).sum::<usize>(), 0);
    }
}

fn ticket(offset: i64) -> Ticket {
    Ticket { partition: partition(0), generation: 1, offset }
}

fn book() -> Book<Vec<(i32, i64)>> {
    let mut book = Book::default();
    book.assign(partition(0), 1, Some(5), 0);
    book
}

#[test]
fn a_repeated_message_rides_on_the_first() {
    let mut book = book();
    assert_eq!(book.receive(ticket(5), 100, Some(1)), Received::Begin(ticket(5)));
    assert_eq!(book.receive(ticket(6), 100, Some(1)), Received::Repeated);
    assert_eq!(book.ready().events, 0, "it cannot land before the first");
    assert!(book.finish(&ticket(5), 100, Ended { value: Some(vec![]), rows: 0, bytes: 0, failed: false }));
    assert_eq!(book.ready().events, 2);
    assert_eq!(book.draft()[0].next, 7);
}

#[test]
fn a_message_that_failed_is_tried_anew() {
    let mut book = book();
    assert_eq!(book.receive(ticket(5), 0, Some(1)), Received::Begin(ticket(5)));
    book.finish(&ticket(5), 0, Ended { failed: true, ..Ended::nothing() });
    assert_eq!(book.receive(ticket(6), 0, Some(1)), Received::Begin(ticket(6)));
}

#[test]
fn strangers_change_nothing() {
    let mut book = book();
    let old = Ticket { generation: 0, ..ticket(5) };
    assert_eq!(book.receive(old.clone(), 0, None), Received::Stranger);
    assert_eq!(book.receive(ticket(4), 0, None), Received::Known, "the lake says that it has ended");
    assert_eq!(book.receive(ticket(5), 0, None), Received::Begin(ticket(5)));
    assert!(!book.finish(&old, 0, Ended::nothing()));
    assert_eq!(book.all_running(), 1);
    book.leave(&partition(0));
    assert_eq!(book.receive(ticket(6), 0, None), Received::Stranger);
    assert!(!book.is_quiet(&partition(0)));
    book.give_up(&ticket(5));
    assert!(book.is_quiet(&partition(0)), "what was given up holds nothing back");
    assert!(!book.landed(&partition(0), 1, 6));
}

#[test]
fn one_part_of_a_partition_is_written_at_a_time() {
    let mut book = book();
    for offset in 5..8 {
        book.receive(ticket(offset), 10, None);
    }
    book.finish(&ticket(5), 10, Ended::nothing());
    let part = book.draft().remove(0);
    assert_eq!((part.expected, part.next), (Some(5), 6));
    book.finish(&ticket(6), 10, Ended::nothing());
    assert!(book.draft().is_empty());
    assert!(book.landed(&partition(0), 1, 6));
    let part = book.draft().remove(0);
    assert_eq!((part.expected, part.next), (Some(6), 7));
    assert!(!book.landed(&partition(0), 1, 8), "another end than the one that was written");
    assert!(book.landed(&partition(0), 1, 7));
    book.finish(&ticket(7), 10, Ended::nothing());
    book.draft();
    book.landed(&partition(0), 1, 8);
    assert_eq!(book.held().map(|(_, bytes)| bytes).sum::<usize>(), 0);
}
