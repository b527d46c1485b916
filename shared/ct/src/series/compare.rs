//! Which frames are copies of others, by their pixels where headers leave it open.
//!
//! Headers alone do not tell: writers give the slices of two phases the same SOP Instance UIDs, and send one slice twice under two. So
//! the frames in question are named, the caller reads them, and grouping goes by what they show. Gain: a copy costs nothing, and what is
//! none never hides behind another's UID. Price: those frames are decoded before the series is known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bolus_study::{Reason, ReasonCode};
use sha2::{Digest, Sha256};

use super::passes::{near_of, repeated};
use super::placed::{Copy, Placed, PlaneGroup};
use crate::Instance;

/// A frame whose pixels are asked for.
#[derive(Debug, Clone)]
pub struct Contested {
    /// The caller's index of the file.
    pub object: usize,
    /// The frame in the file, from 0.
    pub frame: usize,
    /// The header of the file.
    pub instance: Arc<Instance>,
}

/// What the pixels of a frame are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FramePixels {
    /// A digest of all values in Hounsfield units: the same for each lossless encoding of an image, and another for a lossy one.
    Image([u8; 32]),
    /// They could not be read.
    Unread(Reason),
}

impl FramePixels {
    /// Digests a whole frame in Hounsfield units.
    #[must_use]
    pub fn of_hu(hu: &[f32]) -> Self {
        let mut digest = Sha256::new();
        // Zero has one sign here.
        hu.iter().for_each(|value| digest.update((value + 0.0).to_le_bytes()));
        Self::Image(digest.finalize().into())
    }

    /// Why they could not be read, where that may pass by itself.
    #[must_use]
    pub fn transient(&self) -> Option<&Reason> {
        match self {
            Self::Unread(reason) if reason.is_transient() => Some(reason),
            _ => None,
        }
    }

    /// What tells the values from others; none where they could not be read.
    fn digest(&self) -> Option<&[u8; 32]> {
        match self {
            Self::Image(digest) => Some(digest),
            Self::Unread(_) => None,
        }
    }

    pub(super) fn is_read(&self) -> bool {
        self.digest().is_some()
    }
}

/// The pixels that have been read, by file and frame.
pub type SeenPixels = BTreeMap<(usize, usize), FramePixels>;

/// Takes the copies out of `group`: the frames that repeat one of their SOP instance, and those that show what another at their
/// position shows. What has not been read counts by its header.
pub(super) fn drop_copies(group: &mut PlaneGroup, seen: &SeenPixels) {
    let mut frames: Vec<Option<Placed>> = std::mem::take(&mut group.frames).into_iter().map(Some).collect();
    let copies = {
        let frames: Vec<&Placed> = frames.iter().flatten().collect();
        let mut copies = by_instance(&frames, seen);
        let shown = by_pixels(&frames, &copies, seen);
        copies.extend(shown);
        copies
    };
    let places: Vec<(usize, usize)> = frames.iter().flatten().map(Placed::place).collect();
    for (copy, mut original) in &copies {
        // What a copy repeats may show what another shows.
        while let Some(next) = copies.get(original) {
            original = next;
        }
        let Some(one) = frames.get_mut(*copy).and_then(Option::take) else { continue };
        let reason = match seen.get(&one.place()) {
            Some(FramePixels::Unread(reason)) => reason.clone(),
            _ => Reason::new(
                ReasonCode::DuplicateInstance,
                "the SOP instance was seen before, or its image at its position",
            ),
        };
        if let Some(of) = places.get(*original) {
            group.copies.push(Copy { frame: one, reason, of: *of });
        }
    }
    group.frames = frames.into_iter().flatten().collect();
}

/// Copies by SOP instance, each with the frame that it repeats: the same frame of the same SOP instance, with its position and marks, and
/// with other pixels in no case. Slices that share an SOP Instance UID by mistake differ in one of them and stay, and so do those that
/// have none: nothing says that they are copies.
fn by_instance(frames: &[&Placed], seen: &SeenPixels) -> BTreeMap<usize, usize> {
    let mut named: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, one) in frames.iter().enumerate() {
        if let Some(uid) = &one.slice.instance.sop_instance_uid {
            let position = one.position_mm.map(f64::to_bits);
            let identity = format!("{uid} {} {position:?} {:?} {:?}", one.slice.frame, one.marks(), one.image_type());
            named.entry(identity).or_default().push(index);
        }
    }
    let digest = |index: usize| seen.get(&frames.get(index)?.place())?.digest();
    let differ = |same: &Vec<usize>| same.iter().filter_map(|index| digest(*index)).collect::<BTreeSet<_>>().len() > 1;
    // Once two of one name are known to differ, the names of the group prove nothing.
    let proves = !named.values().any(differ);
    let mut copies = BTreeMap::new();
    for mut same in named.into_values() {
        // What can be read stays.
        same.sort_by_key(|index| (digest(*index).is_none(), *index));
        let first = same.first().copied();
        let mut shown: BTreeMap<&[u8; 32], usize> = BTreeMap::new();
        for index in same {
            let original = match digest(index) {
                Some(digest) => Some(*shown.entry(digest).or_insert(index)),
                None => first.filter(|_| proves),
            };
            if let Some(original) = original.filter(|original| *original != index) {
                copies.insert(index, original);
            }
        }
    }
    copies
}

/// Copies under other SOP Instance UIDs, of frames that are none by their SOP instance: the same image at the same position.
fn by_pixels(frames: &[&Placed], known: &BTreeMap<usize, usize>, seen: &SeenPixels) -> BTreeMap<usize, usize> {
    let near = near_of(frames.iter().copied());
    let mut images: BTreeMap<&[u8; 32], Vec<usize>> = BTreeMap::new();
    for (index, one) in frames.iter().enumerate().filter(|(index, _)| !known.contains_key(index)) {
        if let Some(image) = seen.get(&one.place()).and_then(FramePixels::digest) {
            images.entry(image).or_default().push(index);
        }
    }
    let is_near = |a: &Placed, b: &Placed| a.position_mm.iter().zip(b.position_mm).all(|(a, b)| (a - b).abs() < near);
    let mut copies = BTreeMap::new();
    for same in images.into_values() {
        let mut originals: Vec<usize> = Vec::new();
        for index in same {
            let Some(one) = frames.get(index) else { continue };
            match originals.iter().find(|original| frames.get(**original).is_some_and(|other| is_near(other, one))) {
                Some(original) => _ = copies.insert(index, *original),
                None => originals.push(index),
            }
        }
    }
    copies
}

/// The frames of `group` that are not `seen` and whose pixels would decide: copies with what they repeat, and frames at one position that
/// no attribute of the scanner parts.
pub(super) fn contested(group: &PlaneGroup, seen: &SeenPixels) -> Vec<Contested> {
    // Copies by their headers may be none.
    let frames: Vec<Placed> = group.frames.iter().chain(group.copies.iter().map(|copy| &copy.frame)).cloned().collect();
    let mut asked: BTreeSet<(usize, usize)> =
        group.copies.iter().flat_map(|copy| [copy.of, copy.frame.place()]).collect();
    asked.extend(repeated(&frames));
    let asked = frames.iter().filter(|one| asked.contains(&one.place()) && !seen.contains_key(&one.place()));
    asked
        .map(|one| {
            let (object, frame) = one.place();
            Contested { object, frame, instance: Arc::clone(&one.slice.instance) }
        })
        .collect()
}
