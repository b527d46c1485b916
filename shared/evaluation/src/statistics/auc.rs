//! The area under the ROC curve, its variance, and the difference of two areas on the same cases.
//!
//! Source: DeLong, DeLong & Clarke-Pearson 1988, *Biometrics* 44, 837; computed from mid-ranks as Sun & Xu 2014, *IEEE Signal
//! Processing Letters* 21, 1389; extended to cases that are not independent (the slices of a series) as Obuchowski 1997, *Biometrics*
//! 53, 567, which is DeLong's where every case is its own cluster.

use serde::Serialize;

use super::newcombe::newcombe_interval;
use super::{Case, Interval, Undefined, Z95, both_classes, normal_cdf};

/// How an interval of an area was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AucMethod {
    /// `area ± 1.96 · standard error`, on the area itself (no logit), with its ends pulled into 0..1.
    Delong,
    /// Newcombe's score interval: where all cases are told apart the variance is 0, and DeLong's interval a point.
    Newcombe,
}

/// An area under the ROC curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Auc {
    /// The probability that an enhanced case scores higher than a native one, ties counting one half.
    pub value: f64,
    /// Its standard error; none where a class has fewer than two independent cases.
    pub standard_error: Option<f64>,
    /// The 95 % interval, where there is a standard error.
    pub interval: Option<Interval>,
    /// How the interval was made.
    pub method: AucMethod,
}

/// The difference of two areas on the same cases: first minus second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AucDifference {
    /// First area.
    pub first: f64,
    /// Second area.
    pub second: f64,
    /// First minus second.
    pub difference: f64,
    /// Standard error of the difference, with the covariance of the two.
    pub standard_error: Option<f64>,
    /// The 95 % interval of the difference.
    pub interval: Option<Interval>,
    /// The two-sided p value of DeLong's test that both are equal; none where the standard error is 0.
    pub p: Option<f64>,
}

/// Ranks from 1, where equal values share the mean of their ranks.
#[must_use]
pub fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for tied in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = start as f64 + (tied.len() as f64 + 1.0) / 2.0;
        for index in tied {
            ranks[*index] = rank;
        }
        start += tied.len();
    }
    ranks
}

/// An area and what each case adds to it (the structural components `V10` and `V01`).
struct Components {
    area: f64,
    /// One a case, in the order of the cases: its share of the other class that it is on the right side of.
    placements: Vec<f64>,
}

impl Components {
    fn of(cases: &[Case]) -> Result<Self, Undefined> {
        let (positives, negatives) = both_classes(cases)?;
        let of_class = |positive: bool| -> Vec<f64> {
            cases.iter().filter(|case| case.positive == positive).map(|case| case.score).collect()
        };
        let all = midranks(&cases.iter().map(|case| case.score).collect::<Vec<_>>());
        let (mut positive, mut negative) =
            (midranks(&of_class(true)).into_iter(), midranks(&of_class(false)).into_iter());
        let (m, n) = (positives as f64, negatives as f64);
        let placement = |(case, rank): (&Case, &f64)| {
            let own = if case.positive { positive.next() } else { negative.next() }.unwrap_or(*rank);
            if case.positive { (rank - own) / n } else { 1.0 - (rank - own) / m }
        };
        let placements: Vec<f64> = cases.iter().zip(&all).map(placement).collect();
        // From whole and half ranks, so that what is told apart without an error gives exactly 1.
        let ranks: f64 = cases.iter().zip(&all).filter(|(case, _)| case.positive).map(|(_, rank)| rank).sum();
        Ok(Self { area: (ranks - m * (m + 1.0) / 2.0) / (m * n), placements })
    }
}

/// Sums of a cluster's deviations from the area, and how many cases are behind them.
#[derive(Clone, Copy, Default)]
struct Deviation {
    positives: f64,
    negatives: f64,
    above: [f64; 2],
    below: [f64; 2],
}

/// The deviations of two sets of components of the same cases, cluster by cluster.
fn deviations(cases: &[Case], pair: [&Components; 2]) -> Vec<Deviation> {
    let clusters = cases.iter().map(|case| case.cluster as usize + 1).max().unwrap_or(0);
    let mut all = vec![Deviation::default(); clusters];
    for (index, case) in cases.iter().enumerate() {
        let cluster = &mut all[case.cluster as usize];
        if case.positive {
            cluster.positives += 1.0;
        } else {
            cluster.negatives += 1.0;
        }
        let side = if case.positive { &mut cluster.above } else { &mut cluster.below };
        for (sum, components) in side.iter_mut().zip(pair) {
            *sum += components.placements[index] - components.area;
        }
    }
    all
}

