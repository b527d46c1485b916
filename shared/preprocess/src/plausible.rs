//! Whether what goes to the network are Hounsfield units of a patient.
//!
//! A network answers whatever it is shown. Before it is asked, some planes of the series, resampled and not yet clipped, are measured:
//! where air, fat, soft tissue and bone must lie in Hounsfield units, and what a head, a neck or a trunk must hold. The measure works on
//! means over 6 mm, so that neither kernel nor dose matter, and on shares over all planes, so that one slice and a thousand are alike.
//!
//! Each limit lies beyond the good ones: 601 slices of 39 patients that may be trained on (each by itself and as series), and nearly all
//! synthetic ones. 171 slices of other patients are only judged by it. A figure beyond every good one is doubted, and the class stays
//! open; one that is beyond them by as much again is refused.
//!
//! Where the pixels are fine enough to show it, what lies next to what is measured too, and all figures are held against each other (see
//! `joint`): values of a patient that lie upside down or at other places, and drawn or cast objects, have no single figure that is odd.
//! What still passes: shifts and slopes about water of some 50 HU and 20 %, blocks of 16 mm and more at other places, and objects that
//! copy the tissues and the organs of a patient.

mod joint;
mod limits;
mod means;
mod measure;
mod structure;
mod table;

use bolus_study::{Reason, ReasonCode};

pub use joint::Distance;
pub use limits::Figures;
pub use measure::{PlaneFigures, Sampling};

/// Planes that are measured of a series: more tell no more.
const PLANES: usize = 24;

/// What the values are taken for.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Hounsfield units of a patient.
    Plausible,
    /// Beyond every good series that is known: the class is to be left open. Holds the figures, in words.
    Doubtful(String),
    /// No Hounsfield units, or no patient: `NotHounsfield` or `NotAPatient`, a judgement with its figures.
    Refused(Reason),
}

/// Whether the plane at `place` of `count` is one of those that are measured.
#[must_use]
pub fn is_measured(place: usize, count: usize) -> bool {
    place.is_multiple_of(count.div_ceil(PLANES).max(1))
}

/// Judges a series by the planes that were measured of it.
#[must_use]
pub fn judge(planes: &[PlaneFigures]) -> Verdict {
    let Some(figures) = Figures::of(planes) else {
        return Verdict::Doubtful("no pixel to judge the values by".to_owned());
    };
    let (breaches, refused) = figures.breaches();
    let Some(first) = breaches.first() else { return Verdict::Plausible };
    let told: Vec<&str> = breaches.iter().take(3).map(|breach| breach.words.as_str()).collect();
    let told = told.join("; ");
    let code = if first.is_scale { ReasonCode::NotHounsfield } else { ReasonCode::NotAPatient };
    if refused { Verdict::Refused(Reason::judgement(code, told)) } else { Verdict::Doubtful(told) }
}

#[cfg(test)]
mod tests;
