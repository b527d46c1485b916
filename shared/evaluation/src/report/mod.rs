//! From the rows that bundles made to what they are worth: on scans, on slices, in subgroups, and against each other.
//!
//! The truth of a slice is that of its series, as published for the method. A series counts for a bundle where both a label of that
//! bundle (by digest) and a truth exist; what is missing is counted by reason.

mod compare;
mod group;
mod level;

use std::collections::{BTreeMap, BTreeSet};

use bolus_study::{PredictedClass, SeriesUid};
use serde::Serialize;

use crate::statistics::{BINS, Resampling};
use crate::truth::{LabelledSeries, LabelledSet, Split, TruthKey};

pub use compare::Comparison;
pub use group::{Dimension, Subgroup};
pub use level::{Estimate, Level};

/// Points of a curve nearer than this to the one before are left out of a report: they are not seen.
const CURVE_STEP: f64 = 0.002;

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
pub struct Scan {
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
    pub scans: Vec<Scan>,
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
        let mut of_truth: BTreeMap<TruthKey, Vec<Scan>> = BTreeMap::new();
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

/// What is to be made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How intervals are resampled.
    pub resampling: Resampling,
    /// How many of the worst series a bundle's report names.
    pub worst: usize,
}

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

/// A series and how far it was from the truth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorstSeries {
    /// The series.
    pub series: SeriesUid,
    /// Which stack of it, where it has several.
    pub stack: Option<u32>,
    /// The row.
    pub row_key: String,
    /// Whether it is enhanced.
    pub enhanced: bool,
    /// What the bundle said.
    pub probability: f64,
    /// The class.
    pub class: PredictedClass,
    /// Its body part.
    pub body_part: Option<String>,
    /// Its site.
    pub site: Option<String>,
    /// Its codecs.
    pub codec: Option<String>,
    /// Its slice thickness.
    pub slice_thickness_mm: Option<f64>,
    /// Where it was read.
    pub source_uri: String,
}

/// Share of the planned slices that were scored, over the rows that tell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScoredShare {
    /// Mean over the series.
    pub mean: f64,
    /// Rows that tell.
    pub series: usize,
}

/// What became of the series of the truth.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Account {
    /// Series with a truth and a label: what is counted below.
    pub evaluated: usize,
    /// Series that the bundle refused, by reason.
    pub refused: BTreeMap<String, usize>,
    /// Series that failed, by reason.
    pub failed: BTreeMap<String, usize>,
    /// Series of the truth of which the lake has nothing under this bundle.
    pub absent: usize,
    /// Labels without a truth, left out.
    pub without_truth: usize,
}

impl Account {
    /// Series of the truth that have no label.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.absent + self.refused.values().chain(self.failed.values()).sum::<usize>()
    }
}

/// What one bundle is worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BundleEvaluation {
    /// The bundle.
    pub bundle: BundleId,
    /// Its name, with as much of version and digest as tells it from the others.
    pub label: String,
    /// Its thresholds.
    pub thresholds: Thresholds,
    /// What became of the series of the truth.
    pub account: Account,
    /// Share of the planned slices that were scored.
    pub scored_share: Option<ScoredShare>,
    /// Scan level: one case a series.
    pub scan: Level,
    /// Slice level: one case a scored slice, not independent within a patient.
    pub slice: Level,
    /// Parts of the series.
    pub subgroups: Vec<Subgroup>,
    /// The series farthest from the truth.
    pub worst: Vec<WorstSeries>,
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

/// A scan with its truth.
#[derive(Clone, Copy)]
pub(crate) struct Judged<'a> {
    pub(crate) scan: &'a Scan,
    pub(crate) truth: &'a LabelledSeries,
    /// The number of the series' patient, or of the series where the patient is not known.
    pub(crate) patient: u32,
}

