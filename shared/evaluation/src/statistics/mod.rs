//! Figures of how well scores tell two classes apart, with their uncertainty.
//!
//! All are over [`Case`]s: series or slices with a true class, a score in 0..1 and a decision. What cannot be had is `None` and
//! says why ([`Undefined`]).

mod auc;
mod bootstrap;
mod curve;
mod figures;
mod newcombe;
mod proportion;
mod ranked;
mod reliability;

use serde::Serialize;

pub use auc::{Auc, AucDifference, AucMethod, auc, auc_difference, midranks};
pub use bootstrap::{FigureIntervals, Resampling, intervals};
pub use curve::{Point, precision_recall_curve, roc_curve, thinned};
pub use figures::{Figure, Figures, figures};
pub use newcombe::newcombe_interval;
pub use proportion::{Confusion, Proportion};
pub use reliability::{BINS, Bin, EDGE, reliability};

/// The standard normal quantile of a two-sided 95 % interval.
pub const Z95: f64 = 1.959_963_984_540_054;

/// One unit that was scored: a series or a slice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Case {
    /// Whether it is enhanced in truth.
    pub positive: bool,
    /// The probability that it is, finite, 0 to 1.
    pub score: f64,
    /// What was decided: enhanced, native, or neither.
    pub decision: Option<bool>,
    /// What it shares with others and is not independent of: the number of its patient or series, from 0 without gaps.
    pub cluster: u32,
}

/// A two-sided 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// An interval whose ends are pulled into 0..1.
    fn within_unit(low: f64, high: f64) -> Self {
        Self { low: low.clamp(0.0, 1.0), high: high.clamp(0.0, 1.0) }
    }
}

/// Why a figure that needs both classes cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undefined {
    /// There is nothing to count.
    #[error("there are no cases")]
    Empty,
    /// Every case is enhanced.
    #[error("every case is enhanced: a curve needs native ones too")]
    OnlyPositive,
    /// Every case is native.
    #[error("every case is native: a curve needs enhanced ones too")]
    OnlyNegative,
}

/// How many cases are enhanced and how many native, if there are both.
///
/// # Errors
/// [`Undefined`] says which class is missing.
pub fn both_classes(cases: &[Case]) -> Result<(usize, usize), Undefined> {
    let positive = cases.iter().filter(|case| case.positive).count();
    match (positive, cases.len() - positive) {
        (0, 0) => Err(Undefined::Empty),
        (_, 0) => Err(Undefined::OnlyPositive),
        (0, _) => Err(Undefined::OnlyNegative),
        both => Ok(both),
    }
}

/// The distribution function of the standard normal distribution.
fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;
