//! Whether the slices scored so far settle the class of a series.
//!
//! The slices are a sample of those that the spec plans, spread over the slab. Their mean is the aggregate's estimate, its standard error
//! `s / √n · √((N − n) / (N − 1))` for `n` of `N` slices: nothing is left uncertain once all are scored. The class is settled where the
//! whole interval of `critical` standard errors to both sides, calibrated, lies on one side of the threshold and outside the band of the
//! indeterminate. A series near a border is never settled early, and gets all its slices.

use bolus_preprocess::Scale;
use bolus_study::PredictedClass;

use crate::bundle::Bundle;
use crate::decision::Decision;
use crate::error::InferenceError;
use crate::manifest::{AdaptiveSpec, Manifest};

/// The least standard deviation of slices that is believed: a handful of equal scores says little of the others.
const LEAST_DEVIATION: f64 = 0.05;

/// The sequential test of one bundle.
#[derive(Debug, Clone, Copy)]
pub struct Adaptive<'a> {
    manifest: &'a Manifest,
    spec: &'a AdaptiveSpec,
    /// Source slices that the whole label would rest on: they say how wide the band of the indeterminate is.
    sources: usize,
}

impl<'a> Adaptive<'a> {
    /// The test of `bundle`.
    ///
    /// # Errors
    /// [`InferenceError::NotAdaptive`] where a slice's score depends on slices that may not be read, or the manifest has no `[adaptive]`.
    pub fn of(bundle: &'a Bundle) -> Result<Self, InferenceError> {
        let manifest = &bundle.manifest;
        let fail = |problem| InferenceError::NotAdaptive { bundle: manifest.name.clone(), problem };
        if manifest.preprocessing.scale != Scale::Clip {
            return Err(fail("preprocessing.scale is min-max, so that each slice depends on all; it takes \"clip\""));
        }
        match &manifest.adaptive {
            Some(spec) => Ok(Self { manifest, spec, sources: usize::MAX }),
            None => Err(fail("its manifest has no section [adaptive]")),
        }
    }

    /// The test for a series of which the plan reads so many source slices.
    #[must_use]
    pub fn resting_on(self, sources: usize) -> Self {
        Self { sources, ..self }
    }

    /// How many of `planned` slices are to be scored, once `scored` are: more in each round, and at last all.
    #[must_use]
    pub fn next(&self, scored: usize, planned: usize) -> usize {
        let most = (self.spec.share * planned as f64).floor() as usize;
        let next = if scored == 0 { self.spec.first } else { scored + self.spec.step };
        if next > most { planned } else { next }
    }

    /// Whether the `scores` of some of `planned` slices settle the class.
    #[must_use]
    pub fn is_settled(&self, scores: &[f32], planned: usize) -> bool {
        if scores.len() >= planned {
            return true;
        }
        if scores.len() < 2 {
            return false;
        }
        let (n, all) = (scores.len() as f64, planned as f64);
        let mean = scores.iter().map(|score| f64::from(*score)).sum::<f64>() / n;
        let squares: f64 = scores.iter().map(|score| (f64::from(*score) - mean).powi(2)).sum();
        let deviation = (squares / (n - 1.0)).sqrt().max(LEAST_DEVIATION);
        let error = deviation / n.sqrt() * ((all - n) / (all - 1.0)).sqrt();
        let class = |raw: f64| Decision::at(self.manifest, raw.clamp(0.0, 1.0), self.sources).class;
        let low = class(mean - self.spec.critical * error);
        low != PredictedClass::Indeterminate && low == class(mean + self.spec.critical * error)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn bundle() -> Bundle {
        let mut bundle =
            Bundle::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/bundles/cheap")).unwrap();
        bundle.manifest.preprocessing.scale = Scale::Clip;
        bundle.manifest.adaptive = Some(AdaptiveSpec { first: 8, step: 4, critical: 4.0, share: 0.5 });
        bundle
    }

    /// How many of `scores`, in this order, are taken before the class is settled.
    fn taken(adaptive: &Adaptive<'_>, scores: &[f32]) -> usize {
        let mut scored = 0;
        while scored < scores.len() {
            scored = adaptive.next(scored, scores.len()).min(scores.len());
            if adaptive.is_settled(&scores[..scored], scores.len()) {
                break;
            }
        }
        scored
    }

    #[test]
    fn clear_series_are_settled_at_once_and_doubtful_ones_never() {
        let bundle = bundle();
        let adaptive = Adaptive::of(&bundle).unwrap();
        assert_eq!(taken(&adaptive, &[0.98; 70]), 8);
        assert_eq!(taken(&adaptive, &[0.03; 70]), 8);
        assert_eq!(taken(&adaptive, &[0.55; 70]), 70);
        // The band ends at 0.6: within four standard errors of that nothing is settled.
        assert_eq!(taken(&adaptive, &[0.62; 70]), 70);
        assert_eq!((taken(&adaptive, &[0.99; 5]), taken(&adaptive, &[0.99; 1])), (5, 1));
        assert_eq!([0, 8, 12, 32, 70].map(|scored| adaptive.next(scored, 70)), [8, 12, 16, 70, 70]);
    }

    #[test]
    fn a_bundle_whose_slices_depend_on_each_other_is_refused() {
        let mut bundle = bundle();
        bundle.manifest.adaptive = None;
        assert!(Adaptive::of(&bundle).unwrap_err().to_string().contains("[adaptive]"));
        bundle.manifest.preprocessing.scale = Scale::MinMax;
        assert!(Adaptive::of(&bundle).unwrap_err().to_string().contains("min-max"));
    }
}
