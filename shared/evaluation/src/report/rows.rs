//! What bundles said of series, as the lake has it.

use std::collections::{BTreeMap, BTreeSet};

use bolus_study::{PredictedClass, SeriesUid};
use serde::Serialize;

use crate::truth::{LabelledSet, TruthKey};

/// Which bundle made rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct BundleId {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: String,
}

/// The thresholds that decisions are made at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Thresholds {
    /// A slice is positive at or above.
    pub slice: f32,
    /// A scan is enhanced above; none where the bundle's manifest is not at hand. The rows' own classes are what is counted.
    pub scan: Option<f64>,
    /// Probabilities in which the bundle does not decide, where its manifest is at hand.
    pub indeterminate: Option<[f64; 2]>,
}

/// What one bundle said of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredSeries {
    /// The series.
    pub series: SeriesUid,
    /// Which stack of it, where it has several.
    pub stack: Option<u32>,
    /// The row's key.
    pub row_key: String,
    /// Calibrated probability, finite.
    pub probability: f64,
    /// Aggregate before calibration, finite.
    pub raw_probability: f64,
    /// The class at the bundle's thresholds.
    pub class: PredictedClass,
    /// The scored slices' probabilities, finite, in any order.
    pub slices: Vec<f32>,
    /// Slices that the bundle's spec plans, of which `--adaptive` scores some; none in rows that do not tell.
    pub slices_planned: Option<usize>,
    /// Body parts as the row has them.
    pub body_part: Option<String>,
    /// Codecs of the files, by name.
    pub codec: Option<String>,
    /// Nominal slice thickness.
    pub slice_thickness_mm: Option<f64>,
    /// Where it was read.
    pub source_uri: String,
}

/// What one bundle has in the lake.
#[derive(Debug, Clone, PartialEq)]
pub struct BundleRows {
    /// The bundle.
    pub bundle: BundleId,
    /// Its thresholds.
    pub thresholds: Thresholds,
    /// The newest label of each series of the truth, or of each of its stacks: see [`BundleRows::settle_stacks`].
    pub scans: Vec<ScoredSeries>,
    /// Labels of series without a truth, left out.
    pub without_truth: usize,
    /// Why a series has no label: status and reason code of its newest row.
    pub unlabelled: BTreeMap<TruthKey, (String, String)>,
    /// Series whose truth names no stack, and whose stacks have different labels: none of them counts.
    pub ambiguous: BTreeSet<SeriesUid>,
}

/// The reason that series are counted under whose truth names no stack, and whose stacks have different labels.
const AMBIGUOUS_STACKS: &str = "ambiguous_stacks";

impl BundleRows {
    /// Leaves one label for each row of `truth`. A truth of a series as a whole holds for several stacks only where all have one class:
    /// the first stands for them. Where they differ, nobody knows which of them it is about: the series counts as refused, under
    /// `ambiguous_stacks`, and stands in `ambiguous`.
    pub fn settle_stacks(&mut self, truth: &LabelledSet) {
        let mut of_truth: BTreeMap<TruthKey, Vec<ScoredSeries>> = BTreeMap::new();
        for scan in std::mem::take(&mut self.scans) {
            if let Some(known) = truth.get(&scan.series, scan.stack) {
                of_truth.entry(known.key()).or_default().push(scan);
            }
        }
        for (key, mut scans) in of_truth {
            scans.sort_by_key(|scan| scan.stack);
            let class = scans.first().map(|scan| scan.class);
            if scans.iter().all(|scan| Some(scan.class) == class) {
                self.scans.extend(scans.into_iter().next());
            } else {
                self.ambiguous.insert(key.0.clone());
                self.unlabelled.insert(key, ("refused".to_owned(), AMBIGUOUS_STACKS.to_owned()));
            }
        }
    }
}
