//! Counts at a threshold and proportions of them.

use serde::Serialize;

use super::{Case, Interval, Z95};

/// A share of a number of cases, with Wilson's 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Proportion {
    /// The share.
    pub value: f64,
    /// Cases that count.
    pub hits: usize,
    /// Cases in all.
    pub of: usize,
    /// Wilson's score interval (Wilson 1927, *JASA* 22, 209), without continuity correction.
    pub interval: Interval,
}

impl Proportion {
    /// `hits` of `of`; none of nothing.
    #[must_use]
    pub fn new(hits: usize, of: usize) -> Option<Self> {
        if of == 0 {
            return None;
        }
        let (n, share) = (of as f64, hits as f64 / of as f64);
        let square = Z95 * Z95;
        let centre = (share + square / (2.0 * n)) / (1.0 + square / n);
        let half = Z95 / (1.0 + square / n) * (share * (1.0 - share) / n + square / (4.0 * n * n)).sqrt();
        // At the ends the formula is exact, and its rounding is not.
        let low = if hits == 0 { 0.0 } else { centre - half };
        let high = if hits == of { 1.0 } else { centre + half };
        Some(Self { value: share, hits, of, interval: Interval::within_unit(low, high) })
    }
}

/// The confusion matrix. What was not decided (`indeterminate`) stands in columns of its own and in no other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// Enhanced, and called so.
    pub true_positive: usize,
    /// Enhanced, and called native.
    pub false_negative: usize,
    /// Enhanced, and not decided.
    pub undecided_enhanced: usize,
    /// Native, and called enhanced.
    pub false_positive: usize,
    /// Native, and called so.
    pub true_negative: usize,
    /// Native, and not decided.
    pub undecided_native: usize,
}

impl Confusion {
    /// Counts the decisions of `cases`.
    #[must_use]
    pub fn of(cases: &[Case]) -> Self {
        let mut matrix = Self::default();
        for case in cases {
            let cell = match (case.positive, case.decision) {
                (true, Some(true)) => &mut matrix.true_positive,
                (true, Some(false)) => &mut matrix.false_negative,
                (true, None) => &mut matrix.undecided_enhanced,
                (false, Some(true)) => &mut matrix.false_positive,
                (false, Some(false)) => &mut matrix.true_negative,
                (false, None) => &mut matrix.undecided_native,
            };
            *cell += 1;
        }
        matrix
    }

    /// Cases that were decided.
    #[must_use]
    pub fn decided(&self) -> usize {
        self.true_positive + self.false_negative + self.false_positive + self.true_negative
    }

    /// Cases that were not.
    #[must_use]
    pub fn undecided(&self) -> usize {
        self.undecided_enhanced + self.undecided_native
    }

    /// Share of the decided enhanced cases that were called enhanced.
    #[must_use]
    pub fn sensitivity(&self) -> Option<Proportion> {
        Proportion::new(self.true_positive, self.true_positive + self.false_negative)
    }

    /// Share of the decided native cases that were called native.
    #[must_use]
    pub fn specificity(&self) -> Option<Proportion> {
        Proportion::new(self.true_negative, self.true_negative + self.false_positive)
    }

    /// Share of what was called enhanced that is.
    #[must_use]
    pub fn positive_predictive_value(&self) -> Option<Proportion> {
        Proportion::new(self.true_positive, self.true_positive + self.false_positive)
    }

    /// Share of what was called native that is.
    #[must_use]
    pub fn negative_predictive_value(&self) -> Option<Proportion> {
        Proportion::new(self.true_negative, self.true_negative + self.false_negative)
    }

    /// Share of the decided cases that were decided right.
    #[must_use]
    pub fn accuracy(&self) -> Option<Proportion> {
        Proportion::new(self.true_positive + self.true_negative, self.decided())
    }

    /// Share of all cases that were decided right: what was not decided counts against it.
    #[must_use]
    pub fn accuracy_of_all(&self) -> Option<Proportion> {
        Proportion::new(self.true_positive + self.true_negative, self.decided() + self.undecided())
    }

    /// Share of all cases that were decided.
    #[must_use]
    pub fn decided_share(&self) -> Option<Proportion> {
        Proportion::new(self.decided(), self.decided() + self.undecided())
    }
}
