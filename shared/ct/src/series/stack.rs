//! From placed frames to the stacks of a series: dropping repeats, ordering along the normal, accounting for every frame.

use std::collections::{BTreeMap, BTreeSet};

use bolus_study::{Reason, ReasonCode, Remark, RemarkCode, SopInstanceUid};

use super::members::{of_frames, series_of, uid_of};
use super::passes::passes;
use super::placed::{Copy, Placed, PlaneGroup};
use super::planes::Placement;
use super::types::{Candidate, RefusedFrame, Series, Slice};
use crate::evidence::declare;
use crate::geometry::{Plane, SAME_POSITION_MM, measure};
use crate::refusal::is_derived;
use crate::values::value_remark;

/// At most this many slices of another plane or pass are pages of the stack beside them rather than a stack.
const MOST_PAGES: usize = 3;
/// That stack has at least so many times as many slices.
const PAGES_BESIDE: usize = 4;

/// A stack on its way to a [`Series`].
struct Stack {
    plane: Plane,
    /// The place of its plane group.
    group: usize,
    frames: Vec<Placed>,
    parted_by: Vec<String>,
    refusal: Option<Reason>,
    /// Frames of its files that are no slices.
    left_out: Vec<RefusedFrame>,
    /// Files none of whose frames could be placed.
    unplaced: Vec<(Candidate, Reason)>,
    /// Files whose frames repeat others, or are pages of the same plane.
    repeats: Vec<Candidate>,
    /// Files whose frames are pages of another plane.
    strangers: Vec<Candidate>,
    remarks: Vec<Remark>,
}

/// The stacks of what has been placed, each with what parts it from the others.
pub(super) fn stacks_of(placement: Placement) -> Vec<(Series, Option<Vec<String>>)> {
    let Placement { mut groups, left_out, unplaced } = placement;
    let mut stacks: Vec<Stack> =
        groups.iter_mut().enumerate().flat_map(|(place, group)| stacks_of_group(place, group)).collect();
    let mut holders: BTreeMap<usize, usize> = BTreeMap::new();
    for (place, stack) in stacks.iter().enumerate() {
        let objects = stack.frames.iter().map(|one| one.slice.object);
        let objects = objects.chain(stack.repeats.iter().map(|candidate| candidate.object));
        objects.for_each(|object| _ = holders.entry(object).or_insert(place));
    }
    for frame in left_out {
        if let Some(stack) = holders.get(&frame.object).and_then(|place| stacks.get_mut(*place)) {
            stack.left_out.push(frame);
        }
    }
    let Some(largest) = largest(&stacks) else {
        return of_unplaced(unplaced).into_iter().map(|series| (series, None)).collect();
    };
    let mut stacks = without_pages(stacks, largest, &groups);
    let largest = self::largest(&stacks).unwrap_or_default();
    if let Some(stack) = stacks.get_mut(largest) {
        stack.unplaced = unplaced;
    }
    tell_groups(&mut stacks, &groups);
    finished(stacks)
}

fn stacks_of_group(place: usize, group: &mut PlaneGroup) -> Vec<Stack> {
    let frames = std::mem::take(&mut group.frames);
    let stack = |pass: super::passes::Pass| Stack {
        plane: group.plane,
        group: place,
        frames: pass.members.iter().filter_map(|index| frames.get(*index).cloned()).collect(),
        parted_by: pass.parted_by,
        refusal: pass.refusal,
        left_out: Vec::new(),
        unplaced: Vec::new(),
        repeats: Vec::new(),
        strangers: Vec::new(),
        remarks: Vec::new(),
    };
    let mut stacks: Vec<Stack> = passes(&frames).into_iter().map(stack).collect();
    let mut holders: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (place, stack) in stacks.iter().enumerate() {
        holders.extend(stack.frames.iter().map(|one| (one.place(), place)));
    }
    for Copy { frame: copy, reason, of } in std::mem::take(&mut group.copies) {
        if let Some(stack) = holders.get(&of).and_then(|place| stacks.get_mut(*place)) {
            let (object, frame) = copy.place();
            stack.left_out.push(RefusedFrame { object, frame, reason });
            stack.repeats.push(copy.candidate());
        }
    }
    stacks
}

/// The place of the first of the stacks of most frames, those that are not refused before the others, and among them those before which
/// nothing speaks: a few slices of attenuation are no pages of a stack of maps.
fn largest(stacks: &[Stack]) -> Option<usize> {
    let is_judged = |stack: &Stack| stack.frames.first().is_some_and(|one| one.judged.is_some());
    let size = |stack: &Stack| (stack.refusal.is_none(), !is_judged(stack), stack.frames.len());
    (0..stacks.len()).rev().max_by_key(|place| stacks.get(*place).map(size))
}

