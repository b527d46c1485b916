//! The second stage without its input and output: when is a study complete?
//!
//! A study is closed, which makes one study event, as soon as one of these holds:
//!
//! 1. **Marker**: an object says so (`_SUCCESS`, a manifest).
//! 2. **Whole**: the object is a study by itself (an archive).
//! 3. **Quiet**: nothing has come for it for `quiet`, in two clocks at once. By event time: the watermark, which is the
//!    progress of the slowest partition of the object topics, is `quiet` past the event time of its latest object. So
//!    nothing is closed while the first stage, or this one, lags. And by this process's monotone clock, so that a wall
//!    clock that jumps, here or at the broker, closes nothing early.
//! 4. **Deadline**: its first object came `deadline` ago by the monotone clock. The one rule that a partition which
//!    lags or is silent for ever cannot hold up. A restart begins it anew.
//! 5. **Crowded**: more is open than may be, and it is the oldest.
//!
//! What comes after closing makes a new revision; what is known (key and entity tag) changes nothing.
//!
//! **Restart.** The offset to commit ([`Assembly::committable`]) lies at the first object of the oldest study that is open
//! or whose event is not acknowledged. Who starts there reads all of them again. Some studies that were closed in between
//! are opened again from a part of their objects and sent once more, as revision 0: the event names the folder, not the
//! objects, and the worker decides by what it finds there, so that is harmless.
//!
//! Invariant: no clock, no input, no output. Times are milliseconds of a monotone clock (`now_ms`) or since 1970 (`event_ms`).

mod partition;
mod study;
mod watermark;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bolus_events::{StudyEvent, StudyObject};
use chrono::{DateTime, Utc};

use crate::wire::{Incoming, Kind, Progress};
use partition::Partition;
use study::{Open, Past, StudyHash, digest, object_hash, study_hash};

/// How our study events name their maker.
pub const SOURCE: &str = "bolus/assembler";

/// When studies are closed, and how much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// A study for which nothing has come for so long is closed.
    pub quiet: Duration,
    /// A study is closed so long after its first object, whatever comes.
    pub deadline: Duration,
    /// Objects of open studies at most; beyond it the oldest study is closed.
    pub open_objects: usize,
    /// Open studies at most; beyond it the oldest is closed.
    pub open_studies: usize,
    /// How long a closed study is remembered.
    pub remember: Duration,
    /// Objects of closed studies that are remembered at most, 8 bytes each.
    pub remember_objects: usize,
}

/// Why a study was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// A marker or manifest came.
    Marker,
    /// The object is a study by itself.
    Whole,
    /// Nothing came for a while.
    Quiet,
    /// Its first object is too old.
    Deadline,
    /// Too much is open.
    Crowded,
}

impl Why {
    /// The name in `snake_case`, for metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Marker => "marker",
            Self::Whole => "archive",
            Self::Quiet => "quiet",
            Self::Deadline => "deadline",
            Self::Crowded => "limit",
        }
    }
}

/// What an object led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It opened a study or a revision, or belongs to one that is open.
    Taken,
    /// It is known.
    Duplicate,
    /// Its partition is not ours.
    Foreign,
}

/// A closed study: its event is to be written, then [`Assembly::acknowledge`] is to be called.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed {
    /// What to acknowledge.
    pub ticket: Ticket,
    /// The event.
    pub event: StudyEvent,
    /// Why it was closed.
    pub why: Why,
    /// How many objects came for this revision.
    pub objects: usize,
    /// How long nothing had come for it, by the monotone clock.
    pub silent: Duration,
}

/// Names the closing of a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The partition of the internal topic.
    pub partition: i32,
    assignment: u64,
    first_offset: i64,
}

/// The open studies of the partitions that this process owns.
#[derive(Debug)]
pub struct Assembly {
    rules: Rules,
    partitions: BTreeMap<i32, (u64, Partition)>,
    past: Past,
    closed: VecDeque<Closed>,
    objects: usize,
    studies: usize,
}

