//! How far the figures of a series lie from those of patients, all together.
//!
//! Each figure alone may be one that some patient has, and the whole still none that any has: air and tissue upside down, blocks put
//! elsewhere, plastic. Here the figures are held against each other: [`CENTRE`] is where those of patients lie, [`PRECISION`] (the inverse
//! of their covariance) how they go together, and the distance from it is Mahalanobis's.
//!
//! Fitted on 39 real patients of public CC BY data that may be trained on: nine as series, thirty as 56 single slices (slices, runs of
//! eight slices, whole series; 6 of 13 parts of the weight); on 1,200 synthetic ones (slices and series; 4 of 13); and on the series of
//! those nine as other scanners and patients would have them (3 of 13): noisier, smoother, shifted by 15 HU, larger and smaller bodies,
//! cut fields, metal, little and much fat, consolidated lungs, ascites, arteries, hearts and kidneys full of contrast. Of a kind each
//! patient weighs alike. `models/training/plausible` fits it again; the example `plane_figures` measures what it fits on. How it holds
//! for other patients is told where the limits are: see [`super::limits`].

use super::measure::{BIN_HU, BINS, LOWEST_HU, PlaneFigures, TOP_HU};
use super::structure::{Structure, Tally};
use super::table::{CENTRE, COUNT, PRECISION};

/// What the planes of a series add up to.
pub(super) struct Sums {
    histogram: [f64; BINS],
    /// None where a plane is too coarse to tell it.
    structure: Option<Structure>,
}

impl Sums {
    pub fn of(planes: &[PlaneFigures]) -> Self {
        let mut histogram = [0.0; BINS];
        for plane in planes {
            histogram.iter_mut().zip(&plane.histogram).for_each(|(sum, count)| *sum += f64::from(*count));
        }
        let structure = planes.iter().try_fold(Structure::default(), |mut sum, plane| {
            sum += plane.structure.as_ref()?;
            Some(sum)
        });
        Self { histogram, structure }
    }

    /// The means from `low` to below `high` HU, in bins.
    pub fn bins(&self, low: i32, high: i32) -> &[f64] {
        let bin = |hu: i32| ((hu - LOWEST_HU) / BIN_HU).clamp(0, BINS as i32) as usize;
        &self.histogram[bin(low)..bin(high)]
    }

    /// How many means lie from `low` to below `high` HU.
    pub fn between(&self, low: i32, high: i32) -> f64 {
        self.bins(low, high).iter().sum()
    }

    /// How many means there are.
    pub fn all(&self) -> f64 {
        self.histogram.iter().sum()
    }

    /// What lies from `low` to below `high` HU, of the means from `all.start` to below `all.end` HU.
    fn share(&self, low: i32, high: i32, all: std::ops::Range<i32>) -> Tally {
        Tally { so: self.between(low, high), of: self.between(all.start, all.end) }
    }
}

/// One of the figures.
struct Figure {
    name: &'static str,
    of: fn(&Sums, &Structure) -> Tally,
    /// What it is where nothing tells it.
    usual: f64,
    /// Whether it speaks against the scale of the values rather than against a patient.
    is_scale: bool,
}

const fn figure(name: &'static str, usual: f64, of: fn(&Sums, &Structure) -> Tally, is_scale: bool) -> Figure {
    Figure { name, of, usual, is_scale }
}

const SCALE: bool = true;
const PATIENT: bool = false;
const TISSUE: std::ops::Range<i32> = -200..300;

