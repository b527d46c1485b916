//! What the headers of a stack's instances tell together.

use std::collections::BTreeSet;

use bolus_study::{BodyPart, BodyPartFinding, BodyPartSource, DeclaredContrast, Evidence, SeriesFacts, SeriesUid};

use super::types::{Candidate, Series};
use crate::evidence::declare;
use crate::refusal::is_derived;
use crate::{FrameInfo, FrameSays, Instance};

/// The Series Instance UID that `members` state, and whether it had to be derived from their SOP Instance UIDs.
pub(super) fn uid_of(members: &[Candidate]) -> (SeriesUid, bool) {
    if let Some(stated) = members.iter().find_map(|member| member.instance.series_uid.clone()) {
        return (stated, false);
    }
    let sop_texts: BTreeSet<&str> = members.iter().map(|member| member.sop_uid.as_str()).collect();
    (SeriesUid::derive(&sop_texts.into_iter().collect::<Vec<_>>()), true)
}

/// A series with everything but its slices. `members` may name a file several times.
pub(super) fn series_of((uid, uid_derived): (SeriesUid, bool), mut members: Vec<Candidate>) -> Series {
    members.sort_by_key(|member| member.object);
    members.dedup_by_key(|member| member.object);
    let instances = || members.iter().map(|member| member.instance.as_ref());
    Series {
        uid,
        uid_derived,
        stack: None,
        study_uid: instances().find_map(|instance| instance.study_uid.clone()),
        geometry: None,
        slices: Vec::new(),
        declared: declared(&members),
        body_part: body_part(&members),
        facts: facts(&members),
        refused: Vec::new(),
        refused_frames: Vec::new(),
        objects: members.iter().map(|member| member.object).collect(),
        refusal: None,
        judgement: None,
        derived: instances().any(|instance| instance.frames.iter().any(|frame| is_derived(instance, frame))),
        remarks: Vec::new(),
        patient_id: instances().find_map(|instance| instance.patient_id.clone()),
        content: members.iter().map(|member| (member.object, member.sop_uid.as_str().to_owned())).collect(),
        counted_before: BTreeSet::new(),
    }
}

/// What the headers of whole files declare, whatever frame they say it of.
fn declared(members: &[Candidate]) -> DeclaredContrast {
    let instances = || members.iter().map(|member| member.instance.as_ref());
    let frames = instances().flat_map(|instance| &instance.frames);
    declare(instances().flat_map(|instance| &instance.evidence).chain(of_frames(frames)).cloned())
}

/// What `frames` say about contrast beside their instances, what several share once.
pub(super) fn of_frames<'a>(frames: impl Iterator<Item = &'a FrameInfo>) -> impl Iterator<Item = &'a Evidence> {
    let mut seen: BTreeSet<*const FrameSays> = BTreeSet::new();
    let says = frames.filter_map(|frame| frame.says.as_deref()).filter(move |says| seen.insert(&raw const **says));
    says.flat_map(|says| &says.evidence)
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
