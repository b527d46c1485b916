//! What one bundle is worth: its figures, what became of each series, and where it was farthest from the truth.

use std::collections::{BTreeMap, BTreeSet};

use bolus_study::{PredictedClass, SeriesUid};
use serde::Serialize;

use super::group::{self, Subgroup};
use super::judged::{Judged, scan_cases, slice_cases};
use super::level::Level;
use super::rows::{BundleId, BundleRows, Thresholds};
use crate::statistics::Resampling;
use crate::truth::{LabelledSet, TruthKey};

/// What is to be made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How intervals are resampled.
    pub resampling: Resampling,
    /// How many of the worst series a bundle's report names.
    pub worst: usize,
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

impl BundleEvaluation {
    /// What the bundle of `rows` is worth by those of them that are `judged`.
    pub(super) fn of(
        truth: &LabelledSet,
        rows: &BundleRows,
        judged: &[Judged],
        label: String,
        options: &Options,
    ) -> Self {
        let threshold = rows.thresholds.slice;
        Self {
            bundle: rows.bundle.clone(),
            label,
            thresholds: rows.thresholds,
            account: account(truth, rows, judged),
            scored_share: scored_share(judged),
            scan: Level::with_curves(&scan_cases(judged), options.resampling),
            slice: Level::with_curves(&slice_cases(judged, threshold), options.resampling),
            subgroups: group::all(judged, threshold, options.resampling),
            worst: worst(judged, options.worst),
        }
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
        body_part: judged.body_part(),
        site: judged.truth.site.clone(),
        codec: judged.scan.codec.clone(),
        slice_thickness_mm: judged.scan.slice_thickness_mm,
        source_uri: judged.scan.source_uri.clone(),
    };
    order.into_iter().take(count).map(of).collect()
}