/// Makes a few slices beside a large stack that stack's refused pages: reference pages, re-made slices.
fn without_pages(stacks: Vec<Stack>, largest: usize, groups: &[PlaneGroup]) -> Vec<Stack> {
    let Some((group, plane, size)) = stacks.get(largest).map(|stack| (stack.group, stack.plane, stack.frames.len()))
    else {
        return stacks;
    };
    let is_page = |place: usize, stack: &Stack| {
        let few = stack.frames.len() <= MOST_PAGES && stack.frames.len() * PAGES_BESIDE <= size;
        place != largest && few
    };
    let (mut kept, mut pages) = (Vec::new(), Vec::new());
    let mut main = 0;
    for (place, stack) in stacks.into_iter().enumerate() {
        if is_page(place, &stack) {
            pages.push(stack);
            continue;
        }
        if place == largest {
            main = kept.len();
        }
        kept.push(stack);
    }
    let Some(beside) = kept.get_mut(main) else { return kept };
    for page in pages {
        let judged = page.frames.first().and_then(Placed::judgement);
        let by_place = || match (page.group == group, groups.get(page.group).zip(groups.get(group))) {
            (false, _) if plane.is_axial() && !page.plane.is_axial() => {
                Reason::new(ReasonCode::NotAxial, "a page that is not axial among axial ones")
            }
            (false, Some((own, other))) => {
                let detail = format!("a page beside the stack, {} differs", own.differs_by(other));
                Reason::new(ReasonCode::InconsistentAttribute, detail)
            }
            _ => {
                let detail = format!("a page at the stack's positions, {}", page.parted_by.join(", "));
                Reason::new(ReasonCode::DuplicatePosition, detail)
            }
        };
        let reason = judged.unwrap_or_else(by_place);
        beside.take_page(page, &reason);
    }
    kept
}

impl Stack {
    fn take_page(&mut self, page: Self, reason: &Reason) {
        let detail = format!("{} left out: {}", page.frames.len(), reason.detail);
        self.remarks.push(Remark::new(RemarkCode::LeftoverPages, detail));
        let files = if page.group == self.group { &mut self.repeats } else { &mut self.strangers };
        files.extend(page.frames.iter().map(Placed::candidate).chain(page.repeats));
        let frames = page.frames.iter().map(|one| (one.slice.object, one.slice.frame));
        self.left_out.extend(frames.map(|(object, frame)| RefusedFrame { object, frame, reason: reason.clone() }));
        self.left_out.extend(page.left_out);
    }
}

/// Says which plane group a stack is of, where several are left, and forgets what parted passes whose others are not left.
fn tell_groups(stacks: &mut [Stack], groups: &[PlaneGroup]) {
    let mut places: Vec<usize> = stacks.iter().map(|stack| stack.group).collect();
    let counts: BTreeMap<usize, usize> = places.iter().fold(BTreeMap::new(), |mut counts, place| {
        *counts.entry(*place).or_default() += 1;
        counts
    });
    places.dedup();
    for stack in stacks {
        if counts.get(&stack.group) == Some(&1) {
            stack.parted_by.clear();
        }
        let other = places.iter().find(|place| **place != stack.group);
        if let Some((own, other)) = groups.get(stack.group).zip(other.and_then(|place| groups.get(*place))) {
            let number = places.iter().position(|place| *place == stack.group).unwrap_or_default() + 1;
            let words = format!("{} ({number} of {})", own.differs_by(other), places.len());
            stack.parted_by.insert(0, words);
        }
    }
}

/// A series of files of which none can be placed, refused for what most of them are.
fn of_unplaced(unplaced: Vec<(Candidate, Reason)>) -> Option<Series> {
    let refusal = commonest(unplaced.iter().map(|(_, reason)| reason))?.clone();
    let candidates: Vec<Candidate> = unplaced.iter().map(|(candidate, _)| candidate.clone()).collect();
    let series = series_of(uid_of(&candidates), candidates);
    Some(Series { refusal: Some(refusal), refused: refused_objects(unplaced), ..series })
}

/// The first reason of the code that most files have.
fn commonest<'a>(reasons: impl DoubleEndedIterator<Item = &'a Reason> + Clone) -> Option<&'a Reason> {
    let mut counts: BTreeMap<ReasonCode, usize> = BTreeMap::new();
    reasons.clone().for_each(|reason| *counts.entry(reason.code).or_default() += 1);
    // The last of equal ones is taken, so they are asked from behind.
    reasons.rev().max_by_key(|reason| counts.get(&reason.code))
}

fn refused_objects(unplaced: Vec<(Candidate, Reason)>) -> Vec<(usize, Reason)> {
    let mut refused: Vec<_> = unplaced.into_iter().map(|(candidate, reason)| (candidate.object, reason)).collect();
    refused.sort_by_key(|(object, _)| *object);
    refused
}

