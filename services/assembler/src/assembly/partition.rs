//! The open studies of one partition of the internal topic.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::study::{DigestMap, Open, StudyHash};
use super::watermark::Watermark;

/// Entries wait for a time and name a study by its first offset; one whose study is closed is passed over.
type Waiting<T> = BinaryHeap<Reverse<(T, i64)>>;

/// The state of one partition.
///
/// Every open study stands in one of the two heaps: first it waits until nothing has come for a while, then until the
/// watermark has passed its latest object by as much. Nothing is moved when an object comes: the heap's entry is looked at
/// again when its time is up.
#[derive(Debug)]
pub(super) struct Partition {
    /// One past the last offset taken; `None` until the first record.
    pub(super) next: Option<i64>,
    pub(super) open: DigestMap<StudyHash, Open>,
    /// Open studies by the offset, and so by the age, of their first object.
    by_offset: BTreeMap<i64, StudyHash>,
    /// First offsets of studies that are closed and not acknowledged, with how many of them begin there.
    unacknowledged: BTreeMap<i64, u32>,
    by_process_time: Waiting<u64>,
    by_event_time: Waiting<i64>,
    pub(super) watermark: Watermark,
}

impl Partition {
    pub(super) fn new() -> Self {
        Self {
            next: None,
            open: DigestMap::default(),
            by_offset: BTreeMap::new(),
            unacknowledged: BTreeMap::new(),
            by_process_time: BinaryHeap::new(),
            by_event_time: BinaryHeap::new(),
            watermark: Watermark::default(),
        }
    }

    /// Opens a study, which is looked at once it has been quiet for `quiet_ms`.
    pub(super) fn insert(&mut self, study: StudyHash, open: Open, quiet_ms: u64) {
        self.by_process_time.push(Reverse((open.last_seen_ms.saturating_add(quiet_ms), open.first_offset)));
        self.by_offset.insert(open.first_offset, study);
        self.open.insert(study, open);
    }

    /// Takes a study out; its first object still holds the partition's offset until [`Partition::acknowledge`].
    pub(super) fn close(&mut self, study: StudyHash) -> Option<Open> {
        let open = self.open.remove(&study)?;
        self.by_offset.remove(&open.first_offset);
        *self.unacknowledged.entry(open.first_offset).or_default() += 1;
        Some(open)
    }

    /// The study that began at this offset has been written.
    pub(super) fn acknowledge(&mut self, first_offset: i64) {
        if let Some(count) = self.unacknowledged.get_mut(&first_offset) {
            *count -= 1;
            if *count == 0 {
                self.unacknowledged.remove(&first_offset);
            }
        }
    }

    /// The offset that may be committed: all below it has led to study events that are written.
    pub(super) fn low_watermark(&self) -> Option<i64> {
        let open = self.by_offset.first_key_value().map(|(offset, _)| *offset);
        let sent = self.unacknowledged.first_key_value().map(|(offset, _)| *offset);
        open.into_iter().chain(sent).min().or(self.next)
    }

    /// The study that was opened first, and when.
    pub(super) fn oldest(&self) -> Option<(u64, StudyHash)> {
        let (_, study) = self.by_offset.first_key_value()?;
        self.open.get(study).map(|open| (open.first_seen_ms, *study))
    }

    /// A study that has been quiet for `quiet_ms` in both times.
    pub(super) fn quiet(&mut self, quiet_ms: u64, now_ms: u64) -> Option<StudyHash> {
        self.let_wait_for_events(quiet_ms, now_ms);
        let watermark = self.watermark.at()?;
        while let Some(&Reverse((due, offset))) = self.by_event_time.peek() {
            if due > watermark {
                return None;
            }
            self.by_event_time.pop();
            let Some((study, open)) = self.at(offset) else { continue };
            let (process_due, event_due) = dues(open, quiet_ms);
            if process_due > now_ms {
                self.by_process_time.push(Reverse((process_due, offset)));
            } else if event_due > watermark {
                self.by_event_time.push(Reverse((event_due, offset)));
            } else {
                return Some(study);
            }
        }
        None
    }

    /// Moves the studies that have been quiet long enough by our clock to those that wait for the watermark.
    fn let_wait_for_events(&mut self, quiet_ms: u64, now_ms: u64) {
        while let Some(&Reverse((due, offset))) = self.by_process_time.peek() {
            if due > now_ms {
                return;
            }
            self.by_process_time.pop();
            let Some((_, open)) = self.at(offset) else { continue };
            let (process_due, event_due) = dues(open, quiet_ms);
            if process_due > now_ms {
                self.by_process_time.push(Reverse((process_due, offset)));
            } else {
                self.by_event_time.push(Reverse((event_due, offset)));
            }
        }
    }

    fn at(&self, offset: i64) -> Option<(StudyHash, &Open)> {
        let study = *self.by_offset.get(&offset)?;
        Some((study, self.open.get(&study)?))
    }
}

/// When the study is quiet by our clock, and by the clock of the events.
fn dues(open: &Open, quiet_ms: u64) -> (u64, i64) {
    let event_quiet = i64::try_from(quiet_ms).unwrap_or(i64::MAX);
    (open.last_seen_ms.saturating_add(quiet_ms), open.last_event_ms.saturating_add(event_quiet))
}
