//! From an aggregate to a calibrated probability.

use serde::{Deserialize, Serialize};

/// Keeps logits finite for probabilities of exactly 0 or 1: the smallest step that single precision can tell from 1.
const EDGE: f64 = 1e-7;

/// How an aggregate becomes a calibrated probability. Every method rises: calibration never changes the order of two series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "lowercase", deny_unknown_fields)]
pub enum Calibration {
    /// The aggregate as it is.
    Identity {
        /// Why nothing was fitted.
        fitted_on: String,
    },
    /// `sigmoid(scale · logit(aggregate) + shift)`. A temperature `T` is scale `1/T` and shift 0.
    Platt {
        /// Factor on the logit; 1 leaves it.
        scale: f64,
        /// Term added to the logit; 0 leaves it.
        shift: f64,
        /// What the two were fitted on.
        fitted_on: String,
    },
    /// Linear between knots, constant beyond the first and the last.
    Isotonic {
        /// Aggregates, strictly rising within 0..1.
        raw: Vec<f64>,
        /// The calibrated probability at each, never falling within 0..1.
        calibrated: Vec<f64>,
        /// What the knots were fitted on.
        fitted_on: String,
    },
}

impl Calibration {
    /// The calibrated probability of the aggregate `raw`.
    #[must_use]
    pub fn apply(&self, raw: f64) -> f64 {
        match self {
            Self::Platt { scale, shift, .. } if !self.is_identity() => {
                let edged = raw.clamp(EDGE, 1.0 - EDGE);
                let logit = (edged / (1.0 - edged)).ln();
                1.0 / (1.0 + (-(scale * logit + shift)).exp())
            }
            Self::Isotonic { raw: knots, calibrated, .. } => interpolate(knots, calibrated, raw),
            _ => raw,
        }
    }

    /// Whether every aggregate stays as it is.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        match self {
            Self::Identity { .. } => true,
            Self::Platt { scale, shift, .. } => *scale == 1.0 && *shift == 0.0,
            Self::Isotonic { .. } => false,
        }
    }

    /// The method's name in a manifest.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Identity { .. } => "identity",
            Self::Platt { .. } => "platt",
            Self::Isotonic { .. } => "isotonic",
        }
    }

    /// What it was fitted on.
    #[must_use]
    pub fn fitted_on(&self) -> &str {
        match self {
            Self::Identity { fitted_on } | Self::Platt { fitted_on, .. } | Self::Isotonic { fitted_on, .. } => {
                fitted_on
            }
        }
    }

    /// Checks the numbers; the text names the key.
    pub(crate) fn validate(&self) -> Result<(), &'static str> {
        match self {
            Self::Identity { .. } => Ok(()),
            Self::Platt { scale, shift, .. } => {
                let holds = scale.is_finite() && *scale > 0.0 && shift.is_finite();
                if holds { Ok(()) } else { Err("calibration: expected a positive scale and a finite shift") }
            }
            Self::Isotonic { raw, calibrated, .. } => {
                let unit = |values: &[f64]| values.iter().all(|value| (0.0..=1.0).contains(value));
                if raw.len() < 2 || raw.len() != calibrated.len() {
                    Err("calibration.calibrated: expected one number for each of raw, and at least two")
                } else if !unit(raw) || !raw.is_sorted_by(|a, b| a < b) {
                    Err("calibration.raw: expected strictly rising numbers within 0 to 1")
                } else if !unit(calibrated) || !calibrated.is_sorted() {
                    Err("calibration.calibrated: expected numbers within 0 to 1 that never fall")
                } else {
                    Ok(())
                }
            }
        }
    }
}