/// Drops slices at positions that are taken, measures, and accounts for every frame.
fn finished(mut stacks: Vec<Stack>) -> Vec<(Series, Option<Vec<String>>)> {
    let in_several = |files: &dyn Fn(&Stack) -> Vec<usize>| -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        let files = stacks.iter().map(|stack| files(stack).into_iter().collect::<BTreeSet<_>>());
        files.flatten().filter(|object| !seen.insert(*object)).collect()
    };
    let parted = in_several(&|stack| stack.frames.iter().map(|one| one.slice.object).collect());
    let shared = in_several(&|stack| stack.files().map(|candidate| candidate.object).collect());
    // A UID that is missing is derived from the files of all stacks of a plane group, so that they share it.
    let mut files: BTreeMap<usize, Vec<Candidate>> = BTreeMap::new();
    stacks.iter().for_each(|stack| files.entry(stack.group).or_default().extend(stack.content_files()));
    let of_groups: BTreeMap<usize, _> = files.iter().map(|(group, files)| (*group, uid_of(files))).collect();
    let uids: Vec<_> = stacks.iter().filter_map(|stack| of_groups.get(&stack.group).cloned()).collect();
    let kept: Vec<Vec<Placed>> = stacks.iter_mut().map(|stack| stack.kept(&shared)).collect();
    let used: BTreeSet<usize> = kept.iter().flatten().map(|one| one.slice.object).collect();
    let mut counted = BTreeSet::new();
    let parts = stacks.into_iter().zip(kept).zip(uids);
    parts
        .map(|((mut stack, kept), uid)| {
            let parted_by = std::mem::take(&mut stack.parted_by);
            let content = stack.content(&parted);
            let mut series = Series { content, ..stack.into_series(kept, uid, &used, &shared) };
            series.counted_before = series.files().filter(|object| counted.contains(object)).collect();
            counted.extend(series.files());
            (series, Some(parted_by))
        })
        .collect()
}

impl Stack {
    /// The files that the stack's facts are of.
    fn own_files(&self) -> impl Iterator<Item = Candidate> + '_ {
        self.frames.iter().map(Placed::candidate).chain(self.unplaced.iter().map(|(candidate, _)| candidate.clone()))
    }

    /// The files that are its content: pages of the same plane among them, as before there were stacks.
    fn content_files(&self) -> impl Iterator<Item = Candidate> + '_ {
        self.own_files().chain(self.repeats.iter().cloned())
    }

    /// All files.
    fn files(&self) -> impl Iterator<Item = Candidate> + '_ {
        self.content_files().chain(self.strangers.iter().cloned())
    }

    /// The slices, in order; what is dropped goes to `left_out`. None where the stack is refused: then only frames of `shared` files
    /// need a word, the others go with their files.
    fn kept(&mut self, shared: &BTreeSet<usize>) -> Vec<Placed> {
        match &self.refusal {
            None => without_repeats(self.frames.clone(), &mut self.left_out),
            Some(reason) => {
                let frames = self.frames.iter().map(|one| (one.slice.object, one.slice.frame));
                let frames = frames.filter(|(object, _)| shared.contains(object));
                let left_out = frames.map(|(object, frame)| RefusedFrame { object, frame, reason: reason.clone() });
                self.left_out.extend(left_out.collect::<Vec<_>>());
                Vec::new()
            }
        }
    }

    fn into_series(
        mut self,
        kept: Vec<Placed>,
        uid: (bolus_study::SeriesUid, bool),
        used: &BTreeSet<usize>,
        shared: &BTreeSet<usize>,
    ) -> Series {
        let mut series = series_of(uid, self.own_files().collect());
        self.tell_frames(&mut series);
        series.objects = self.files().map(|candidate| candidate.object).collect::<BTreeSet<_>>().into_iter().collect();
        series.refusal = self.refusal.take();
        series.remarks = std::mem::take(&mut self.remarks);
        let first = self.frames.first();
        series.remarks.extend(first.and_then(|one| value_remark(&one.slice.instance, one.info()?)));
        // Where all of the stack is refused, files of which it has no frame keep the reason of their own.
        let own: BTreeSet<usize> = match series.refusal {
            None => BTreeSet::new(),
            Some(_) => self.frames.iter().map(|one| one.slice.object).collect(),
        };
        let mut refused: BTreeMap<usize, Reason> = refused_objects(self.unplaced).into_iter().collect();
        for frame in self.left_out {
            if used.contains(&frame.object) || shared.contains(&frame.object) {
                series.refused_frames.push(frame);
            } else if !own.contains(&frame.object) {
                refused.entry(frame.object).or_insert(frame.reason);
            }
        }
        series.refused = refused.into_iter().collect();
        if series.refusal.is_none() {
            settle(&mut series, &self.plane, kept);
        }
        series
    }

    /// Puts into `series` what the headers say of the stack's own frames: others of the same files may say otherwise.
    fn tell_frames(&self, series: &mut Series) {
        let files = self.own_files().map(|candidate| (candidate.object, candidate.instance));
        let instances: BTreeMap<usize, _> = files.collect();
        let of_files = instances.values().flat_map(|instance| &instance.evidence);
        let own = self.frames.iter().filter_map(Placed::info);
        let unplaced = self.unplaced.iter().flat_map(|(candidate, _)| &candidate.instance.frames);
        series.declared = declare(of_files.chain(of_frames(own.chain(unplaced))).cloned());
        series.judgement = self.frames.first().and_then(Placed::judgement);
        let kernel = self.frames.iter().find_map(|one| one.marks().kernel.clone());
        series.facts.kernel = kernel.or(series.facts.kernel.take());
    }

    /// What identifies the content: a file that other stacks hold frames of is named with the stack's own.
    fn content(&self, parted: &BTreeSet<usize>) -> Vec<(usize, String)> {
        let mut frames: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for one in self.frames.iter().filter(|one| parted.contains(&one.slice.object)) {
            frames.entry(one.slice.object).or_default().push(one.slice.frame.to_string());
        }
        let mut files: BTreeMap<usize, String> = BTreeMap::new();
        for Candidate { object, sop_uid, .. } in self.content_files() {
            files.entry(object).or_insert_with(|| match frames.get(&object) {
                Some(own) => format!("{sop_uid} frames {}", own.join(",")),
                None => sop_uid.to_string(),
            });
        }
        files.into_iter().collect()
    }
}

