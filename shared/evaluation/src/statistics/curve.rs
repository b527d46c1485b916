//! ROC and precision-recall curves as points.

use super::ranked::Ranked;
use super::{Case, both_classes};

/// A point of a curve, `[x, y]`.
pub type Point = [f64; 2];

/// Counts at each distinct score, from the highest: enhanced and native cases at or above it.
fn counts(cases: &[Case]) -> Option<(Vec<[f64; 2]>, f64, f64)> {
    let (positives, negatives) = both_classes(cases).ok()?;
    let ranked = Ranked::new(cases);
    let mut counts = Vec::with_capacity(ranked.run_ends.len());
    let mut at = [0.0, 0.0];
    for run in ranked.runs() {
        let enhanced = run.iter().filter(|ranked| ranked.case.positive).count();
        at = [at[0] + enhanced as f64, at[1] + (run.len() - enhanced) as f64];
        counts.push(at);
    }
    Some((counts, positives as f64, negatives as f64))
}

/// The ROC curve, `[1 − specificity, sensitivity]` at each distinct score, from (0, 0) to (1, 1); none where a class is missing.
#[must_use]
pub fn roc_curve(cases: &[Case]) -> Option<Vec<Point>> {
    let (counts, positives, negatives) = counts(cases)?;
    let points = counts.into_iter().map(|[above, below]| [below / negatives, above / positives]);
    Some(std::iter::once([0.0, 0.0]).chain(points).collect())
}

/// The precision-recall curve, `[recall, precision]` at each distinct score, from recall 0 (precision 1 by definition) upwards;
/// none where a class is missing.
#[must_use]
pub fn precision_recall_curve(cases: &[Case]) -> Option<Vec<Point>> {
    let (counts, positives, _) = counts(cases)?;
    let points = counts.into_iter().map(|[above, below]| [above / positives, above / (above + below)]);
    Some(std::iter::once([0.0, 1.0]).chain(points).collect())
}

/// A curve with fewer points that looks the same: points in line with their neighbours go first, then those nearer than `step` to the
/// last one kept. The ends stay.
#[must_use]
pub fn thinned(curve: &[Point], step: f64) -> Vec<Point> {
    let mut corners: Vec<Point> = Vec::new();
    for point in curve {
        if let [.., before, last] = corners.as_slice() {
            let (first, second) =
                ([last[0] - before[0], last[1] - before[1]], [point[0] - last[0], point[1] - last[1]]);
            if (first[0] * second[1] - first[1] * second[0]).abs() < 1e-15 {
                corners.pop();
            }
        }
        corners.push(*point);
    }
    let Some((last, rest)) = corners.split_last() else { return corners };
    let mut kept: Vec<Point> = Vec::new();
    for point in rest {
        let far = |from: &Point| (from[0] - point[0]).abs().max((from[1] - point[1]).abs()) >= step;
        if kept.last().is_none_or(far) {
            kept.push(*point);
        }
    }
    kept.push(*last);
    kept
}
