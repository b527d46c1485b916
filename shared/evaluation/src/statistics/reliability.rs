//! How far probabilities can be taken at their word.
//!
//! Brier score: the mean squared distance of probability and truth. Log-loss: the mean of `-ln p(truth)`. Expected calibration error:
//! [`BINS`] bins of equal width, the mean over cases of the distance between the mean probability and the share of enhanced
//! cases in their bin (Naeini et al. 2015; Guo et al. 2017).

use serde::Serialize;

use super::Case;

/// Bins of equal width of 0..1: `(0, 0.1]`, …, `(0.9, 1]`; 0 itself is in the first.
pub const BINS: usize = 10;

/// Keeps logarithms finite at probabilities of exactly 0 or 1, as the programs' calibration does.
pub const EDGE: f64 = 1e-7;

/// One bin of a reliability curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Lower end of the bin.
    pub low: f64,
    /// Upper end of the bin.
    pub high: f64,
    /// Cases in it.
    pub cases: usize,
    /// Mean probability of its cases.
    pub mean_probability: f64,
    /// Share of them that are enhanced in truth.
    pub enhanced_share: f64,
}

/// The bin of a probability.
pub(super) fn bin_of(score: f64) -> usize {
    // A float that is cast is pulled into the range of the integer: nothing wraps.
    (((score * BINS as f64).ceil() as usize).max(1) - 1).min(BINS - 1)
}

/// `-ln` of the probability given to the truth.
pub(super) fn log_loss(score: f64, positive: bool) -> f64 {
    let score = score.clamp(EDGE, 1.0 - EDGE);
    -(if positive { score } else { 1.0 - score }).ln()
}

/// The bins that hold cases.
#[must_use]
pub fn reliability(cases: &[Case]) -> Vec<Bin> {
    let mut sums = [(0_usize, 0.0, 0_usize); BINS];
    for case in cases {
        let (count, score, positive) = &mut sums[bin_of(case.score)];
        *count += 1;
        *score += case.score;
        *positive += usize::from(case.positive);
    }
    let width = 1.0 / BINS as f64;
    let bin = |(index, (cases, score, positive)): (usize, (usize, f64, usize))| Bin {
        low: index as f64 * width,
        high: (index + 1) as f64 * width,
        cases,
        mean_probability: score / cases as f64,
        enhanced_share: positive as f64 / cases as f64,
    };
    sums.into_iter().enumerate().filter(|(_, (cases, ..))| *cases > 0).map(bin).collect()
}