/// Orders along the normal and keeps one slice at each position: the one of least SOP Instance UID and frame. None is kept where the
/// pixels of several are known: they differ, and nothing tells which one is of the pass.
fn without_repeats(mut positioned: Vec<Placed>, left_out: &mut Vec<RefusedFrame>) -> Vec<Placed> {
    let identity = |one: &Placed| (one.slice.sop_uid.clone(), one.slice.frame, one.slice.object);
    positioned.sort_by(|a, b| {
        let by_place = a.slice.z_mm.total_cmp(&b.slice.z_mm);
        by_place.then_with(|| identity(a).cmp(&identity(b)))
    });
    let mut places: Vec<Vec<Placed>> = Vec::new();
    for one in positioned {
        let z_mm = one.slice.z_mm;
        let taken = |place: &Vec<Placed>| place.first().is_some_and(|first| z_mm - first.slice.z_mm < SAME_POSITION_MM);
        match places.last_mut() {
            Some(place) if taken(place) => place.push(one),
            _ => places.push(vec![one]),
        }
    }
    let mut kept: Vec<Placed> = Vec::new();
    for mut place in places {
        let differ = place.iter().filter(|one| one.seen).count() > 1;
        place.sort_by_key(|one| (!one.seen, identity(one)));
        let detail = match differ {
            true => "several slices at the same position show different images",
            false => "another slice lies at the same position",
        };
        let mut place = place.into_iter();
        kept.extend(if differ { None } else { place.next() });
        let reason = Reason::new(ReasonCode::DuplicatePosition, detail);
        left_out.extend(place.map(|Placed { slice, .. }| RefusedFrame {
            object: slice.object,
            frame: slice.frame,
            reason: reason.clone(),
        }));
    }
    kept
}

/// Puts the slices and what follows from them into `series`.
fn settle(series: &mut Series, plane: &Plane, kept: Vec<Placed>) {
    let positions = kept.iter().map(|one| one.position_mm).collect();
    series.slices = kept.into_iter().map(|one| one.slice).collect();
    let derived =
        |slice: &Slice| slice.instance.frames.get(slice.frame).is_some_and(|frame| is_derived(&slice.instance, frame));
    series.derived = series.slices.iter().any(derived);
    series.remarks.extend(shared_uids(&series.slices));
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

/// Files that share an SOP Instance UID although they are different slices.
fn shared_uids(slices: &[Slice]) -> Option<Remark> {
    let files: BTreeSet<(&SopInstanceUid, usize)> = slices.iter().map(|slice| (&slice.sop_uid, slice.object)).collect();
    let uids: BTreeSet<&SopInstanceUid> = files.iter().map(|(uid, _)| *uid).collect();
    let detail = || format!("{} files have {} SOP Instance UIDs: told apart by position", files.len(), uids.len());
    (uids.len() < files.len()).then(|| Remark::new(RemarkCode::SharedUid, detail()))
}

/// The thickness, where every slice that states it agrees.
fn common_thickness(slices: &[Slice]) -> Option<f64> {
    let of = |slice: &Slice| slice.instance.frames.get(slice.frame).and_then(|frame| frame.slice_thickness_mm);
    let mut stated = slices.iter().filter_map(of);
    let first = stated.next()?;
    stated.all(|thickness| (thickness - first).abs() < 1e-3).then_some(first)
}
