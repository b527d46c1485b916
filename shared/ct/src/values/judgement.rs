//! The verdict over what a header says of the values of a frame.

use bolus_study::{Reason, ReasonCode, Remark, RemarkCode};

use super::kinds::kind_name;
use super::{image_type, units};
use crate::words::ValueKind;
use crate::{FrameInfo, Instance, ValueHints};

/// Energies of virtual monoenergetic images in keV whose contrast is near that of a tube voltage of 120 kV.
const LIKE_A_TUBE_KEV: std::ops::RangeInclusive<f64> = 60.0..=80.0;

/// Why the values of a frame are not those that a network of tube-voltage images takes; `None` where they are, or may be.
///
/// Image Type, Rescale Type and energy are the frame's own; the descriptions of the instance speak for all of its frames.
pub(crate) fn value_judgement(instance: &Instance, frame: &FrameInfo) -> Option<Reason> {
    let map = |detail: String| Some(Reason::judgement(ReasonCode::MaterialMap, detail));
    if let Some(reason) = units::rescale_judgement(frame.rescale_type.as_deref()) {
        return Some(reason);
    }
    if let Some((kind, words)) = image_type::map_of(frame) {
        return map(format!("image type {}: {}", words.escape_debug(), kind_name(kind)));
    }
    let hints = frame.values(instance);
    if let Some(said) = &hints.map {
        return map(format!("the header speaks of {said}"));
    }
    if let Some(unit) = &hints.mapped_unit {
        return map(format!("real world values in {}, HU expected", unit.escape_debug()));
    }
    if hints.inverted {
        let detail = "presentation LUT shape INVERSE beside MONOCHROME2: values may be turned over";
        return Some(Reason::judgement(ReasonCode::NotHounsfield, detail));
    }
    let energies = energies_kev(hints, frame)?;
    if energies.is_empty() {
        return map("virtual monoenergetic images of an unknown energy".to_owned());
    }
    let taken = energies.iter().all(|kev| LIKE_A_TUBE_KEV.contains(kev));
    if taken { None } else { map(format!("{}, 60 to 80 keV are taken", monoenergetic(&energies))) }
}

/// What is told of monoenergetic images that are taken.
pub(crate) fn value_remark(instance: &Instance, frame: &FrameInfo) -> Option<Remark> {
    let energies = energies_kev(frame.values(instance), frame).filter(|energies| !energies.is_empty())?;
    Some(Remark::new(RemarkCode::Monoenergetic, monoenergetic(&energies)))
}

/// The energy of a virtual monoenergetic frame, in keV; `None` where it has several, or none.
pub(crate) fn energy_kev(instance: &Instance, frame: &FrameInfo) -> Option<f64> {
    let energies = energies_kev(frame.values(instance), frame)?;
    energies.first().copied().filter(|_| energies.len() == 1)
}

fn monoenergetic(energies_kev: &[f64]) -> String {
    let energies: Vec<String> = energies_kev.iter().map(f64::to_string).collect();
    format!("virtual monoenergetic images of {} keV", energies.join(" and "))
}

/// The energies of virtual monoenergetic images, each once: there are none where nothing tells them. `None` for other images.
fn energies_kev(hints: &ValueHints, frame: &FrameInfo) -> Option<Vec<f64>> {
    let words = image_type::words_of(&frame.image_type);
    let found = hints.monoenergetic || words.first_of(&[ValueKind::Monoenergetic]).is_some();
    let mut energies = words.energies_kev;
    energies.extend(&hints.energies_kev);
    energies.sort_by(f64::total_cmp);
    energies.dedup();
    found.then_some(energies)
}

/// Why the frame shows no plane: projections, renderings and curved reformats, by Image Type, derivation or words.
pub(crate) fn projection_judgement(instance: &Instance, frame: &FrameInfo) -> Option<Reason> {
    let detail = match (image_type::projection_of(frame), &frame.values(instance).projection) {
        (Some(words), _) => format!("image type {}: a projection or a curved plane", words.escape_debug()),
        (None, Some(words)) => format!("the header speaks of {words:?}, a projection or a curved plane"),
        (None, None) => return None,
    };
    Some(Reason::judgement(ReasonCode::Derived, detail))
}
