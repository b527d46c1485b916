//! What is kept of an open study, and what is remembered of a closed one.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use sha2::{Digest, Sha256};

use crate::wire::{Incoming, Kind};

/// Names a study: the first 128 bits of the SHA-256 of its kind, bucket and folder.
pub(super) type StudyHash = u128;

/// 128 bits of the SHA-256 of what an object is: its key, and its entity tag, else its version, else its size.
pub(super) type ObjectHash = u128;

/// The first 128 bits of the SHA-256 of `parts`, which are kept apart by a byte that UTF-8 never holds.
pub(super) fn digest(parts: &[&[u8]]) -> u128 {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part);
        sha.update([0xFF]);
    }
    let whole: [u8; 32] = sha.finalize().into();
    whole.iter().take(16).fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
}

/// The name of the study that an object belongs to.
pub(super) fn study_hash(object: &Incoming<'_>) -> StudyHash {
    let kind: &[u8] = if object.kind == Kind::Whole { b"whole" } else { b"folder" };
    digest(&[kind, object.bucket.as_bytes(), object.study.as_bytes()])
}

/// The identity of an object: a second notification of the same bytes has the same.
pub(super) fn object_hash(object: &Incoming<'_>) -> ObjectHash {
    let key = object.key.as_bytes();
    match (&object.etag, &object.version, object.size) {
        (Some(etag), _, _) => digest(&[key, b"etag", etag.as_bytes()]),
        (None, Some(version), _) => digest(&[key, b"version", version.as_bytes()]),
        (None, None, size) => digest(&[key, b"size", &size.unwrap_or(u64::MAX).to_be_bytes()]),
    }
}

/// Takes the low 64 bits of a SHA-256 as they are: they are as good as any hash of them.
#[derive(Debug, Default)]
pub(super) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |bits, byte| (bits << 8) | u64::from(*byte));
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }

    fn write_u128(&mut self, bits: u128) {
        self.0 = low(bits);
    }
}

/// A map whose keys are digests.
pub(super) type DigestMap<K, V> = HashMap<K, V, BuildHasherDefault<Identity>>;

/// The low 64 bits.
pub(super) fn low(bits: u128) -> u64 {
    u64::try_from(bits & u128::from(u64::MAX)).expect("masked to 64 bits")
}

/// A study that has not been sent, or whose late objects have not. Holds no name of an object: 64 bits each.
#[derive(Debug)]
pub(super) struct Open {
    /// Bucket, a zero byte, and the folder.
    name: Box<str>,
    /// How often the study has been sent before.
    pub(super) revision: u32,
    /// The offset of the first object: nothing from it on may be committed.
    pub(super) first_offset: i64,
    /// Monotone time of the first object.
    pub(super) first_seen_ms: u64,
    /// Monotone time of the latest object.
    pub(super) last_seen_ms: u64,
    /// Event time of the latest object.
    pub(super) last_event_ms: i64,
    /// The sum of the objects' hashes: the same in whatever order they came.
    pub(super) content: u128,
    objects: HashSet<u64, BuildHasherDefault<Identity>>,
}

impl Open {
    pub(super) fn new(object: &Incoming<'_>, revision: u32, offset: i64, now_ms: u64) -> Self {
        Self {
            name: format!("{}\0{}", object.bucket, object.study).into_boxed_str(),
            revision,
            first_offset: offset,
            first_seen_ms: now_ms,
            last_seen_ms: now_ms,
            last_event_ms: object.time,
            content: 0,
            objects: HashSet::default(),
        }
    }

    /// Takes an object in; `false` where it is known, which changes nothing.
    pub(super) fn add(&mut self, hash: ObjectHash, event_ms: i64, now_ms: u64) -> bool {
        if !self.objects.insert(low(hash)) {
            return false;
        }
        self.content = self.content.wrapping_add(hash);
        self.last_seen_ms = self.last_seen_ms.max(now_ms);
        self.last_event_ms = self.last_event_ms.max(event_ms);
        true
    }

    pub(super) fn bucket(&self) -> &str {
        self.name.split_once('\0').map_or("", |(bucket, _)| bucket)
    }

    pub(super) fn folder(&self) -> &str {
        self.name.split_once('\0').map_or("", |(_, folder)| folder)
    }

    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    /// The objects' hashes, which is all that is remembered of them.
    pub(super) fn into_hashes(self) -> impl Iterator<Item = u64> {
        self.objects.into_iter()
    }
}

/// The studies closed of late: so that a second notification of an object leads to nothing, and a new object to the next
/// revision. Bounded in time and in objects; what is forgotten costs a study event too many, never one too few.
#[derive(Debug, Default)]
pub(super) struct Past {
    studies: DigestMap<StudyHash, Remembered>,
    by_age: VecDeque<(u64, StudyHash)>,
    weight: usize,
}

#[derive(Debug)]
struct Remembered {
    partition: i32,
    closed_ms: u64,
    revisions: u32,
    /// Sorted.
    objects: Box<[u64]>,
}

/// What a remembered study costs besides its objects, in objects.
const STUDY_WEIGHT: usize = 16;

impl Past {
    /// Whether the study's object has been sent with it.
    pub(super) fn knows(&self, study: StudyHash, object: ObjectHash) -> bool {
        self.studies.get(&study).is_some_and(|past| past.objects.binary_search(&low(object)).is_ok())
    }

    /// How often the study has been sent.
    pub(super) fn revisions(&self, study: StudyHash) -> u32 {
        self.studies.get(&study).map_or(0, |past| past.revisions)
    }

    /// Remembers a study that has just been closed, together with what was known of it before.
    pub(super) fn remember(&mut self, partition: i32, study: StudyHash, open: Open, now_ms: u64) {
        let revisions = open.revision.saturating_add(1);
        let before = self.studies.remove(&study);
        self.weight -= before.as_ref().map_or(0, Remembered::weight);
        let known = before.map(|past| past.objects.into_vec()).unwrap_or_default();
        let mut objects: Vec<u64> = known.into_iter().chain(open.into_hashes()).collect();
        objects.sort_unstable();
        objects.dedup();
        let past = Remembered { partition, closed_ms: now_ms, revisions, objects: objects.into_boxed_slice() };
        self.weight += past.weight();
        self.studies.insert(study, past);
        self.by_age.push_back((now_ms, study));
    }

    /// Forgets what was closed before `oldest_ms`, and the oldest until no more than `objects` are remembered.
    pub(super) fn forget(&mut self, oldest_ms: u64, objects: usize) {
        while let Some(&(closed_ms, study)) = self.by_age.front() {
            if closed_ms >= oldest_ms && self.weight <= objects {
                return;
            }
            self.by_age.pop_front();
            // Closed again since: the later entry stands for it.
            if self.studies.get(&study).is_some_and(|past| past.closed_ms == closed_ms) {
                self.weight -= self.studies.remove(&study).map_or(0, |past| past.weight());
            }
        }
    }

    /// Forgets the studies of a partition that is given up.
    pub(super) fn give_up(&mut self, partition: i32) {
        self.studies.retain(|_, past| past.partition != partition);
        self.weight = self.studies.values().map(Remembered::weight).sum();
    }

    pub(super) fn len(&self) -> usize {
        self.studies.len()
    }
}

impl Remembered {
    fn weight(&self) -> usize {
        self.objects.len() + STUDY_WEIGHT
    }
}