const FIGURES: [Figure; COUNT] = [
    figure("share of fat in tissue", 0.18, |sums, _| sums.share(-130, -70, TISSUE), SCALE),
    figure("share from -70 to -20 HU in tissue", 0.12, |sums, _| sums.share(-70, -20, TISSUE), SCALE),
    figure("share from -20 to 20 HU in tissue", 0.11, |sums, _| sums.share(-20, 20, TISSUE), SCALE),
    figure("share from 80 to 130 HU in tissue", 0.10, |sums, _| sums.share(80, 130, TISSUE), SCALE),
    figure("share above 300 HU in body", 0.06, |sums, _| sums.share(300, TOP_HU, -200..TOP_HU), SCALE),
    figure("share of bone denser than its sides", 0.9, |_, next| next.bone_peaks, SCALE),
    figure("share of air's edge with tissue behind it", 0.6, |_, next| next.air_borders, SCALE),
    figure("share of fat between denser tissue", 0.05, |_, next| next.fat_valleys, PATIENT),
    figure("share of fat between lighter places", 0.015, |_, next| next.fat_peaks, PATIENT),
    figure("share of fat amid fat", 0.3, |_, next| next.fat_flats, PATIENT),
    figure("share of soft tissue between lighter places", 0.04, |_, next| next.soft_peaks, PATIENT),
    figure("step of air's edge over 2 mm in HU", 330.0, |_, next| next.air_steps, SCALE),
    figure("share of soft tissue with steps of 20 to 50 HU", 0.23, |_, next| next.soft_steps[0], PATIENT),
    figure("share of soft tissue with steps of 50 to 120 HU", 0.11, |_, next| next.soft_steps[1], PATIENT),
    figure("share of soft tissue with larger steps", 0.03, |_, next| next.soft_steps[2], PATIENT),
    figure("share of coarse tissue", 0.1, |_, next| next.coarse, PATIENT),
    figure("share of lung in which nothing is", 0.2, |_, next| next.still, PATIENT),
];

/// As many places as this share of all are counted beside those of a figure, with its usual value: a figure of few places tells little.
const BESIDE: f64 = 0.08;
/// Shares nearer to none or to all than this are alike.
const LEAST_SHARE: f64 = 0.01;

impl Figure {
    /// Its value.
    fn value(&self, sums: &Sums, structure: &Structure) -> f64 {
        let (Tally { so, of }, beside) = ((self.of)(sums, structure), BESIDE * sums.all());
        (so + beside * self.usual) / (of + beside)
    }

    /// A value of it where distances are taken: the logit of a share, the logarithm of a step.
    fn place(&self, value: f64) -> f64 {
        if self.is_step() { (value + 0.5).ln() } else { ((value + LEAST_SHARE) / (1.0 - value + LEAST_SHARE)).ln() }
    }

    /// The value at a place where distances are taken.
    fn value_at(&self, place: f64) -> f64 {
        let odds = place.exp();
        if self.is_step() { odds - 0.5 } else { (odds * (1.0 + LEAST_SHARE) - LEAST_SHARE) / (1.0 + odds) }
    }

    /// Whether it is a step in HU and no share.
    fn is_step(&self) -> bool {
        self.usual > 1.0
    }
}

/// How far a series lies from patients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distance {
    /// In standard deviations of patients.
    pub value: f64,
    /// The figures, where distances are taken, in the order of [`Distance::names`].
    pub places: [f64; COUNT],
    /// Which of them lie farthest off, the farthest first.
    foremost: [usize; 2],
}

impl Distance {
    /// What the figures are, in words without commas.
    #[must_use]
    pub fn names() -> [&'static str; COUNT] {
        FIGURES.each_ref().map(|figure| figure.name)
    }

    /// The distance of what the planes add up to; none where nothing was measured, or too coarsely.
    pub(super) fn of(sums: &Sums) -> Option<Self> {
        let structure = sums.structure.as_ref().filter(|_| sums.all() > 0.0)?;
        let places = FIGURES.each_ref().map(|figure| figure.place(figure.value(sums, structure)));
        let off: [f64; COUNT] = std::array::from_fn(|place| places[place] - CENTRE[place]);
        let part = |row: usize| off[row] * PRECISION[row].iter().zip(&off).map(|(with, off)| with * off).sum::<f64>();
        let mut parts: [(usize, f64); COUNT] = std::array::from_fn(|row| (row, part(row)));
        let value = parts.iter().map(|(_, part)| part).sum::<f64>().max(0.0).sqrt();
        parts.sort_by(|a, b| b.1.total_cmp(&a.1));
        Some(Self { value, places, foremost: [parts[0].0, parts[1].0] })
    }

    /// Whether what lies farthest off speaks against the scale of the values.
    pub(super) fn is_scale(&self) -> bool {
        FIGURES[self.foremost[0]].is_scale
    }

    /// The figures that lie farthest off, in words.
    pub(super) fn words(&self) -> String {
        let told = self.foremost.map(|which| {
            let figure = &FIGURES[which];
            let [found, usual] = [self.places[which], CENTRE[which]].map(|place| figure.value_at(place));
            format!("{} {found:.3}, usually {usual:.3}", figure.name)
        });
        told.join(", ")
    }
}
