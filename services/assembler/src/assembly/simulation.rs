//! Both stages in one small world: object topics, the internal topic, a process that reads it, and time. Everything may
//! lag, be sent twice or crash between any two steps; what must hold is checked at every closing and at the end.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::acks::Acks;

const SOURCES: usize = 3;
const PARTITIONS: usize = 2;
const STUDIES: u32 = 12;
const QUIET_MS: u64 = 60_000;
const DEADLINE_MS: u64 = 1_800_000;
/// Event time at the beginning.
const EPOCH_MS: i64 = 1_767_225_600_000;

#[derive(Debug, Clone, Copy)]
struct Made {
    study: u32,
    object: u32,
    kind: Kind,
    event_ms: i64,
}

impl Made {
    fn incoming(&self) -> Incoming<'static> {
        let study = format!("study-{}", self.study);
        Incoming {
            kind: self.kind,
            bucket: "ct".into(),
            key: Cow::from(format!("{study}/{}", self.object)),
            study: study.into(),
            etag: None,
            version: None,
            size: Some(1),
            time: self.event_ms,
        }
    }
}

#[derive(Debug, Clone)]
enum Record {
    Object(Made),
    Progress(Progress),
}

#[derive(Debug, Clone)]
enum Step {
    Create { study: u32, source: usize, marker: bool },
    SendAgain { nth: usize, source: usize },
    Wait { ms: u64 },
    Route { source: usize, records: usize },
    TellProgress,
    Read { partition: usize, records: usize },
    Tick,
    Acknowledge { studies: usize },
    Commit,
    CrashRoute,
    CrashAssemble,
}

/// What the second stage has closed: the study, the objects of it that had been read, and whether the event is written.
#[derive(Debug)]
struct Emitted {
    study: u32,
    read: BTreeSet<u32>,
    written: bool,
}

struct World {
    now_ms: u64,
    topics: Vec<Vec<Made>>,
    route: Vec<(usize, usize, Acks)>,
    internal: Vec<Vec<Record>>,
    assembly: Assembly,
    assignment: u64,
    position: Vec<usize>,
    committed: Vec<usize>,
    unacknowledged: Vec<(Ticket, usize)>,
    read: BTreeMap<u32, BTreeSet<u32>>,
    /// Of each study that is open, the event time of the latest object that came for this revision.
    latest_ms: BTreeMap<u32, i64>,
    emitted: Vec<Emitted>,
    objects: u32,
    /// Check that quiet closes nothing for which something is on its way.
    strict: bool,
}

impl World {
    fn new(rules: Rules, strict: bool) -> Self {
        let mut world = Self {
            now_ms: 0,
            topics: vec![Vec::new(); SOURCES],
            route: (0..SOURCES).map(|_| (0, 0, Acks::default())).collect(),
            internal: vec![Vec::new(); PARTITIONS],
            assembly: Assembly::new(rules),
            assignment: 0,
            position: vec![0; PARTITIONS],
            committed: vec![0; PARTITIONS],
            unacknowledged: Vec::new(),
            read: BTreeMap::new(),
            latest_ms: BTreeMap::new(),
            emitted: Vec::new(),
            objects: 0,
            strict,
        };
        world.start_assemble();
        world
    }

