//! From the files of a run to its stacks.

use std::collections::BTreeMap;
use std::sync::Arc;

use bolus_study::{Reason, ReasonCode, SopInstanceUid, StackRef};

use super::compare::{Contested, SeenPixels, contested};
use super::members::{series_of, uid_of};
use super::planes::{Placement, is_shared, placed};
use super::stack::stacks_of;
use super::types::{Candidate, Member, Series};
use crate::Instance;
use crate::refusal::{image_refusal, refusal_of};

/// The files of a run on their way to stacks.
#[derive(Debug)]
pub struct Grouping {
    buckets: BTreeMap<[String; 5], Vec<Candidate>>,
}

impl Grouping {
    /// Sorts `members` by Series Instance UID; where that is missing, by folder, study, frame of reference and series number.
    #[must_use]
    pub fn of(members: Vec<Member>) -> Self {
        let mut buckets: BTreeMap<[String; 5], Vec<Candidate>> = BTreeMap::new();
        for member in members {
            let key = series_key(&member.instance, &member.folder);
            let sop_uid = sop_uid_of(&member.instance);
            let candidate = Candidate { object: member.object, sop_uid, instance: Arc::new(member.instance) };
            buckets.entry(key).or_default().push(candidate);
        }
        buckets
            .values_mut()
            .for_each(|bucket| bucket.sort_by(|a, b| (&a.sop_uid, a.object).cmp(&(&b.sop_uid, b.object))));
        Self { buckets }
    }

    /// The stacks, as [`Grouping::series`], once all that decides is `seen`; until then the frames that are still asked for.
    ///
    /// # Errors
    /// The frames whose pixels decide what is a copy and what another pass: those of one SOP Instance UID at one position, and those at
    /// one position that nothing in the headers parts, or only what the writer of the files may have made up. Most series have none.
    /// What they show may bring others up, so ask until there is none.
    pub fn settle(&self, seen: &SeenPixels) -> Result<Vec<Series>, Vec<Contested>> {
        let all: Vec<Vec<Part>> = self.buckets.values().map(|bucket| parts(bucket.clone(), seen)).collect();
        let groups = all.iter().flatten().flat_map(|part| &part.placement.groups);
        let asked: Vec<Contested> = groups.flat_map(|group| contested(group, seen)).collect();
        if asked.is_empty() { Ok(all.into_iter().flat_map(of_one_uid).collect()) } else { Err(asked) }
    }

    /// The stacks, by what is `seen` of the contested frames. The result does not depend on the order of the members, as long as all of
    /// those are.
    ///
    /// In order: members of one Series Instance UID are split by patient and by study, then by what makes them unusable, then by class,
    /// frame of reference and plane. Copies of frames are dropped. What is left is split into passes where positions come again; a pass
    /// that cannot be told from another is refused. In each, slices at a position that is taken are dropped, and the rest is ordered
    /// along the normal. Instances of CT that cannot be placed, and a few pages of another plane or pass, join the largest stack of
    /// their series as refused. Studies and frames of reference of which no two instances share one are ignored.
    ///
    /// A missing SOP Instance UID is derived from the series' attributes and the position, so it is the same in every run.
    #[must_use]
    pub fn series(self, seen: &SeenPixels) -> Vec<Series> {
        self.buckets.into_values().flat_map(|bucket| of_one_uid(parts(bucket, seen))).collect()
    }
}

