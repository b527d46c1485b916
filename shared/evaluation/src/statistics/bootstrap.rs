//! Percentile intervals by resampling (Efron & Tibshirani 1993, chapter 13), stratified by class and drawn by cluster.
//!
//! A resample draws clusters with replacement, as many as there are, each class for itself (clusters that hold both classes are a third
//! stratum), so that no resample lacks a class. A cluster is a series on the level of scans, and a patient, or a series
//! where the patient is not known, on that of slices. Each resample has a stream of random numbers of its own: the result
//! depends on the seed alone, not on the threads.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::figures::weighted;
use super::ranked::Ranked;
use super::{Case, Figure, Figures, Interval};

/// How often, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Resampling {
    /// Resamples; 0 makes no intervals.
    pub replicates: u32,
    /// The seed.
    pub seed: u64,
}

/// The 95 % percentile intervals of the figures.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FigureIntervals([Option<Interval>; Figure::ALL.len()]);

impl FigureIntervals {
    /// The interval of a figure.
    #[must_use]
    pub fn get(&self, figure: Figure) -> Option<Interval> {
        self.0[figure as usize]
    }
}

/// Clusters that hold the same classes.
type Stratum = Vec<u32>;

/// Resamples `cases` and gives the intervals of all figures. Resamples in which a figure cannot be had do not count for it.
#[must_use]
pub fn intervals(cases: &[Case], resampling: Resampling) -> FigureIntervals {
    if cases.is_empty() || resampling.replicates == 0 {
        return FigureIntervals::default();
    }
    let (strata, clusters) = strata(cases);
    let ranked = Ranked::new(cases);
    let replicate = |number: u32| {
        let mut random = ChaCha8Rng::seed_from_u64(resampling.seed);
        random.set_stream(u64::from(number));
        let drawn = draw(&strata, clusters, &mut random);
        weighted(&ranked, |case| f64::from(drawn[case.cluster as usize]))
    };
    let replicates: Vec<Figures> = (0..resampling.replicates).into_par_iter().map(replicate).collect();
    FigureIntervals(Figure::ALL.map(|figure| {
        let mut values: Vec<f64> = replicates.iter().filter_map(|figures| figures.get(figure)).collect();
        values.sort_by(f64::total_cmp);
        Some(Interval { low: percentile(&values, 0.025)?, high: percentile(&values, 0.975)? })
    }))
}

/// The clusters by the classes they hold, and one more than the highest number.
fn strata(cases: &[Case]) -> (Vec<Stratum>, usize) {
    let mut holds: BTreeMap<u32, [bool; 2]> = BTreeMap::new();
    for case in cases {
        holds.entry(case.cluster).or_default()[usize::from(case.positive)] = true;
    }
    let clusters = holds.last_key_value().map_or(0, |(last, _)| *last as usize + 1);
    let mut strata: BTreeMap<[bool; 2], Stratum> = BTreeMap::new();
    for (cluster, classes) in holds {
        strata.entry(classes).or_default().push(cluster);
    }
    (strata.into_values().collect(), clusters)
}

/// How often each cluster is drawn.
fn draw(strata: &[Stratum], clusters: usize, random: &mut ChaCha8Rng) -> Vec<u32> {
    let mut drawn = vec![0; clusters];
    for stratum in strata {
        for _ in stratum {
            drawn[stratum[random.random_range(0..stratum.len())] as usize] += 1;
        }
    }
    drawn
}

/// The percentile of sorted values, linear between neighbours (R's type 7, numpy's default).
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share * last as f64;
    let (below, above) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}
