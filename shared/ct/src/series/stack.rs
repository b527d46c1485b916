//! Stacks of parallel planes: splitting a series into them, dropping repeats, ordering along the normal.

use std::collections::BTreeMap;
use std::sync::Arc;

use bolus_study::{Reason, ReasonCode, SopInstanceUid, Vector3};

use super::{Candidate, RefusedFrame, Series, Slice, series_of};
use crate::geometry::{Plane, SAME_POSITION_MM, measure, project};
use crate::refusal::{Placed, place};

/// An instance whose frames have been placed; at least one of them could be.
pub(super) struct StackedFrames {
    candidate: Candidate,
    frames: Vec<Result<Placed, Reason>>,
    /// The plane of the first frame that could be placed: it decides the stack.
    plane: Plane,
}

impl StackedFrames {
    /// Places the frames of `candidate`; gives it back with the first reason where none can be.
    pub fn place(candidate: Candidate) -> Result<Self, (Candidate, Reason)> {
        let nothing = || Reason::new(ReasonCode::MissingAttribute, "no frame");
        let Some(format) = &candidate.instance.format else { return Err((candidate, nothing())) };
        let frames: Vec<_> = candidate.instance.frames.iter().map(|frame| place(format, frame)).collect();
        match frames.iter().find_map(|frame| frame.as_ref().ok()).map(|placed| placed.plane) {
            Some(plane) => Ok(Self { candidate, frames, plane }),
            None => {
                let reason = frames.into_iter().find_map(Result::err).unwrap_or_else(nothing);
                Err((candidate, reason))
            }
        }
    }
}

/// Instances of one plane, and those of the series that could not be placed.
pub(super) struct Stack {
    plane: Option<Plane>,
    members: Vec<StackedFrames>,
    pub unplaced: Vec<(Candidate, Reason)>,
}

/// Splits `members` by class, frame of reference and plane; the stack of most frames comes first.
pub(super) fn stacks_of(members: Vec<StackedFrames>) -> Vec<Stack> {
    let shared_reference = some_frame_of_reference_is_shared(&members);
    let mut stacks: Vec<Stack> = Vec::new();
    for member in members {
        let fits = |stack: &Stack| {
            let same = |first: &StackedFrames| {
                let (a, b) = (&first.candidate.instance, &member.candidate.instance);
                let same_reference = !shared_reference || a.frame_of_reference_uid == b.frame_of_reference_uid;
                a.sop_class_uid == b.sop_class_uid && same_reference
            };
            stack.members.first().is_some_and(same) && stack.plane.is_some_and(|plane| plane.agrees_with(&member.plane))
        };
        match stacks.iter_mut().find(|stack| fits(stack)) {
            Some(stack) => stack.members.push(member),
            None => {
                stacks.push(Stack { plane: Some(member.plane), members: vec![member], unplaced: Vec::new() });
            }
        }
    }
    // The sort is stable: equal stacks keep the order of their least SOP Instance UID.
    stacks.sort_by_key(|stack| std::cmp::Reverse(stack.members.iter().map(|one| one.frames.len()).sum::<usize>()));
    stacks
}

/// Whether two SOP instances name one frame of reference. Where each names its own, as anonymisation left it in
/// LIDC-IDRI, the attribute tells nothing and must not tear the series apart.
fn some_frame_of_reference_is_shared(members: &[StackedFrames]) -> bool {
    let mut holder: BTreeMap<Option<&str>, &SopInstanceUid> = BTreeMap::new();
    members.iter().any(|member| {
        let reference = member.candidate.instance.frame_of_reference_uid.as_deref();
        let first = *holder.entry(reference).or_insert(&member.candidate.sop_uid);
        *first != member.candidate.sop_uid
    })
}

/// A slice with its place.
struct Positioned {
    slice: Slice,
    position_mm: Vector3,
}

impl Stack {
    /// A stack without any slice.
    pub fn of_unplaced(unplaced: Vec<(Candidate, Reason)>) -> Self {
        Self { plane: None, members: Vec::new(), unplaced }
    }

    /// Drops repeats, orders the slices, and measures the geometry.
    pub fn into_series(self) -> Series {
        let unplaced = self.unplaced.iter().map(|(candidate, _)| candidate.clone());
        let mut series = series_of(self.members.iter().map(|one| one.candidate.clone()).chain(unplaced).collect());
        let mut left_out: Vec<RefusedFrame> = Vec::new();
        let Some(plane) = self.plane else {
            series.refusal = self.unplaced.first().map(|(_, reason)| reason.clone());
            series.refused = refused_objects(self.unplaced);
            return series;
        };
        let positioned = positioned(self.members, &plane, &mut left_out);
        let kept = without_repeats(positioned, &mut left_out);
        let used = |object: usize| kept.iter().any(|one| one.slice.object == object);
        let mut refused: BTreeMap<usize, Reason> = refused_objects(self.unplaced).into_iter().collect();
        for frame in left_out {
            if used(frame.object) {
                series.refused_frames.push(frame);
            } else {
                refused.entry(frame.object).or_insert(frame.reason);
            }
        }
        series.refused = refused.into_iter().collect();
        settle(&mut series, &plane, kept);
        series
    }
}

