//! Labels beside their truth, and the cases that statistics are made over.

use std::collections::BTreeMap;

use bolus_study::{PredictedClass, SeriesUid};

use super::rows::{BundleRows, ScoredSeries};
use crate::statistics::Case;
use crate::truth::{LabelledSeries, LabelledSet};

/// A scan with its truth.
#[derive(Clone, Copy)]
pub(super) struct Judged<'a> {
    pub(super) scan: &'a ScoredSeries,
    pub(super) truth: &'a LabelledSeries,
    /// The number of the series' patient, or of the series where the patient is not known.
    pub(super) patient: u32,
}

impl Judged<'_> {
    /// The body part of the series: the truth's, or the row's.
    pub(super) fn body_part(&self) -> Option<String> {
        self.truth.body_part.clone().or_else(|| self.scan.body_part.clone())
    }

    /// What the row's class decides.
    pub(super) fn decision(&self) -> Option<bool> {
        match self.scan.class {
            PredictedClass::Enhanced => Some(true),
            PredictedClass::Native => Some(false),
            PredictedClass::Indeterminate => None,
        }
    }
}

/// The labels of `rows` that have a truth; `patients` numbers the patient of each series.
pub(super) fn judged<'a>(
    truth: &'a LabelledSet,
    rows: &'a BundleRows,
    patients: &BTreeMap<&SeriesUid, u32>,
) -> Vec<Judged<'a>> {
    let judge = |scan: &'a ScoredSeries| {
        let truth = truth.get(&scan.series, scan.stack)?;
        Some(Judged { scan, truth, patient: *patients.get(&scan.series)? })
    };
    rows.scans.iter().filter_map(judge).collect()
}

/// One case a series, each on its own; what was decided is the row's own class.
pub(super) fn scan_cases(judged: &[Judged]) -> Vec<Case> {
    let case = |(judged, cluster): (&Judged, u32)| Case {
        positive: judged.truth.contrast,
        score: judged.scan.probability,
        decision: judged.decision(),
        cluster,
    };
    judged.iter().zip(0..).map(case).collect()
}

/// One case a scored slice, clustered by patient; the truth is that of the series, and every slice is decided.
pub(super) fn slice_cases(judged: &[Judged], threshold: f32) -> Vec<Case> {
    let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
    let mut cases = Vec::new();
    for judged in judged {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        let cluster = *numbers.entry(judged.patient).or_insert(next);
        let case = |slice: &f32| Case {
            positive: judged.truth.contrast,
            score: f64::from(*slice),
            decision: Some(*slice >= threshold),
            cluster,
        };
        cases.extend(judged.scan.slices.iter().map(case));
    }
    cases
}