impl Assembly {
    /// Starts without partitions.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            partitions: BTreeMap::new(),
            past: Past::default(),
            closed: VecDeque::new(),
            objects: 0,
            studies: 0,
        }
    }

    /// Takes a partition on, to be read from its committed offset. `assignment` is a number that grows.
    pub fn assign(&mut self, partition: i32, assignment: u64) {
        self.give_up(partition);
        self.partitions.insert(partition, (assignment, Partition::new()));
    }

    /// Forgets all of a partition.
    pub fn give_up(&mut self, partition: i32) {
        if let Some((_, gone)) = self.partitions.remove(&partition) {
            self.studies -= gone.open.len();
            self.objects -= gone.open.values().map(Open::len).sum::<usize>();
            self.past.give_up(partition);
            self.closed.retain(|closed| closed.ticket.partition != partition);
        }
    }

    /// Takes note of an object.
    pub fn object(&mut self, partition: i32, offset: i64, now_ms: u64, object: &Incoming<'_>) -> Heard {
        let Some((_, owned)) = self.partitions.get_mut(&partition) else { return Heard::Foreign };
        owned.next = Some(offset + 1);
        let (study, hash) = (study_hash(object), object_hash(object));
        if self.past.knows(study, hash) {
            // A marker is written again with the same bytes to say the same of what has come since.
            if object.kind == Kind::Marker && owned.open.contains_key(&study) {
                self.close(partition, study, Why::Marker, None, now_ms);
                return Heard::Taken;
            }
            return Heard::Duplicate;
        }
        if !owned.open.contains_key(&study) {
            let open = Open::new(object, self.past.revisions(study), offset, now_ms);
            owned.insert(study, open, milliseconds(self.rules.quiet));
            self.studies += 1;
        }
        let open = owned.open.get_mut(&study).expect("inserted above if it was not there");
        if !open.add(hash, object.time, now_ms) {
            return Heard::Duplicate;
        }
        self.objects += 1;
        match object.kind {
            Kind::Slice => self.make_room(now_ms),
            Kind::Marker => self.close(partition, study, Why::Marker, None, now_ms),
            Kind::Whole => self.close(partition, study, Why::Whole, Some(object), now_ms),
        }
        Heard::Taken
    }

    /// Takes note of how far the first stage has come.
    pub fn progress(&mut self, partition: i32, offset: i64, progress: Progress) {
        if let Some((_, owned)) = self.partitions.get_mut(&partition) {
            owned.next = Some(offset + 1);
            owned.watermark.hear(progress);
        }
    }

    /// Passes over a record that means nothing here.
    pub fn pass_over(&mut self, partition: i32, offset: i64) {
        if let Some((_, owned)) = self.partitions.get_mut(&partition) {
            owned.next = Some(offset + 1);
        }
    }

    /// Closes what has been quiet or open for long enough, at most `at_most` studies; to be called about once a second.
    pub fn tick(&mut self, now_ms: u64, at_most: usize) {
        let quiet_ms = milliseconds(self.rules.quiet);
        let numbers: Vec<i32> = self.partitions.keys().copied().collect();
        let mut room = at_most;
        for partition in numbers {
            while room > 0 {
                let due = self.overdue(partition, now_ms).map(|study| (study, Why::Deadline));
                let due = due.or_else(|| {
                    let (_, owned) = self.partitions.get_mut(&partition)?;
                    owned.quiet(quiet_ms, now_ms).map(|study| (study, Why::Quiet))
                });
                let Some((study, why)) = due else { break };
                self.close(partition, study, why, None, now_ms);
                room -= 1;
            }
        }
        self.past.forget(now_ms.saturating_sub(milliseconds(self.rules.remember)), self.rules.remember_objects);
    }

    fn overdue(&self, partition: i32, now_ms: u64) -> Option<StudyHash> {
        let (first_seen_ms, study) = self.partitions.get(&partition)?.1.oldest()?;
        (first_seen_ms.saturating_add(milliseconds(self.rules.deadline)) <= now_ms).then_some(study)
    }

    /// Closes the oldest studies while more is open than may be.
    fn make_room(&mut self, now_ms: u64) {
        while self.objects > self.rules.open_objects || self.studies > self.rules.open_studies {
            let oldest = self.partitions.iter().filter_map(|(number, (_, owned))| {
                owned.oldest().map(|(first_seen_ms, study)| (first_seen_ms, *number, study))
            });
            let Some((_, partition, study)) = oldest.min() else { return };
            self.close(partition, study, Why::Crowded, None, now_ms);
        }
    }

    fn close(&mut self, partition: i32, study: StudyHash, why: Why, whole: Option<&Incoming<'_>>, now_ms: u64) {
        let Some((assignment, owned)) = self.partitions.get_mut(&partition) else { return };
        let Some(open) = owned.close(study) else { return };
        self.studies -= 1;
        self.objects -= open.len();
        self.closed.push_back(Closed {
            ticket: Ticket { partition, assignment: *assignment, first_offset: open.first_offset },
            event: study_event(&open, whole),
            why,
            objects: open.len(),
            silent: Duration::from_millis(now_ms.saturating_sub(open.last_seen_ms)),
        });
        self.past.remember(partition, study, open, now_ms);
    }

    /// The next closed study, the oldest closing first. While there are many, no more objects should be taken in.
    pub fn next_closed(&mut self) -> Option<Closed> {
        self.closed.pop_front()
    }

    /// How many closed studies wait to be taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.closed.len()
    }

    /// The event of a closed study has been written.
    pub fn acknowledge(&mut self, ticket: Ticket) {
        if let Some((assignment, owned)) = self.partitions.get_mut(&ticket.partition) {
            // One of an earlier assignment says nothing about this one's reading.
            if *assignment == ticket.assignment {
                owned.acknowledge(ticket.first_offset);
            }
        }
    }

    /// For each partition that has been read from, the offset that may be committed.
    pub fn committable(&self) -> impl Iterator<Item = (i32, i64)> {
        self.partitions.iter().filter_map(|(number, (_, owned))| Some((*number, owned.low_watermark()?)))
    }

    /// For each partition, the event time up to which the first stage is known to have read everything; `None` while that is
    /// not known.
    pub fn watermarks(&self) -> impl Iterator<Item = (i32, Option<i64>)> {
        self.partitions.iter().map(|(number, (_, owned))| (*number, owned.watermark.at()))
    }

    /// Open studies, their objects, and remembered studies.
    #[must_use]
    pub fn size(&self) -> (usize, usize, usize) {
        (self.studies, self.objects, self.past.len())
    }
}

/// The event of a closed study. Its id follows from what it says and from the objects that came for it.
fn study_event(open: &Open, whole: Option<&Incoming<'_>>) -> StudyEvent {
    let (bucket, folder) = (open.bucket(), open.folder());
    let mut event = match whole {
        None => StudyEvent::prefix(bucket, folder),
        Some(object) => StudyEvent::objects(bucket, vec![study_object(object)]),
    };
    let revision = open.revision.to_be_bytes();
    let id = digest(&[bucket.as_bytes(), folder.as_bytes(), &revision, &open.content.to_be_bytes()]);
    event.id = format!("{id:032x}");
    event.time = DateTime::<Utc>::from_timestamp_millis(open.last_event_ms).unwrap_or_default();
    event.with_source(SOURCE).with_revision(open.revision)
}

fn study_object(object: &Incoming<'_>) -> StudyObject {
    StudyObject {
        key: object.key.clone().into_owned(),
        etag: object.etag.clone().map(Into::into),
        version_id: object.version.clone().map(Into::into),
        size: object.size,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