fn refused_objects(unplaced: Vec<(Candidate, Reason)>) -> Vec<(usize, Reason)> {
    let mut refused: Vec<_> = unplaced.into_iter().map(|(candidate, reason)| (candidate.object, reason)).collect();
    refused.sort_by_key(|(object, _)| *object);
    refused
}

/// The frames of `members` that lie in `plane`, without repeats of a SOP Instance UID. Members are sorted by it.
fn positioned(members: Vec<StackedFrames>, plane: &Plane, left_out: &mut Vec<RefusedFrame>) -> Vec<Positioned> {
    let normal = plane.orientation.normal();
    let mut positioned: Vec<Positioned> = Vec::new();
    let mut last_uid = None;
    for member in members {
        let Candidate { object, sop_uid, instance } = member.candidate;
        if last_uid.as_ref() == Some(&sop_uid) {
            let reason = Reason::new(ReasonCode::DuplicateInstance, "the SOP instance was seen before");
            left_out.push(RefusedFrame { object, frame: 0, reason });
            continue;
        }
        for (frame, placed) in member.frames.into_iter().enumerate() {
            match placed {
                Ok(placed) if plane.agrees_with(&placed.plane) => positioned.push(Positioned {
                    position_mm: placed.position_mm,
                    slice: Slice {
                        object,
                        frame,
                        sop_uid: sop_uid.clone(),
                        z_mm: project(placed.position_mm, normal),
                        rescale_slope: placed.rescale_slope,
                        rescale_intercept: placed.rescale_intercept,
                        instance: Arc::clone(&instance),
                    },
                }),
                Ok(_) => {
                    let reason = Reason::new(ReasonCode::InconsistentAttribute, "the frame lies in another plane");
                    left_out.push(RefusedFrame { object, frame, reason });
                }
                Err(reason) => left_out.push(RefusedFrame { object, frame, reason }),
            }
        }
        last_uid = Some(sop_uid);
    }
    positioned
}

/// Orders along the normal and keeps one slice at each position: the one of least SOP Instance UID and frame.
fn without_repeats(mut positioned: Vec<Positioned>, left_out: &mut Vec<RefusedFrame>) -> Vec<Positioned> {
    let identity = |one: &Positioned| (one.slice.sop_uid.clone(), one.slice.frame, one.slice.object);
    positioned.sort_by(|a, b| {
        let by_place = a.slice.z_mm.total_cmp(&b.slice.z_mm);
        by_place.then_with(|| identity(a).cmp(&identity(b)))
    });
    let mut kept: Vec<Positioned> = Vec::new();
    let mut place_start = f64::NEG_INFINITY;
    for one in positioned {
        let z_mm = one.slice.z_mm;
        let taken = z_mm - place_start < SAME_POSITION_MM;
        let dropped = match kept.last_mut() {
            Some(last) if taken && identity(&one) < identity(last) => std::mem::replace(last, one),
            Some(_) if taken => one,
            _ => {
                place_start = z_mm;
                kept.push(one);
                continue;
            }
        };
        let Slice { object, frame, .. } = dropped.slice;
        let reason = Reason::new(ReasonCode::DuplicatePosition, "another slice lies at the same position");
        left_out.push(RefusedFrame { object, frame, reason });
    }
    kept
}

/// Puts the slices and what follows from them into `series`.
fn settle(series: &mut Series, plane: &Plane, kept: Vec<Positioned>) {
    let positions = kept.iter().map(|one| one.position_mm).collect();
    series.slices = kept.into_iter().map(|one| one.slice).collect();
    let geometry = measure(plane, positions, common_thickness(&series.slices));
    let facts = &mut series.facts;
    facts.slices = geometry.depth();
    facts.rows = Some(geometry.rows);
    facts.columns = Some(geometry.columns);
    facts.pixel_spacing_mm = Some(geometry.pixel_spacing_mm);
    facts.slice_spacing_mm = geometry.slice_spacing_mm;
    facts.slice_thickness_mm = geometry.slice_thickness_mm;
    facts.gaps = geometry.gaps;
    facts.shear_deg = Some(geometry.shear_deg);
    series.geometry = Some(geometry);
}

/// The thickness, where every slice that states it agrees.
fn common_thickness(slices: &[Slice]) -> Option<f64> {
    let of = |slice: &Slice| slice.instance.frames.get(slice.frame).and_then(|frame| frame.slice_thickness_mm);
    let mut stated = slices.iter().filter_map(of);
    let first = stated.next()?;
    stated.all(|thickness| (thickness - first).abs() < 1e-3).then_some(first)
}
