//! What a fit is worth on series that it has not seen.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::fit::{Fit, Method, fit};
use crate::statistics::Case;

/// Parts that the series are dealt into.
pub const FOLDS: usize = 5;

/// The series with the probabilities that they get from fits on the others: clusters (patients) are dealt into [`FOLDS`] parts, each class for
/// itself, and each part is calibrated by a fit on the rest. None where a rest is too small to fit on.
#[must_use]
pub fn held_out(method: Method, cases: &[Case], seed: u64) -> Option<Vec<Case>> {
    let part = deal(cases, seed);
    let of = |number: usize| -> Option<Fit> {
        let rest: Vec<Case> = cases.iter().filter(|case| part[&case.cluster] != number).copied().collect();
        fit(method, &rest).ok()
    };
    let fits: Vec<Fit> = (0..FOLDS).map(of).collect::<Option<_>>()?;
    Some(cases.iter().map(|case| Case { score: fits[part[&case.cluster]].apply(case.score), ..*case }).collect())
}

/// The part of each cluster.
fn deal(cases: &[Case], seed: u64) -> BTreeMap<u32, usize> {
    let mut holds: BTreeMap<u32, [bool; 2]> = BTreeMap::new();
    for case in cases {
        holds.entry(case.cluster).or_default()[usize::from(case.positive)] = true;
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<(u32, [bool; 2])> = holds.into_iter().collect();
    order.shuffle(&mut random);
    // Stable: within a class the shuffled order stays, and the parts go round.
    order.sort_by_key(|(_, classes)| *classes);
    order.into_iter().enumerate().map(|(index, (cluster, _))| (cluster, index % FOLDS)).collect()
}