/// The covariance of two areas on the same cases (Obuchowski 1997, equations for `S10`, `S01` and `S11`); none where a class
/// comes from fewer than two clusters.
fn covariance(cases: &[Case], pair: [&Components; 2]) -> Option<f64> {
    let clusters = deviations(cases, pair);
    let count = |of: fn(&Deviation) -> bool| clusters.iter().filter(|cluster| of(cluster)).count() as f64;
    let with_positives = count(|cluster| cluster.positives > 0.0);
    let with_negatives = count(|cluster| cluster.negatives > 0.0);
    let any = count(|cluster| cluster.positives + cluster.negatives > 0.0);
    if with_positives < 2.0 || with_negatives < 2.0 {
        return None;
    }
    let sum = |of: fn(&Deviation) -> f64| clusters.iter().map(of).sum::<f64>();
    let (m, n) = (sum(|cluster| cluster.positives), sum(|cluster| cluster.negatives));
    let above = with_positives / (with_positives - 1.0) * sum(|c| c.above[0] * c.above[1]) / (m * m);
    let below = with_negatives / (with_negatives - 1.0) * sum(|c| c.below[0] * c.below[1]) / (n * n);
    let across = any / (any - 1.0) * sum(|c| c.above[0] * c.below[1] + c.above[1] * c.below[0]) / (m * n);
    Some(above + below + across)
}

/// The area under the ROC curve of `cases` with its 95 % interval.
///
/// # Errors
/// [`Undefined`] where a class is missing.
pub fn auc(cases: &[Case]) -> Result<Auc, Undefined> {
    let components = Components::of(cases)?;
    let value = components.area;
    let variance = covariance(cases, [&components, &components]).map(|variance| variance.max(0.0));
    let standard_error = variance.map(f64::sqrt);
    if value <= 0.0 || value >= 1.0 {
        let interval = standard_error.map(|_| newcombe_interval(value, clusters(cases, true), clusters(cases, false)));
        return Ok(Auc { value, standard_error, interval, method: AucMethod::Newcombe });
    }
    let interval = standard_error.map(|error| Interval::within_unit(value - Z95 * error, value + Z95 * error));
    Ok(Auc { value, standard_error, interval, method: AucMethod::Delong })
}

/// Clusters that hold cases of the class.
fn clusters(cases: &[Case], positive: bool) -> usize {
    let found: std::collections::BTreeSet<u32> =
        cases.iter().filter(|case| case.positive == positive).map(|case| case.cluster).collect();
    found.len()
}

/// DeLong's test of two scores of the same cases; `second` holds the scores in the order of `cases`, which hold the first.
///
/// # Errors
/// [`Undefined`] where a class is missing.
///
/// # Panics
/// Where `second` has another length than `cases`.
pub fn auc_difference(cases: &[Case], second: &[f64]) -> Result<AucDifference, Undefined> {
    assert_eq!(cases.len(), second.len(), "one second score a case");
    let others: Vec<Case> = cases.iter().zip(second).map(|(case, score)| Case { score: *score, ..*case }).collect();
    let (one, two) = (Components::of(cases)?, Components::of(&others)?);
    let difference = one.area - two.area;
    let term = |pair: [&Components; 2]| covariance(cases, pair);
    let variance = term([&one, &one]).zip(term([&two, &two])).zip(term([&one, &two]));
    let standard_error = variance.map(|((one, two), both)| (one + two - 2.0 * both).max(0.0).sqrt());
    let interval = standard_error.map(|error| Interval {
        low: (difference - Z95 * error).clamp(-1.0, 1.0),
        high: (difference + Z95 * error).clamp(-1.0, 1.0),
    });
    // Rounding leaves a trace of two equal scores, far below what any two different ones can give.
    let p = standard_error.filter(|error| *error > 1e-9).map(|error| 2.0 * normal_cdf(-(difference / error).abs()));
    Ok(AucDifference { first: one.area, second: two.area, difference, standard_error, interval, p })
}
