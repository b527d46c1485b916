//! An interval for an area under the ROC curve that does not shrink to a point at 1.
//!
//! Source: Newcombe 2006, *Statistics in Medicine* 25, 559, method 5: the areas whose distance from the one found is at most 1.96
//! standard errors, by Hanley & McNeil's variance at the area in question, with both sample sizes replaced by their mean.

use super::{Interval, Z95};

/// Halvings of the bracket: beyond the resolution of a double.
const STEPS: usize = 60;

/// The 95 % score interval of an area found on so many enhanced and native cases.
#[must_use]
pub fn newcombe_interval(area: f64, positives: usize, negatives: usize) -> Interval {
    let (m, n) = (positives as f64, negatives as f64);
    let mean = (m + n) / 2.0 - 1.0;
    let variance =
        |at: f64| at * (1.0 - at) * (1.0 + mean * (1.0 - at) / (2.0 - at) + mean * at / (1.0 + at)) / (m * n);
    let near = |at: f64| (at - area).abs() <= Z95 * variance(at).max(0.0).sqrt();
    Interval { low: edge(area, 0.0, &near), high: edge(area, 1.0, &near) }
}

/// Where `near` ends between `inside`, which is, and `outside`.
fn edge(mut inside: f64, mut outside: f64, near: &impl Fn(f64) -> bool) -> f64 {
    // The variance is 0 at 0 and 1: an end of the range is near only where it is the area itself.
    for _ in 0..STEPS {
        let middle = f64::midpoint(inside, outside);
        if near(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    inside
}
