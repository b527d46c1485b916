//! Groups instances into series and orders their slices.

mod stack;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bolus_study::{
    BodyPart, BodyPartFinding, BodyPartSource, DeclaredContrast, Reason, ReasonCode, SeriesFacts, SeriesGeometry,
    SeriesUid, SopInstanceUid, StudyUid,
};

use crate::Instance;
use crate::evidence::declare;
use crate::geometry::{Plane, measure};
use crate::refusal::{image_refusal, is_derived, refusal_of};
use stack::{Stack, StackedFrames, stacks_of};

/// One file that holds an instance, as the caller knows it.
#[derive(Debug, Clone)]
pub struct Member {
    /// The caller's index of the file.
    pub object: usize,
    /// Where the file lies. Read only where the Series Instance UID is missing, to keep folders apart.
    pub folder: String,
    /// Its header.
    pub instance: Instance,
}

/// One slice: a frame of one file, placed in space.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The caller's index of the file.
    pub object: usize,
    /// The frame in the file, from 0.
    pub frame: usize,
    /// The SOP Instance UID; derived where the file has none.
    pub sop_uid: SopInstanceUid,
    /// Position along the slice normal, in millimetres.
    pub z_mm: f64,
    /// HU = stored value × slope + intercept.
    pub rescale_slope: f64,
    /// HU = stored value × slope + intercept.
    pub rescale_intercept: f64,
    /// The header, shared by the frames of a file.
    pub instance: Arc<Instance>,
}

/// A frame of a used file that is no slice of the series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedFrame {
    /// The caller's index of the file.
    pub object: usize,
    /// The frame in the file, from 0.
    pub frame: usize,
    /// Why.
    pub reason: Reason,
}

/// A series: instances of one Series Instance UID that share frame of reference, orientation, size and spacing.
///
/// Every file stands in it once: through its slices, in `refused`, or, where `refusal` is set, in `objects` alone.
#[derive(Debug, Clone)]
pub struct Series {
    /// The Series Instance UID. Where one UID holds several stacks, all keep it: their contents tell them apart.
    pub uid: SeriesUid,
    /// Whether the UID was missing and has been derived from the SOP Instance UIDs.
    pub uid_derived: bool,
    /// Study Instance UID, where stated.
    pub study_uid: Option<StudyUid>,
    /// Geometry of `slices`; `None` where there are none.
    pub geometry: Option<SeriesGeometry>,
    /// The slices, ordered along the slice normal.
    pub slices: Vec<Slice>,
    /// What the headers declare about contrast.
    pub declared: DeclaredContrast,
    /// Body parts by the tag, else by the words; `None` where neither names one.
    pub body_part: Option<BodyPartFinding>,
    /// Facts for the report.
    pub facts: SeriesFacts,
    /// Files none of whose frames is a slice, with the reason, in the order of the index.
    pub refused: Vec<(usize, Reason)>,
    /// Frames left out of files that are used otherwise.
    pub refused_frames: Vec<RefusedFrame>,
    /// All files of the series, refused ones too, in the order of the index.
    pub objects: Vec<usize>,
    /// Why nothing of the series can be used, whatever the bundle wants.
    pub refusal: Option<Reason>,
    /// Whether the images were made from other images (reformats, projections, maps).
    pub derived: bool,
    /// Patient ID, for the keyed digest alone. Never logged.
    pub patient_id: Option<String>,
    /// SOP Instance UIDs in the order of `objects`.
    sop_uids: Vec<SopInstanceUid>,
}

impl Series {
    /// All files of the series, refused ones too.
    pub fn files(&self) -> impl Iterator<Item = usize> + '_ {
        self.objects.iter().copied()
    }

    /// Every file with the SOP Instance UID it holds: what identifies the series' content.
    pub fn content(&self) -> impl Iterator<Item = (usize, &str)> + '_ {
        self.objects.iter().copied().zip(self.sop_uids.iter().map(SopInstanceUid::as_str))
    }

    /// The geometry of the slices `kept`, indices into `slices` in growing order: what remains when some turn out
    /// to be unreadable.
    ///
    /// # Errors
    /// `TooFewSlices` where none is left, `MissingAttribute` where the series has no geometry.
    pub fn geometry_of(&self, kept: &[usize]) -> Result<SeriesGeometry, Reason> {
        let Some(geometry) = &self.geometry else {
            return Err(Reason::new(ReasonCode::MissingAttribute, "the series has no geometry"));
        };
        if kept.len() == geometry.depth() {
            return Ok(geometry.clone());
        }
        let positions: Vec<_> = kept.iter().filter_map(|index| geometry.positions_mm.get(*index).copied()).collect();
        if positions.is_empty() {
            return Err(Reason::new(ReasonCode::TooFewSlices, "no slice is left"));
        }
        let plane = Plane {
            rows: geometry.rows,
            columns: geometry.columns,
            orientation: geometry.orientation,
            pixel_spacing_mm: geometry.pixel_spacing_mm,
        };
        Ok(measure(&plane, positions, geometry.slice_thickness_mm))
    }
}

/// A member with its SOP Instance UID settled.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    object: usize,
    sop_uid: SopInstanceUid,
    instance: Arc<Instance>,
}