    fn start_assemble(&mut self) {
        self.assignment += 1;
        self.assembly = Assembly::new(self.assembly.rules);
        self.unacknowledged.clear();
        for partition in 0..PARTITIONS {
            self.assembly.assign(i32::try_from(partition).unwrap(), self.assignment);
        }
        self.position.clone_from(&self.committed);
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Create { study, source, marker } => {
                self.objects += 1;
                let kind = if marker { Kind::Marker } else { Kind::Slice };
                let event_ms = EPOCH_MS + i64::try_from(self.now_ms).unwrap();
                self.topics[source].push(Made { study, object: self.objects, kind, event_ms });
            }
            Step::SendAgain { nth, source } => {
                let all: Vec<Made> = self.topics.iter().flatten().copied().collect();
                // A notification that comes again is written later, but says the same.
                if let (false, Some(made)) = (self.strict, all.get(nth % all.len().max(1))) {
                    self.topics[source].push(*made);
                }
            }
            Step::Wait { ms } => self.now_ms += ms,
            Step::Route { source, records } => self.route(source, records),
            Step::TellProgress => self.tell_progress(),
            Step::Read { partition, records } => self.read(partition, records),
            Step::Tick => self.tick(),
            Step::Acknowledge { studies } => self.acknowledge(studies),
            Step::Commit => {
                for (partition, offset) in self.assembly.committable() {
                    self.committed[usize::try_from(partition).unwrap()] = usize::try_from(offset).unwrap();
                }
            }
            Step::CrashRoute => {
                for (position, committed, acks) in &mut self.route {
                    *position = *committed;
                    *acks = Acks::default();
                }
            }
            Step::CrashAssemble => self.start_assemble(),
        }
    }

    fn route(&mut self, source: usize, records: usize) {
        let (position, committed, acks) = &mut self.route[source];
        for made in self.topics[source].iter().skip(*position).take(records) {
            let offset = i64::try_from(*position).unwrap();
            acks.take(offset, Some(made.event_ms), self.now_ms);
            self.internal[made.study as usize % PARTITIONS].push(Record::Object(*made));
            acks.done(offset);
            *position += 1;
        }
        // Committed now and then, so that a crash routes some records again.
        if let (Some(offset), 0) = (acks.committable(), *position % 3) {
            *committed = usize::try_from(offset).unwrap();
        }
    }

    fn tell_progress(&mut self) {
        let at = self.route.iter().enumerate().map(|(source, (position, _, acks))| {
            let at_end = *position == self.topics[source].len();
            let clock_ms = EPOCH_MS + i64::try_from(self.now_ms).unwrap();
            ("objects".to_owned(), i32::try_from(source).unwrap(), acks.progress(at_end, clock_ms))
        });
        let progress = Progress { of: SOURCES, at: at.collect() };
        for partition in &mut self.internal {
            partition.push(Record::Progress(progress.clone()));
        }
    }

    fn read(&mut self, partition: usize, records: usize) {
        for _ in 0..records {
            let Some(record) = self.internal[partition].get(self.position[partition]).cloned() else { return };
            let (number, offset) =
                (i32::try_from(partition).unwrap(), i64::try_from(self.position[partition]).unwrap());
            self.position[partition] += 1;
            match record {
                Record::Progress(progress) => self.assembly.progress(number, offset, progress),
                Record::Object(made) => {
                    self.read.entry(made.study).or_default().insert(made.object);
                    if self.assembly.object(number, offset, self.now_ms, &made.incoming()) == Heard::Taken {
                        let latest_ms = self.latest_ms.entry(made.study).or_insert(made.event_ms);
                        *latest_ms = made.event_ms.max(*latest_ms);
                    }
                }
            }
            self.take_closed();
        }
    }

    fn tick(&mut self) {
        self.assembly.tick(self.now_ms, 1_000);
        for partition in self.assembly.partitions.keys() {
            assert_eq!(self.assembly.overdue(*partition, self.now_ms), None, "open beyond its deadline");
        }
        self.take_closed();
    }

    fn take_closed(&mut self) {
        while let Some(closed) = self.assembly.next_closed() {
            let study = closed.event.partition_key().rsplit('-').next().unwrap().parse().unwrap();
            if self.strict && closed.why == Why::Quiet {
                self.check_nothing_was_on_its_way(study);
            }
            self.latest_ms.remove(&study);
            let read = self.read.get(&study).cloned().unwrap_or_default();
            self.unacknowledged.push((closed.ticket, self.emitted.len()));
            self.emitted.push(Emitted { study, read, written: false });
        }
    }

    /// However far either stage lags: what has not been read of the study lies at least `quiet` after what has been.
    fn check_nothing_was_on_its_way(&self, study: u32) {
        let read = &self.read[&study];
        let last_ms = self.latest_ms[&study];
        for made in self.topics.iter().flatten().filter(|made| made.study == study && !read.contains(&made.object)) {
            let apart_ms = made.event_ms - last_ms;
            assert!(
                apart_ms >= i64::try_from(QUIET_MS).unwrap(),
                "study {study} was closed {apart_ms} ms before {made:?}"
            );
        }
    }

    fn acknowledge(&mut self, studies: usize) {
        // The latest first: acknowledgements come in any order.
        for _ in 0..studies {
            let Some((ticket, index)) = self.unacknowledged.pop() else { return };
            self.emitted[index].written = true;
            self.assembly.acknowledge(ticket);
        }
    }

    /// Lets everything go its way, and checks that every study was sent with all its objects.
    fn finish(&mut self) {
        for _ in 0..6 {
            for source in 0..SOURCES {
                self.route(source, usize::MAX);
            }
            self.now_ms += QUIET_MS;
            self.tell_progress();
            for partition in 0..PARTITIONS {
                self.read(partition, usize::MAX);
            }
            self.tick();
        }
        self.acknowledge(usize::MAX);
        assert_eq!(self.assembly.size().0, 0, "everything is closed");
        for study in 0..STUDIES {
            let made: BTreeSet<u32> =
                self.topics.iter().flatten().filter(|made| made.study == study).map(|made| made.object).collect();
            let complete = self.emitted.iter().any(|event| event.written && event.study == study && event.read == made);
            assert!(
                made.is_empty() || complete,
                "study {study} was never sent with all of {made:?}: {:?}",
                self.emitted
            );
        }
        let ends: Vec<(i32, i64)> = self.assembly.committable().collect();
        for (partition, offset) in ends {
            let end = self.internal[usize::try_from(partition).unwrap()].len();
            assert_eq!(usize::try_from(offset).unwrap(), end, "nothing holds the offset any more");
        }
    }
}

