//! From the rows that bundles made to what they are worth: on scans, on slices, in subgroups, and against each other.
//!
//! The truth of a slice is that of its series, as published for the method. A series counts for a bundle where both a label of that
//! bundle (by digest) and a truth exist; what is missing is counted by reason.

mod bundle;
mod compare;
mod group;
mod judged;
mod level;
mod rows;

use std::collections::BTreeSet;

use serde::Serialize;

use self::judged::{Judged, judged};
use crate::statistics::{BINS, Resampling};
use crate::truth::{LabelledSet, Split};

pub use bundle::{Account, BundleEvaluation, Options, ScoredShare, WorstSeries};
pub use compare::Comparison;
pub use group::{Dimension, Subgroup};
pub use level::{Estimate, Level};
pub use rows::{BundleId, BundleRows, ScoredSeries, Thresholds};

/// The truth, in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TruthSummary {
    /// Series of known status.
    pub series: usize,
    /// Of these, enhanced.
    pub enhanced: usize,
    /// Of these, native.
    pub native: usize,
    /// Patients, where the file names them.
    pub patients: usize,
    /// Rows that say nothing of contrast, left out.
    pub unknown: usize,
    /// The split that was chosen.
    pub split: Option<Split>,
    /// Patients with series in more than one split: a fault of the labelled set.
    pub patients_in_several_splits: usize,
}

impl TruthSummary {
    /// Counts `truth`; `whole` is the set that it is a split of, or itself.
    #[must_use]
    pub fn of(truth: &LabelledSet, whole: &LabelledSet, split: Option<Split>) -> Self {
        let enhanced = truth.iter().filter(|series| series.contrast).count();
        Self {
            series: truth.len(),
            enhanced,
            native: truth.len() - enhanced,
            patients: truth.iter().filter_map(|series| series.patient.as_deref()).collect::<BTreeSet<_>>().len(),
            unknown: whole.unknown(),
            split,
            patients_in_several_splits: whole.patients_in_several_splits().len(),
        }
    }
}

/// What all bundles are worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The truth.
    pub truth: TruthSummary,
    /// How intervals were resampled.
    pub resampling: Resampling,
    /// Bins of the expected calibration error.
    pub calibration_bins: usize,
    /// One a bundle.
    pub bundles: Vec<BundleEvaluation>,
    /// Each two bundles on the series that both labelled.
    pub comparisons: Vec<Comparison>,
}

/// Judges `rows` by `truth`; `summary` is told as it is.
#[must_use]
pub fn evaluate(truth: &LabelledSet, summary: TruthSummary, rows: &[BundleRows], options: &Options) -> Evaluation {
    let patients = truth.clusters();
    let judged: Vec<Vec<Judged>> = rows.iter().map(|rows| judged(truth, rows, &patients)).collect();
    let labels = labels(rows);
    let bundle = |((rows, judged), label): ((&BundleRows, &Vec<Judged>), &String)| {
        BundleEvaluation::of(truth, rows, judged, label.clone(), options)
    };
    Evaluation {
        truth: summary,
        resampling: options.resampling,
        calibration_bins: BINS,
        bundles: rows.iter().zip(&judged).zip(&labels).map(bundle).collect(),
        comparisons: compare::all(&judged, &labels),
    }
}

/// Names that tell bundles apart: the name alone where it is the only one, else with the version, else with part of the digest.
fn labels(rows: &[BundleRows]) -> Vec<String> {
    let same = |of: &dyn Fn(&BundleId) -> bool| rows.iter().filter(|rows| of(&rows.bundle)).count() > 1;
    let label = |rows: &BundleRows| {
        let id = &rows.bundle;
        if !same(&|other| other.name == id.name) {
            return id.name.clone();
        }
        let versioned = format!("{}@{}", id.name, id.version);
        if !same(&|other| other.name == id.name && other.version == id.version) {
            return versioned;
        }
        format!("{versioned} {}", id.digest.chars().take(8).collect::<String>())
    };
    rows.iter().map(label).collect()
}

#[cfg(test)]
mod tests;
