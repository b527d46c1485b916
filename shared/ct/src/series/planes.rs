//! Frames in space: which can be slices, and which of them lie in parallel planes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bolus_study::{Reason, ReasonCode, SopInstanceUid};

use super::compare::{FramePixels, SeenPixels, drop_copies};
use super::placed::{Placed, PlaneGroup};
use super::types::{Candidate, RefusedFrame, Slice};
use crate::FrameInfo;
use crate::geometry::project;
use crate::refusal::{judgement_of, place};

/// What becomes of the frames of usable instances.
#[derive(Debug, Default)]
pub(super) struct Placement {
    /// The groups, that of most frames first.
    pub groups: Vec<PlaneGroup>,
    /// Frames that cannot be placed, of files of which others can.
    pub left_out: Vec<RefusedFrame>,
    /// Files of which no frame can be placed.
    pub unplaced: Vec<(Candidate, Reason)>,
}

/// Places the frames of `candidates`, which are in the order of their SOP Instance UIDs, and groups them. Copies are told by `seen`.
pub(super) fn placed(candidates: Vec<Candidate>, seen: &SeenPixels) -> Placement {
    let mut placement = Placement::default();
    let mut frames = Vec::new();
    for candidate in candidates {
        match frames_of(&candidate) {
            Ok((placed, left_out)) => {
                frames.extend(placed);
                placement.left_out.extend(left_out);
            }
            Err(reason) => placement.unplaced.push((candidate, reason)),
        }
    }
    placement.groups = groups(frames, seen);
    placement
}

/// The frames of one instance that can be placed, and those that cannot.
///
/// # Errors
/// The first reason, where none can be.
fn frames_of(candidate: &Candidate) -> Result<(Vec<Placed>, Vec<RefusedFrame>), Reason> {
    let nothing = || Reason::new(ReasonCode::MissingAttribute, "no frame");
    let Candidate { object, sop_uid, instance } = candidate;
    let format = instance.format.as_ref().ok_or_else(nothing)?;
    let (mut placed, mut left_out) = (Vec::new(), Vec::new());
    // Frames that say the same of themselves are judged once.
    let mut last: Option<(&FrameInfo, Option<ReasonCode>)> = None;
    for (frame, info) in instance.frames.iter().enumerate() {
        let judged = match last {
            Some((frame, judged)) if frame.measures_like(info) => judged,
            _ => judgement_of(instance, info).map(|reason| reason.code),
        };
        last = Some((info, judged));
        match place(format, info) {
            Ok(found) => placed.push(Placed {
                position_mm: found.position_mm,
                plane: found.plane,
                judged,
                seen: false,
                slice: Slice {
                    object: *object,
                    frame,
                    sop_uid: sop_uid.clone(),
                    z_mm: 0.0,
                    rescale_slope: found.rescale_slope,
                    rescale_intercept: found.rescale_intercept,
                    instance: Arc::clone(instance),
                },
            }),
            Err(reason) => left_out.push(RefusedFrame { object: *object, frame, reason }),
        }
    }
    match left_out.first() {
        Some(first) if placed.is_empty() => Err(first.reason.clone()),
        None if placed.is_empty() => Err(nothing()),
        _ => Ok((placed, left_out)),
    }
}

/// Splits `frames` by class, frame of reference and plane; the group of most frames comes first.
fn groups(frames: Vec<Placed>, seen: &SeenPixels) -> Vec<PlaneGroup> {
    let reference = |one: &Placed| one.slice.instance.frame_of_reference_uid.clone();
    let keep_reference = is_shared(frames.iter().map(|one| (reference(one), &one.slice.sop_uid)));
    let mut groups: Vec<PlaneGroup> = Vec::new();
    for one in frames {
        let class = one.slice.instance.sop_class_uid.clone();
        let reference = reference(&one).filter(|_| keep_reference);
        let fits = |group: &&mut PlaneGroup| {
            group.class == class
                && group.reference == reference
                && group.judged == one.judged
                && group.plane.agrees_with(&one.plane)
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.frames.push(one),
            None => {
                let (plane, judged) = (one.plane, one.judged);
                groups.push(PlaneGroup { plane, class, reference, judged, frames: vec![one], copies: Vec::new() });
            }
        }
    }
    for group in &mut groups {
        let normal = group.plane.orientation.normal();
        for one in &mut group.frames {
            one.slice.z_mm = project(one.position_mm, normal);
            one.seen = seen.get(&one.place()).is_some_and(FramePixels::is_read);
        }
        drop_copies(group, seen);
    }
    // The sort is stable: equal groups keep the order of their least SOP Instance UID.
    groups.sort_by_key(|group| std::cmp::Reverse(group.frames.len()));
    groups
}

/// Whether two SOP instances name one value. Where each names its own, as anonymisation left frames of reference in LIDC-IDRI, the
/// attribute tells nothing and must not tear the series apart.
pub(super) fn is_shared<'a, T: Ord>(mut values: impl Iterator<Item = (T, &'a SopInstanceUid)>) -> bool {
    let mut holder: BTreeMap<T, &SopInstanceUid> = BTreeMap::new();
    values.any(|(value, uid)| *holder.entry(value).or_insert(uid) != uid)
}
