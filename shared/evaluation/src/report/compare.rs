//! Two bundles on the series that both labelled: what int8, a lighter network or `--adaptive` costs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::judged::{Judged, scan_cases};
use crate::statistics::{AucDifference, Proportion, auc_difference};
use crate::truth::TruthKey;

/// Two bundles on the same series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The first bundle's label.
    pub first: String,
    /// The second bundle's label.
    pub second: String,
    /// Series that both labelled and whose truth is known.
    pub series: usize,
    /// DeLong's test on the scan level; none where a class is missing.
    pub auc: Option<AucDifference>,
    /// Share of the series that both put into the same class, undecided being one.
    pub equal_decisions: Option<Proportion>,
    /// Series that the first decided right and the second did not.
    pub only_first_right: usize,
    /// Series that the second decided right and the first did not.
    pub only_second_right: usize,
    /// Mean distance of their probabilities.
    pub mean_distance: f64,
    /// Largest distance of their probabilities.
    pub largest_distance: f64,
    /// Why something could not be had.
    pub note: Option<String>,
}

/// All pairs that have series in common.
pub(super) fn all(judged: &[Vec<Judged>], labels: &[String]) -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for (first, (one, label)) in judged.iter().zip(labels).enumerate() {
        for (other, other_label) in judged.iter().zip(labels).skip(first + 1) {
            comparisons.extend(compare((one.as_slice(), label.as_str()), (other.as_slice(), other_label.as_str())));
        }
    }
    comparisons
}

fn compare(first: (&[Judged], &str), second: (&[Judged], &str)) -> Option<Comparison> {
    let others: BTreeMap<TruthKey, &Judged> = second.0.iter().map(|judged| (judged.truth.key(), judged)).collect();
    let pairs = first.0.iter().filter_map(|judged| Some((*judged, **others.get(&judged.truth.key())?)));
    let (one, two): (Vec<Judged>, Vec<Judged>) = pairs.unzip();
    if one.is_empty() {
        return None;
    }
    let (cases, other_cases) = (scan_cases(&one), scan_cases(&two));
    let scores: Vec<f64> = other_cases.iter().map(|case| case.score).collect();
    let (auc, note) = match auc_difference(&cases, &scores) {
        Ok(difference) => (Some(difference), difference.p.is_none().then(|| NO_TEST.to_owned())),
        Err(undefined) => (None, Some(format!("no test: {undefined}"))),
    };
    let count = |of: &dyn Fn(&(&Judged, &Judged)) -> bool| one.iter().zip(&two).filter(of).count();
    let right = |judged: &Judged| judged.decision() == Some(judged.truth.contrast);
    let distances = || one.iter().zip(&two).map(|(a, b)| (a.scan.probability - b.scan.probability).abs());
    Some(Comparison {
        first: first.1.to_owned(),
        second: second.1.to_owned(),
        series: one.len(),
        auc,
        equal_decisions: Proportion::new(count(&|(a, b)| a.scan.class == b.scan.class), one.len()),
        only_first_right: count(&|(a, b)| right(a) && !right(b)),
        only_second_right: count(&|(a, b)| right(b) && !right(a)),
        mean_distance: distances().sum::<f64>() / one.len() as f64,
        largest_distance: distances().fold(0.0, f64::max),
        note,
    })
}

/// Why there is no p value.
const NO_TEST: &str = "no p value: the difference has no spread, as where both order all series alike";
