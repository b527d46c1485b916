//! What the pixel values of an instance measure, by its header: Hounsfield units, or something that only looks like them.
//!
//! Writers say so where they like: Image Type and Frame Type (PS3.3 sections C.8.2.1.1.1 and C.8.16.1.4, and C.8.2.1.1.1.3 for
//! multi-energy), Rescale Type (C.11.1.1.2), the multi-energy attributes (C.8.15.3.16), derivation codes, mappings to real world
//! values, and the words of descriptions and comments. Any of them is enough.
//!
//! [`hints`](hints()) collects what stands beside Image Type and Rescale Type and says which attributes are kept for it; the tables of words
//! stand in `words/tables/values`; here all of it becomes a verdict.

mod hints;
mod image_type;
#[cfg(test)]
mod tests;
mod units;

use bolus_study::{Reason, ReasonCode, Remark, RemarkCode};

pub use hints::ValueHints;
pub(crate) use hints::{asked_of_groups, hints, is_attribute, is_cut, is_sequence};
pub(crate) use image_type::{localizer_type, named, names, screen_type, unlike_plain};

use crate::words::ValueKind;
use crate::{FrameInfo, Instance};

/// Energies of virtual monoenergetic images in keV whose contrast is near that of a tube voltage of 120 kV.
const LIKE_A_TUBE_KEV: std::ops::RangeInclusive<f64> = 60.0..=80.0;

/// What is no attenuation of a tube voltage, whatever else is said.
const MAPS: [ValueKind; 5] =
    [ValueKind::VirtualNative, ValueKind::Material, ValueKind::Perfusion, ValueKind::Subtraction, ValueKind::Processed];

/// What such images are.
fn kind_name(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::VirtualNative => "virtual native images",
        ValueKind::Material => "a map of a material",
        ValueKind::Perfusion | ValueKind::PerfusionDerived => "a map of perfusion",
        ValueKind::Subtraction => "a subtraction",
        ValueKind::Processed => "computed values",
        ValueKind::Monoenergetic => "virtual monoenergetic images",
        ValueKind::Projection => "a projection or a curved plane",
        ValueKind::Localizer => "a localizer",
        ValueKind::Screen => "a page of text",
    }
}

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