/// What [`Grouping`] keeps apart before anything else: instances of two keys never meet in one [`Series`], so a caller may group those of
/// one key by themselves. The Series Instance UID, or what stands in for one.
#[must_use]
pub fn series_key(instance: &Instance, folder: &str) -> [String; 5] {
    if let Some(uid) = &instance.series_uid {
        return [uid.to_string(), String::new(), String::new(), String::new(), String::new()];
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let study = instance.study_uid.as_ref().map(ToString::to_string).unwrap_or_default();
    let frame_of_reference = text(&instance.frame_of_reference_uid);
    [String::new(), folder.to_owned(), study, frame_of_reference, text(&instance.series_number)]
}

fn sop_uid_of(instance: &Instance) -> SopInstanceUid {
    if let Some(uid) = &instance.sop_instance_uid {
        return uid.clone();
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let positions: Vec<String> = instance.frames.iter().map(|frame| format!("{:?}", frame.position_mm)).collect();
    SopInstanceUid::derive(&[
        &instance.study_uid.as_ref().map(ToString::to_string).unwrap_or_default(),
        &instance.series_uid.as_ref().map(ToString::to_string).unwrap_or_default(),
        &text(&instance.frame_of_reference_uid),
        &text(&instance.series_number),
        &positions.join(";"),
    ])
}

/// The instances of one patient and study under one Series Instance UID.
struct Part {
    /// What tells them from others of that UID.
    outer: Vec<String>,
    placement: Placement,
    /// What is no image of CT, by the reason.
    unusable: BTreeMap<ReasonCode, (Reason, Vec<Candidate>)>,
}

/// The parts of one Series Instance UID.
fn parts(candidates: Vec<Candidate>, seen: &SeenPixels) -> Vec<Part> {
    let mut parts = Vec::new();
    for (patient, candidates) in told("PatientID", by_patient(candidates)) {
        for (study, candidates) in told("StudyInstanceUID", by_study(candidates)) {
            let Sorted { readable, unreadable, unusable } = sorted(candidates);
            let mut placement = placed(readable, seen);
            placement.unplaced.extend(unreadable);
            placement.unplaced.sort_by(|(a, _), (b, _)| (&a.sop_uid, a.object).cmp(&(&b.sop_uid, b.object)));
            parts.push(Part { outer: patient.iter().cloned().chain(study).collect(), placement, unusable });
        }
    }
    parts
}

/// The stacks of one Series Instance UID, numbered where there are several.
fn of_one_uid(parts: Vec<Part>) -> Vec<Series> {
    let mut found: Vec<(Series, Option<Vec<String>>)> = Vec::new();
    for Part { outer, placement, unusable } in parts {
        for (series, parted_by) in stacks_of(placement) {
            found.push((series, parted_by.map(|inner| outer.iter().cloned().chain(inner).collect())));
        }
        found.extend(unusable.into_values().map(|(reason, members)| (refused_series(reason, members), None)));
    }
    let several = found.iter().filter(|(_, parted_by)| parted_by.is_some()).count() > 1;
    let mut number = 0;
    let mut numbered = |(mut series, parted_by): (Series, Option<Vec<String>>)| {
        if let Some(parted_by) = parted_by.filter(|_| several) {
            number += 1;
            series.stack = Some(StackRef { number, parted_by: parted_by.join(", ") });
        }
        series
    };
    found.into_iter().map(&mut numbered).collect()
}

/// Parts with what tells them apart in words, where there are several: never the value, which may be a patient's.
fn told(keyword: &str, parts: Vec<Vec<Candidate>>) -> impl Iterator<Item = (Option<String>, Vec<Candidate>)> {
    let count = parts.len();
    let words = move |number| (count > 1).then(|| format!("{keyword} ({number} of {count})"));
    parts.into_iter().enumerate().map(move |(index, part)| (words(index + 1), part)).collect::<Vec<_>>().into_iter()
}

/// One part a Patient ID. Instances without one go with the only patient there is, else they are a part of their own.
fn by_patient(candidates: Vec<Candidate>) -> Vec<Vec<Candidate>> {
    by_value(candidates, |instance| instance.patient_id.clone())
}

/// One part a Study Instance UID, likewise; all are one where each instance names a study of its own.
fn by_study(candidates: Vec<Candidate>) -> Vec<Vec<Candidate>> {
    let study = |instance: &Instance| instance.study_uid.clone();
    match is_shared(candidates.iter().map(|one| (study(&one.instance), &one.sop_uid))) {
        true => by_value(candidates, study),
        false => vec![candidates],
    }
}

fn by_value<T: Ord>(candidates: Vec<Candidate>, value: impl Fn(&Instance) -> Option<T>) -> Vec<Vec<Candidate>> {
    let mut parts: BTreeMap<Option<T>, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        parts.entry(value(&candidate.instance)).or_default().push(candidate);
    }
    if parts.len() > 2 || !parts.contains_key(&None) {
        return parts.into_values().collect();
    }
    let mut whole: Vec<Candidate> = parts.into_values().flatten().collect();
    whole.sort_by(|a, b| (&a.sop_uid, a.object).cmp(&(&b.sop_uid, b.object)));
    vec![whole]
}

/// Instances by what becomes of them.
#[derive(Default)]
struct Sorted {
    readable: Vec<Candidate>,
    /// Images of CT that cannot be read.
    unreadable: Vec<(Candidate, Reason)>,
    /// What is no image of CT, by the reason.
    unusable: BTreeMap<ReasonCode, (Reason, Vec<Candidate>)>,
}

fn sorted(candidates: Vec<Candidate>) -> Sorted {
    let mut sorted = Sorted::default();
    for candidate in candidates {
        if let Some(reason) = refusal_of(&candidate.instance) {
            sorted.unusable.entry(reason.code).or_insert_with(|| (reason, Vec::new())).1.push(candidate);
        } else if let Some(reason) = image_refusal(&candidate.instance) {
            sorted.unreadable.push((candidate, reason));
        } else {
            sorted.readable.push(candidate);
        }
    }
    sorted
}

/// A series that is refused as it is, whatever its geometry.
fn refused_series(reason: Reason, members: Vec<Candidate>) -> Series {
    Series { refusal: Some(reason), ..series_of(uid_of(&members), members) }
}
