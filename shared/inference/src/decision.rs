//! From slice probabilities to a class.

use bolus_study::PredictedClass;

use crate::manifest::{Aggregation, Manifest};

/// The decision on one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// The class.
    pub class: PredictedClass,
    /// The calibrated probability.
    pub probability: f64,
    /// The aggregate before calibration.
    pub raw_probability: f64,
}

impl Decision {
    /// Aggregates, calibrates and classifies the scores of `slices`, made of `sources` slices of the series; `None` without any.
    ///
    /// The band is looked at first: what lies in it is indeterminate whatever the threshold says. It is wider for fewer sources.
    #[must_use]
    pub fn of(manifest: &Manifest, slices: &[f32], sources: usize) -> Option<Self> {
        if slices.is_empty() {
            return None;
        }
        let Aggregation::Mean = manifest.decision.aggregation;
        let raw = slices.iter().map(|p| f64::from(*p)).sum::<f64>() / slices.len() as f64;
        Some(Self::at(manifest, raw, sources))
    }

    /// Calibrates and classifies an aggregate.
    pub(crate) fn at(manifest: &Manifest, raw: f64, sources: usize) -> Self {
        let probability = manifest.calibration.apply(raw);
        let [low, high] = manifest.decision.band(sources);
        let class = if (low..=high).contains(&probability) {
            PredictedClass::Indeterminate
        } else if probability > manifest.decision.scan_threshold {
            PredictedClass::Enhanced
        } else {
            PredictedClass::Native
        };
        Self { class, probability, raw_probability: raw }
    }
}
