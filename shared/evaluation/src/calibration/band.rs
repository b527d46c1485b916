//! The band of probabilities in which a series is left undecided.
//!
//! It is the narrowest closed band around the threshold outside which at most a given share of the decided series is decided wrongly, never narrower
//! and never wider than given. A floor on the width matters: on a set that is told apart without an error the narrowest band has no width at all,
//! and would call a probability of 0.501 enhanced.

use serde::Serialize;

use crate::statistics::Case;

/// Ends of bands are rounded outwards to whole steps of this.
const STEPS: f64 = 1000.0;

/// What a band has to keep to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BandLimits {
    /// The threshold that the band lies around.
    pub threshold: f64,
    /// Largest share of the decided series that may be decided wrongly.
    pub max_error: f64,
    /// Width that it has at least.
    pub min_width: f64,
    /// Width that it has at most.
    pub max_width: f64,
}

/// A band and what it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Band {
    /// Lower end, undecided itself.
    pub low: f64,
    /// Upper end, undecided itself.
    pub high: f64,
    /// Series outside that are decided wrongly.
    pub errors: usize,
    /// Series outside.
    pub decided: usize,
    /// Series inside.
    pub undecided: usize,
    /// Whether the share of errors is as small as was asked for.
    pub kept: bool,
}

/// Scores of each class, sorted.
struct Sorted {
    enhanced: Vec<f64>,
    native: Vec<f64>,
}

impl Sorted {
    fn of(cases: &[Case]) -> Self {
        let of_class = |positive: bool| {
            let mut scores: Vec<f64> =
                cases.iter().filter(|case| case.positive == positive).map(|case| case.score).collect();
            scores.sort_by(f64::total_cmp);
            scores
        };
        Self { enhanced: of_class(true), native: of_class(false) }
    }

    fn band(&self, low: f64, high: f64, max_error: f64) -> Band {
        let below = |scores: &[f64]| scores.partition_point(|score| *score < low);
        let above = |scores: &[f64]| scores.len() - scores.partition_point(|score| *score <= high);
        let errors = below(&self.enhanced) + above(&self.native);
        let decided = errors + below(&self.native) + above(&self.enhanced);
        let undecided = self.enhanced.len() + self.native.len() - decided;
        let kept = errors as f64 <= max_error * decided as f64 && decided > 0;
        Band { low, high, errors, decided, undecided, kept }
    }
}

/// Fits the band to calibrated probabilities. Where no band within the limits keeps the errors down, it is the one that
/// leaves the smallest share of them, and says so.
#[must_use]
pub fn fit_band(cases: &[Case], limits: &BandLimits) -> Band {
    let sorted = Sorted::of(cases);
    let half = limits.min_width.min(limits.max_width) / 2.0;
    let (start_low, start_high) = ((limits.threshold - half).max(0.0), (limits.threshold + half).min(1.0));
    // What is a whole step but for rounding stays one.
    let ends = |low: f64, high: f64| ((low * STEPS + 1e-9).floor() / STEPS, (high * STEPS - 1e-9).ceil() / STEPS);
    // Only a series that is decided wrongly is worth a wider band.
    let lows = sorted.enhanced.iter().copied().filter(|score| *score < start_low).chain([start_low]);
    let highs: Vec<f64> =
        sorted.native.iter().copied().filter(|score| *score > start_high).chain([start_high]).collect();
    let mut best = sorted.band(start_low, start_high, limits.max_error);
    for low in lows {
        for high in highs.iter().filter(|high| **high - low <= limits.max_width) {
            let (low, high) = ends(low, *high);
            let band = sorted.band(low, high, limits.max_error);
            if better(&band, &best) {
                best = band;
            }
        }
    }
    best
}

/// Whether `band` is to be preferred: it keeps the errors down, or leaves a smaller share of them; then the narrower; then the one
/// that decides more.
fn better(band: &Band, than: &Band) -> bool {
    let share = |band: &Band| if band.decided == 0 { 1.0 } else { band.errors as f64 / band.decided as f64 };
    let shortfall = |band: &Band| if band.kept { 0.0 } else { share(band) };
    let order = |band: &Band| (shortfall(band), band.high - band.low, band.undecided as f64);
    order(band) < order(than)
}
