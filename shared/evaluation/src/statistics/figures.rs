//! Every figure in one pass over ranked cases with weights: what the point estimates and each resample share.

use serde::Serialize;

use super::Case;
use super::ranked::Ranked;
use super::reliability::BINS;

/// A figure of merit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Area under the ROC curve, ties counting one half.
    Auc,
    /// Average precision: `Σ (recall_k − recall_{k−1}) · precision_k` over the distinct scores, without interpolation.
    AveragePrecision,
    /// Share of the decided enhanced cases that were called enhanced.
    Sensitivity,
    /// Share of the decided native cases that were called native.
    Specificity,
    /// Share of what was called enhanced that is.
    PositivePredictiveValue,
    /// Share of what was called native that is.
    NegativePredictiveValue,
    /// Harmonic mean of sensitivity and positive predictive value.
    F1,
    /// Share of the decided cases that were decided right.
    Accuracy,
    /// Mean squared distance of probability and truth.
    Brier,
    /// Expected calibration error.
    CalibrationError,
    /// Mean negative logarithm of the probability given to the truth.
    LogLoss,
}

impl Figure {
    /// Every figure, in the order of [`Figures`].
    pub const ALL: [Self; 11] = [
        Self::Auc,
        Self::AveragePrecision,
        Self::Sensitivity,
        Self::Specificity,
        Self::PositivePredictiveValue,
        Self::NegativePredictiveValue,
        Self::F1,
        Self::Accuracy,
        Self::Brier,
        Self::CalibrationError,
        Self::LogLoss,
    ];
}

/// One value a figure, none where it cannot be had.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures([Option<f64>; Figure::ALL.len()]);

impl Figures {
    /// The value of a figure.
    #[must_use]
    pub fn get(&self, figure: Figure) -> Option<f64> {
        self.0[figure as usize]
    }
}

/// All figures of `cases`.
#[must_use]
pub fn figures(cases: &[Case]) -> Figures {
    weighted(&Ranked::new(cases), |_| 1.0)
}

/// Sums over the cases.
#[derive(Default)]
struct Sums {
    positives: f64,
    negatives: f64,
    /// Pairs of an enhanced and a native case in the right order.
    ordered_pairs: f64,
    /// Precision at each enhanced case.
    precision: f64,
    true_positive: f64,
    false_negative: f64,
    false_positive: f64,
    true_negative: f64,
    squared_error: f64,
    log_loss: f64,
    /// Of each bin: probability minus truth.
    excess: [f64; BINS],
}

impl Sums {
    fn over(ranked: &Ranked, weight: impl Fn(&Case) -> f64) -> Self {
        let mut sums = Self::default();
        for run in ranked.runs() {
            let (mut positives, mut negatives) = (0.0, 0.0);
            for ranked in run {
                let weight = weight(&ranked.case);
                if ranked.case.positive {
                    positives += weight;
                } else {
                    negatives += weight;
                }
                sums.decide(&ranked.case, weight);
                sums.squared_error += weight * ranked.squared_error;
                sums.log_loss += weight * ranked.log_loss;
                sums.excess[ranked.bin] += weight * (ranked.case.score - f64::from(u8::from(ranked.case.positive)));
            }
            // All enhanced cases above this run's native ones, and half of those level with them.
            sums.ordered_pairs += negatives * (sums.positives + positives / 2.0);
            sums.positives += positives;
            sums.negatives += negatives;
            if positives > 0.0 {
                sums.precision += positives * sums.positives / (sums.positives + sums.negatives);
            }
        }
        sums
    }

    fn decide(&mut self, case: &Case, weight: f64) {
        match (case.positive, case.decision) {
            (true, Some(true)) => self.true_positive += weight,
            (true, Some(false)) => self.false_negative += weight,
            (false, Some(true)) => self.false_positive += weight,
            (false, Some(false)) => self.true_negative += weight,
            (_, None) => {}
        }
    }
}

/// All figures, each case counted `weight` times.
pub(super) fn weighted(ranked: &Ranked, weight: impl Fn(&Case) -> f64) -> Figures {
    let sums = Sums::over(ranked, weight);
    let share = |part: f64, of: f64| (of > 0.0).then(|| part / of);
    let all = sums.positives + sums.negatives;
    let (tp, tn) = (sums.true_positive, sums.true_negative);
    let both = sums.positives > 0.0 && sums.negatives > 0.0;
    Figures([
        share(sums.ordered_pairs, sums.positives * sums.negatives),
        share(sums.precision, sums.positives).filter(|_| both),
        share(tp, tp + sums.false_negative),
        share(tn, tn + sums.false_positive),
        share(tp, tp + sums.false_positive),
        share(tn, tn + sums.false_negative),
        share(2.0 * tp, 2.0 * tp + sums.false_positive + sums.false_negative),
        share(tp + tn, tp + tn + sums.false_positive + sums.false_negative),
        share(sums.squared_error, all),
        share(sums.excess.iter().map(|excess| excess.abs()).sum(), all),
        share(sums.log_loss, all),
    ])
}