fn step(crashes: bool) -> BoxedStrategy<Step> {
    let often = prop_oneof![
        8 => (0..STUDIES, 0..SOURCES, prop::bool::weighted(0.1))
            .prop_map(|(study, source, marker)| Step::Create { study, source, marker }),
        2 => (any::<usize>(), 0..SOURCES).prop_map(|(nth, source)| Step::SendAgain { nth, source }),
        6 => (1u64..90_000).prop_map(|ms| Step::Wait { ms }),
        6 => (0..SOURCES, 1usize..6).prop_map(|(source, records)| Step::Route { source, records }),
        5 => Just(Step::TellProgress),
        8 => (0..PARTITIONS, 1usize..10).prop_map(|(partition, records)| Step::Read { partition, records }),
        5 => Just(Step::Tick),
        3 => (1usize..4).prop_map(|studies| Step::Acknowledge { studies }),
        3 => Just(Step::Commit),
    ];
    let crash = prop_oneof![Just(Step::CrashRoute), Just(Step::CrashAssemble)];
    if crashes { prop_oneof![12 => often, 1 => crash].boxed() } else { often.boxed() }
}

fn rules() -> Rules {
    Rules {
        quiet: Duration::from_millis(QUIET_MS),
        deadline: Duration::from_millis(DEADLINE_MS),
        open_objects: 1_000_000,
        open_studies: 100_000,
        remember: Duration::from_secs(86_400),
        remember_objects: 1_000_000,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Crashes of either stage between any two steps, duplicates, lag, markers, too little room and a short memory: every
    /// study is sent with all its objects.
    #[test]
    fn nothing_is_lost(steps in prop::collection::vec(step(true), 1..200), room in 1usize..12, memory in 0usize..60) {
        let rules = Rules { open_objects: room, open_studies: room, remember_objects: memory, ..rules() };
        let mut world = World::new(rules, false);
        steps.iter().for_each(|step| world.apply(step));
        world.finish();
    }

    /// Whatever lags: nothing is closed by quiet while something for it is on its way within `quiet`.
    #[test]
    fn lag_closes_nothing_early(steps in prop::collection::vec(step(false), 1..300)) {
        let mut world = World::new(rules(), true);
        steps.iter().for_each(|step| world.apply(step));
        world.finish();
    }
}
