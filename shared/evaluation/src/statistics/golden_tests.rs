//! Against scikit-learn, SciPy and NumPy: see tests/golden/make_statistics.py.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

/// Beyond it a figure differs by more than the order of a sum explains.
const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
struct Golden {
    cases: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct Bins {
    share: Vec<f64>,
    mean: Vec<f64>,
    cases: Vec<usize>,
}

#[derive(Deserialize)]
struct Expected {
    truth: Vec<u8>,
    score: Vec<f64>,
    second: Vec<f64>,
    cluster: Vec<u32>,
    threshold: f64,
    auc: f64,
    delong_variance: f64,
    obuchowski_variance: f64,
    difference: f64,
    difference_error: f64,
    difference_p: f64,
    average_precision: f64,
    roc: [Vec<f64>; 2],
    precision_recall: [Vec<f64>; 2],
    brier: f64,
    log_loss: f64,
    calibration_error: f64,
    bins: Bins,
    confusion: [usize; 4],
    sensitivity: f64,
    specificity: f64,
    positive_predictive_value: f64,
    negative_predictive_value: f64,
    f1: f64,
    accuracy: f64,
    sensitivity_interval: [f64; 2],
    specificity_interval: [f64; 2],
}

impl Expected {
    /// The cases, each on its own, or in the clusters of the file.
    fn cases(&self, clustered: bool) -> Vec<Case> {
        let case = |index: usize| Case {
            positive: self.truth[index] == 1,
            score: self.score[index],
            decision: Some(self.score[index] >= self.threshold),
            cluster: if clustered { self.cluster[index] } else { index as u32 },
        };
        (0..self.truth.len()).map(case).collect()
    }
}

#[track_caller]
fn near(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= TOLERANCE * expected.abs().max(1.0), "{what}: {found}, not {expected}");
}

fn each(check: impl Fn(&Expected)) {
    let golden: Golden = serde_json::from_str(include_str!("../../../../tests/golden/statistics.json")).unwrap();
    assert_eq!(golden.cases.len(), 4);
    golden.cases.values().for_each(check);
}

#[test]
fn areas_and_their_variances_are_those_of_the_definitions() {
    each(|expected| {
        let cases = expected.cases(false);
        let area = auc(&cases).unwrap();
        near(area.value, expected.auc, "area");
        near(area.standard_error.unwrap().powi(2), expected.delong_variance, "DeLong's variance");
        let clustered = auc(&expected.cases(true)).unwrap();
        near(clustered.standard_error.unwrap().powi(2), expected.obuchowski_variance, "Obuchowski's variance");
        let test = auc_difference(&cases, &expected.second).unwrap();
        near(test.difference, expected.difference, "difference");
        near(test.standard_error.unwrap(), expected.difference_error, "its standard error");
        near(test.p.unwrap(), expected.difference_p, "p");
    });
}

#[test]
fn figures_are_those_of_scikit_learn() {
    each(|expected| {
        let found = figures(&expected.cases(false));
        for (figure, value) in [
            (Figure::Auc, expected.auc),
            (Figure::AveragePrecision, expected.average_precision),
            (Figure::Sensitivity, expected.sensitivity),
            (Figure::Specificity, expected.specificity),
            (Figure::PositivePredictiveValue, expected.positive_predictive_value),
            (Figure::NegativePredictiveValue, expected.negative_predictive_value),
            (Figure::F1, expected.f1),
            (Figure::Accuracy, expected.accuracy),
            (Figure::Brier, expected.brier),
            (Figure::CalibrationError, expected.calibration_error),
            (Figure::LogLoss, expected.log_loss),
        ] {
            near(found.get(figure).unwrap(), value, &format!("{figure:?}"));
        }
        let matrix = Confusion::of(&expected.cases(false));
        let counts = [matrix.true_positive, matrix.false_negative, matrix.false_positive, matrix.true_negative];
        assert_eq!(counts, expected.confusion);
        for (proportion, interval) in [
            (matrix.sensitivity(), expected.sensitivity_interval),
            (matrix.specificity(), expected.specificity_interval),
        ] {
            let found = proportion.unwrap().interval;
            near(found.low, interval[0], "Wilson's lower end");
            near(found.high, interval[1], "Wilson's upper end");
        }
    });
}

#[test]
fn curves_and_bins_are_those_of_scikit_learn() {
    each(|expected| {
        let cases = expected.cases(false);
        for (curve, [x, y]) in [
            (roc_curve(&cases).unwrap(), &expected.roc),
            (precision_recall_curve(&cases).unwrap(), &expected.precision_recall),
        ] {
            assert_eq!(curve.len(), x.len());
            for (point, (x, y)) in curve.iter().zip(x.iter().zip(y)) {
                near(point[0], *x, "x");
                near(point[1], *y, "y");
            }
        }
        let bins = reliability(&cases);
        assert_eq!(bins.iter().map(|bin| bin.cases).collect::<Vec<_>>(), expected.bins.cases);
        for (bin, (share, mean)) in bins.iter().zip(expected.bins.share.iter().zip(&expected.bins.mean)) {
            near(bin.enhanced_share, *share, "share");
            near(bin.mean_probability, *mean, "mean");
        }
    });
}
