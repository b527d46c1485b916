use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::fit::logit;
use super::*;
use crate::statistics::{Case, Undefined, both_classes};

#[derive(Deserialize)]
struct Golden {
    cases: BTreeMap<String, Expected>,
}

/// What scikit-learn fits to Platt's targets: see tests/golden/make_statistics.py.
#[derive(Deserialize)]
struct Expected {
    truth: Vec<u8>,
    score: Vec<f64>,
    platt: [f64; 2],
    temperature: f64,
    isotonic_raw: Vec<f64>,
    isotonic_calibrated: Vec<f64>,
}

fn case(cluster: usize, positive: bool, score: f64) -> Case {
    Case { positive, score, decision: None, cluster: cluster as u32 }
}

fn cases(of: impl IntoIterator<Item = (bool, f64)>) -> Vec<Case> {
    of.into_iter().enumerate().map(|(index, (positive, score))| case(index, positive, score)).collect()
}

fn each(check: impl Fn(&Expected, &[Case])) {
    let golden: Golden = serde_json::from_str(include_str!("../../../../tests/golden/statistics.json")).unwrap();
    for expected in golden.cases.values() {
        check(expected, &cases(expected.truth.iter().zip(&expected.score).map(|(truth, score)| (*truth == 1, *score))));
    }
}

#[test]
fn curves_are_those_of_scikit_learn() {
    each(|expected, cases| {
        let near = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-6 * expected.abs().max(1.0), "{found}, not {expected}");
        };
        let Fit::Sigmoid { scale, shift } = fit(Method::Platt, cases).unwrap() else { panic!() };
        near(scale, expected.platt[0]);
        near(shift, expected.platt[1]);
        let Fit::Sigmoid { scale, shift } = fit(Method::Temperature, cases).unwrap() else { panic!() };
        near(scale, expected.temperature);
        assert_eq!(shift, 0.0);
    });
}

#[test]
fn level_stretches_are_those_of_scikit_learn() {
    each(|expected, cases| {
        let (enhanced, native) = both_classes(cases).unwrap();
        let target = |case: &Case| {
            if case.positive { (enhanced as f64 + 1.0) / (enhanced as f64 + 2.0) } else { 1.0 / (native as f64 + 2.0) }
        };
        let blocks = isotonic::blocks(&cases.iter().map(|case| [case.score, target(case)]).collect::<Vec<_>>());
        for (raw, calibrated) in expected.isotonic_raw.iter().zip(&expected.isotonic_calibrated) {
            let block = blocks.iter().find(|block| *raw <= block.last).unwrap();
            assert!((block.level() - calibrated).abs() < 1e-9, "at {raw}: {}, not {calibrated}", block.level());
        }
    });
}

#[test]
fn what_is_told_apart_without_an_error_stays_finite() {
    let apart = cases((0..40).map(|index| (index >= 20, if index < 20 { 0.0 } else { 1.0 })));
    for method in Method::ALL {
        let fitted = fit(method, &apart).unwrap();
        let (low, high) = (fitted.apply(0.0), fitted.apply(1.0));
        assert!((low - 1.0 / 22.0).abs() < 1e-6 && (high - 21.0 / 22.0).abs() < 1e-6, "{method}: {low} {high}");
    }
}

#[test]
fn what_cannot_be_fitted_is_said() {
    let one = cases([(true, 0.2), (true, 0.4)]);
    assert_eq!(fit(Method::Platt, &one), Err(FitError::Undefined(Undefined::OnlyPositive)));
    let few = cases([(true, 0.9), (false, 0.1), (false, 0.2), (false, 0.3)]);
    assert_eq!(fit(Method::Platt, &few), Err(FitError::TooFew { enhanced: 1, native: 3 }));
    let reversed = cases((0..20).map(|index| (index < 10, f64::from(index) / 20.0)));
    for method in Method::ALL {
        assert_eq!(fit(method, &reversed), Err(FitError::NotRising), "{method}");
    }
}

#[test]
fn overconfident_scores_are_put_right_on_series_that_were_not_seen() {
    // Scores whose logits are three times what they should be.
    let cases = cases((0..600).map(|index: u32| {
        let p = (f64::from(index % 20) + 0.5) / 20.0;
        let positive = f64::from((index / 20) % 30) + 0.5 < 30.0 * p;
        (positive, logistic::sigmoid(3.0 * logit(p)))
    }));
    let before = Quality::of(&cases);
    for method in Method::ALL {
        let after = Quality::of(&held_out(method, &cases, 1).unwrap());
        assert!(after.calibration_error < before.calibration_error, "{method}: {after:?} {before:?}");
        assert!(after.log_loss < before.log_loss, "{method}");
        assert_eq!(held_out(method, &cases, 1), held_out(method, &cases, 1));
    }
    let Fit::Sigmoid { scale, .. } = fit(Method::Temperature, &cases).unwrap() else { panic!() };
    assert!((scale - 1.0 / 3.0).abs() < 0.02, "{scale}");
}

#[test]
fn the_band_is_the_narrowest_that_keeps_errors_down() {
    let limits = BandLimits { threshold: 0.5, max_error: 0.0, min_width: 0.1, max_width: 0.6 };
    let mut some = cases((0..50).flat_map(|index| {
        let spread = f64::from(index) / 250.0;
        [(false, 0.05 + spread), (true, 0.95 - spread)]
    }));
    let clean = fit_band(&some, &limits);
    assert_eq!((clean.low, clean.high, clean.errors, clean.undecided, clean.kept), (0.45, 0.55, 0, 0, true));
    some.push(case(100, false, 0.6211));
    some.push(case(101, true, 0.33));
    let wide = fit_band(&some, &limits);
    assert_eq!((wide.low, wide.high, wide.errors, wide.kept), (0.33, 0.622, 0, true));
    // One error in a hundred is allowed: the nearer one stays inside, the band is narrower.
    let allowed = fit_band(&some, &BandLimits { max_error: 0.01, ..limits });
    assert_eq!((allowed.low, allowed.high, allowed.errors, allowed.kept), (0.45, 0.622, 1, true));
    // Errors that no band of the width reaches.
    some.push(case(102, true, 0.01));
    let far = fit_band(&some, &limits);
    assert_eq!((far.errors, far.kept), (1, false));
    assert!(far.high - far.low <= 0.6);
}

proptest! {
    #[test]
    fn fits_rise_and_stay_within_0_and_1(rows in prop::collection::vec((any::<bool>(), 0_u8..=20), 8..60)) {
        let cases = cases(rows.iter().map(|(positive, score)| (*positive, f64::from(*score) / 20.0)));
        for method in Method::ALL {
            let enhanced = cases.iter().filter(|case| case.positive).count();
            let fitted = match fit(method, &cases) {
                Ok(fitted) => fitted,
                // Labels are drawn without regard to the scores, which may fall as well as rise.
                Err(FitError::NotRising) => continue,
                Err(error) => {
                    prop_assert!(enhanced.min(cases.len() - enhanced) < FEWEST, "{method}: {error}");
                    continue;
                }
            };
            let values: Vec<f64> = (0..=100).map(|raw| fitted.apply(f64::from(raw) / 100.0)).collect();
            prop_assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
            prop_assert!(values.windows(2).all(|pair| pair[0] <= pair[1]), "{method}: {fitted:?}");
            if let Fit::Knots { raw, calibrated } = &fitted {
                prop_assert!(raw.windows(2).all(|pair| pair[0] < pair[1]));
                prop_assert!(calibrated.windows(2).all(|pair| pair[0] < pair[1]));
            }
        }
    }
}