/// `values` at `place`, linear between `knots` and constant beyond them. Both have the same length, at least one.
fn interpolate(knots: &[f64], values: &[f64], place: f64) -> f64 {
    let next = knots.partition_point(|knot| *knot <= place);
    let at = |index: Option<usize>| index.and_then(|index| Some((*knots.get(index)?, *values.get(index)?)));
    match (at(next.checked_sub(1)), at(Some(next))) {
        (Some((left, low)), Some((right, high))) => {
            (low + (high - low) * ((place - left) / (right - left))).clamp(low, high)
        }
        (Some((_, value)), None) | (None, Some((_, value))) => value,
        (None, None) => place,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Knots of whole thousandths: strictly rising raw values, and as many calibrated ones that never fall.
    fn isotonic() -> impl Strategy<Value = Calibration> {
        prop::collection::btree_set(0..=1000_u32, 2..12).prop_flat_map(|raw| {
            let calibrated = prop::collection::vec(0..=1000_u32, raw.len());
            calibrated.prop_map(move |mut calibrated| {
                calibrated.sort_unstable();
                let unit = |value: u32| f64::from(value) / 1000.0;
                Calibration::Isotonic {
                    raw: raw.iter().copied().map(unit).collect(),
                    calibrated: calibrated.into_iter().map(unit).collect(),
                    fitted_on: String::new(),
                }
            })
        })
    }

    fn any_method() -> impl Strategy<Value = Calibration> {
        prop_oneof![
            Just(Calibration::Identity { fitted_on: String::new() }),
            (0.01_f64..20.0, -10.0_f64..10.0).prop_map(|(scale, shift)| Calibration::Platt {
                scale,
                shift,
                fitted_on: String::new()
            }),
            isotonic(),
        ]
    }

    proptest! {
        #[test]
        fn every_method_rises_within_0_to_1(calibration in any_method(), a in 0.0_f64..=1.0, b in 0.0_f64..=1.0) {
            prop_assert_eq!(calibration.validate(), Ok(()));
            let [low, high] = [a.min(b), a.max(b)].map(|raw| calibration.apply(raw));
            prop_assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high) && low <= high, "{low} {high}");
        }

        #[test]
        fn isotonic_goes_through_its_knots_and_is_constant_beyond(calibration in isotonic()) {
            let Calibration::Isotonic { raw, calibrated, .. } = &calibration else { panic!("not isotonic") };
            for (raw, expected) in raw.iter().zip(calibrated) {
                prop_assert_eq!(calibration.apply(*raw), *expected);
            }
            prop_assert_eq!(Some(&calibration.apply(0.0)), calibrated.first());
            prop_assert_eq!(Some(&calibration.apply(1.0)), calibrated.last());
        }

        #[test]
        fn platt_is_a_line_on_the_logit(scale in 0.1_f64..5.0, shift in -3.0_f64..3.0, logit in -6.0_f64..6.0) {
            let sigmoid = |logit: f64| 1.0 / (1.0 + (-logit).exp());
            let platt = Calibration::Platt { scale, shift, fitted_on: String::new() };
            prop_assert!((platt.apply(sigmoid(logit)) - sigmoid(scale * logit + shift)).abs() < 1e-9);
        }
    }

    #[test]
    fn isotonic_is_linear_between_knots() {
        let fitted_on = String::new();
        let calibration = Calibration::Isotonic { raw: vec![0.2, 0.6], calibrated: vec![0.1, 0.9], fitted_on };
        for (raw, expected) in [(0.0, 0.1), (0.2, 0.1), (0.3, 0.3), (0.4, 0.5), (0.6, 0.9), (1.0, 0.9)] {
            assert!((calibration.apply(raw) - expected).abs() < 1e-12, "{raw}");
        }
    }

    #[test]
    fn certain_aggregates_stay_finite() {
        let steep = Calibration::Platt { scale: 20.0, shift: 0.0, fitted_on: String::new() };
        assert!(steep.apply(0.0) >= 0.0 && steep.apply(1.0) <= 1.0);
        let identity = Calibration::Platt { scale: 1.0, shift: 0.0, fitted_on: String::new() };
        assert_eq!((identity.apply(0.0), identity.apply(1.0)), (0.0, 1.0));
    }
}