/// Groups `members` into series. The result does not depend on their order.
///
/// In order: members of one Series Instance UID (where that is missing: of one folder, study, frame of reference and
/// series number) are split by what makes them unusable, then by class, frame of reference and plane. In each stack
/// repeats of a SOP Instance UID are dropped, then slices at a position that is taken, the least SOP Instance UID
/// staying; the rest is ordered along the normal. Instances of CT that cannot be placed join the largest stack of
/// their series as refused. Frames of reference of which no two instances share one are ignored.
///
/// A missing SOP Instance UID is derived from the series' attributes and the position, so it is the same in every run.
#[must_use]
pub fn group(members: Vec<Member>) -> Vec<Series> {
    let mut buckets: BTreeMap<[String; 5], Vec<Candidate>> = BTreeMap::new();
    for member in members {
        let key = bucket_key(&member);
        let sop_uid = sop_uid_of(&member.instance);
        let candidate = Candidate { object: member.object, sop_uid, instance: Arc::new(member.instance) };
        buckets.entry(key).or_default().push(candidate);
    }
    buckets.into_values().flat_map(split).collect()
}

fn bucket_key(member: &Member) -> [String; 5] {
    let instance = &member.instance;
    if let Some(uid) = &instance.series_uid {
        return [uid.to_string(), String::new(), String::new(), String::new(), String::new()];
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let study = instance.study_uid.as_ref().map(ToString::to_string).unwrap_or_default();
    let frame_of_reference = text(&instance.frame_of_reference_uid);
    [String::new(), member.folder.clone(), study, frame_of_reference, text(&instance.series_number)]
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

/// Splits the candidates of one Series Instance UID into series.
fn split(mut candidates: Vec<Candidate>) -> Vec<Series> {
    candidates.sort_by(|a, b| (&a.sop_uid, a.object).cmp(&(&b.sop_uid, b.object)));
    let mut unusable: BTreeMap<ReasonCode, (Reason, Vec<Candidate>)> = BTreeMap::new();
    let mut unplaced: Vec<(Candidate, Reason)> = Vec::new();
    let mut frames: Vec<StackedFrames> = Vec::new();
    for candidate in candidates {
        if let Some(reason) = refusal_of(&candidate.instance) {
            unusable.entry(reason.code).or_insert_with(|| (reason, Vec::new())).1.push(candidate);
            continue;
        }
        match image_refusal(&candidate.instance) {
            Some(reason) => unplaced.push((candidate, reason)),
            None => match StackedFrames::place(candidate) {
                Ok(placed) => frames.push(placed),
                Err((candidate, reason)) => unplaced.push((candidate, reason)),
            },
        }
    }
    let mut stacks = stacks_of(frames);
    match stacks.first_mut() {
        Some(largest) => largest.unplaced = unplaced,
        None if unplaced.is_empty() => {}
        None => stacks.push(Stack::of_unplaced(unplaced)),
    }
    let refused = unusable.into_values().map(|(reason, members)| refused_series(reason, members));
    stacks.into_iter().map(Stack::into_series).chain(refused).collect()
}

/// A series that is refused as it is, whatever its geometry.
fn refused_series(reason: Reason, members: Vec<Candidate>) -> Series {
    let mut series = series_of(members);
    series.refusal = Some(reason);
    series
}

/// A series with everything but its slices.
fn series_of(mut members: Vec<Candidate>) -> Series {
    let stated = members.iter().find_map(|member| member.instance.series_uid.clone());
    let uid_derived = stated.is_none();
    let mut sop_texts: Vec<&str> = members.iter().map(|member| member.sop_uid.as_str()).collect();
    sop_texts.sort_unstable();
    sop_texts.dedup();
    let uid = stated.unwrap_or_else(|| SeriesUid::derive(&sop_texts));
    members.sort_by_key(|member| member.object);
    let instances = || members.iter().map(|member| member.instance.as_ref());
    Series {
        uid,
        uid_derived,
        study_uid: instances().find_map(|instance| instance.study_uid.clone()),
        geometry: None,
        slices: Vec::new(),
        declared: declare(instances().flat_map(|instance| instance.evidence.iter().cloned())),
        body_part: body_part(&members),
        facts: facts(&members),
        refused: Vec::new(),
        refused_frames: Vec::new(),
        objects: members.iter().map(|member| member.object).collect(),
        refusal: None,
        derived: instances().any(is_derived),
        patient_id: instances().find_map(|instance| instance.patient_id.clone()),
        sop_uids: members.iter().map(|member| member.sop_uid.clone()).collect(),
    }
}

/// The parts that any instance names: by the tag, else by the words.
fn body_part(members: &[Candidate]) -> Option<BodyPartFinding> {
    let named = |parts_of: fn(&Instance) -> &[BodyPart]| -> Vec<BodyPart> {
        let named = |part: &BodyPart| members.iter().any(|member| parts_of(&member.instance).contains(part));
        BodyPart::ALL.into_iter().filter(named).collect()
    };
    let by_tag = named(|instance| &instance.body_parts_by_tag);
    let by_words = named(|instance| &instance.body_parts_by_words);
    let of = |parts: Vec<BodyPart>, source| (!parts.is_empty()).then_some(BodyPartFinding { parts, source });
    of(by_tag, BodyPartSource::Tag).or_else(|| of(by_words, BodyPartSource::Words))
}

/// Facts that need no geometry: the first stated value of each, as the instances agree or nearly so.
fn facts(members: &[Candidate]) -> SeriesFacts {
    let instances = || members.iter().map(|member| member.instance.as_ref());
    let mut transfer_syntaxes: Vec<String> = instances().map(|one| one.transfer_syntax_uid.clone()).collect();
    transfer_syntaxes.sort();
    transfer_syntaxes.dedup();
    let format = || instances().find_map(|instance| instance.format.as_ref());
    SeriesFacts {
        modality: instances().find_map(|instance| instance.modality.clone()),
        transfer_syntaxes,
        manufacturer: instances().find_map(|instance| instance.manufacturer.clone()),
        kernel: instances().find_map(|instance| instance.kernel.clone()),
        rows: format().map(|format| format.rows),
        columns: format().map(|format| format.columns),
        ..SeriesFacts::default()
    }
}