/// Judges `rows` by `truth`; `summary` is told as it is.
#[must_use]
pub fn evaluate(truth: &LabelledSet, summary: TruthSummary, rows: &[BundleRows], options: &Options) -> Evaluation {
    let patients = truth.clusters();
    let judged: Vec<Vec<Judged>> = rows.iter().map(|rows| judged(truth, rows, &patients)).collect();
    let labels = labels(rows);
    let bundle = |((rows, judged), label): ((&BundleRows, &Vec<Judged>), &String)| {
        bundle_evaluation(truth, rows, judged, label.clone(), options)
    };
    Evaluation {
        truth: summary,
        resampling: options.resampling,
        calibration_bins: BINS,
        bundles: rows.iter().zip(&judged).zip(&labels).map(bundle).collect(),
        comparisons: compare::all(&judged, &labels),
    }
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

fn judged<'a>(truth: &'a LabelledSet, rows: &'a BundleRows, patients: &BTreeMap<&SeriesUid, u32>) -> Vec<Judged<'a>> {
    let judge = |scan: &'a Scan| {
        let truth = truth.get(&scan.series, scan.stack)?;
        Some(Judged { scan, truth, patient: *patients.get(&scan.series)? })
    };
    rows.scans.iter().filter_map(judge).collect()
}

fn bundle_evaluation(
    truth: &LabelledSet,
    rows: &BundleRows,
    judged: &[Judged],
    label: String,
    options: &Options,
) -> BundleEvaluation {
    let threshold = rows.thresholds.slice;
    BundleEvaluation {
        bundle: rows.bundle.clone(),
        label,
        thresholds: rows.thresholds,
        account: account(truth, rows, judged),
        scored_share: scored_share(judged),
        scan: Level::with_curves(&level::scan_cases(judged), options.resampling),
        slice: Level::with_curves(&level::slice_cases(judged, threshold), options.resampling),
        subgroups: group::all(judged, threshold, options.resampling),
        worst: worst(judged, options.worst),
    }
}

fn account(truth: &LabelledSet, rows: &BundleRows, judged: &[Judged]) -> Account {
    let labelled: BTreeSet<TruthKey> = judged.iter().map(|judged| judged.truth.key()).collect();
    let mut account = Account { evaluated: judged.len(), without_truth: rows.without_truth, ..Account::default() };
    for series in truth.iter().filter(|series| !labelled.contains(&series.key())) {
        match rows.unlabelled.get(&series.key()) {
            Some((status, reason)) if status == "failed" => *account.failed.entry(reason.clone()).or_default() += 1,
            Some((_, reason)) => *account.refused.entry(reason.clone()).or_default() += 1,
            None => account.absent += 1,
        }
    }
    account
}

fn scored_share(judged: &[Judged]) -> Option<ScoredShare> {
    let share = |judged: &Judged| {
        let planned = judged.scan.slices_planned.filter(|planned| *planned > 0)?;
        Some(judged.scan.slices.len() as f64 / planned as f64)
    };
    let shares: Vec<f64> = judged.iter().filter_map(share).collect();
    let mean = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
    (!shares.is_empty()).then_some(ScoredShare { mean, series: shares.len() })
}

fn worst(judged: &[Judged], count: usize) -> Vec<WorstSeries> {
    let distance = |judged: &Judged| {
        let truth = if judged.truth.contrast { 1.0 } else { 0.0 };
        (judged.scan.probability - truth).abs()
    };
    let mut order: Vec<&Judged> = judged.iter().collect();
    order.sort_by(|a, b| distance(b).total_cmp(&distance(a)).then_with(|| a.scan.series.cmp(&b.scan.series)));
    let of = |judged: &Judged| WorstSeries {
        series: judged.scan.series.clone(),
        stack: judged.scan.stack,
        row_key: judged.scan.row_key.clone(),
        enhanced: judged.truth.contrast,
        probability: judged.scan.probability,
        class: judged.scan.class,
        body_part: group::body_part(judged),
        site: judged.truth.site.clone(),
        codec: judged.scan.codec.clone(),
        slice_thickness_mm: judged.scan.slice_thickness_mm,
        source_uri: judged.scan.source_uri.clone(),
    };
    order.into_iter().take(count).map(of).collect()
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
