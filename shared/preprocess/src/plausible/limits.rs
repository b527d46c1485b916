//! What the figures of a series may be.

use super::joint::{Distance, Sums};
use super::measure::{LOWEST_HU, Outline, PlaneFigures, TOP_HU};

/// The figures of a series. Shares are 0 to 1; `tissue` is what lies from −200 to 300 HU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Share of tissue in all.
    pub tissue: f64,
    /// Share below −30 HU: air, lung and fat.
    pub light: f64,
    /// Share above 300 HU: bone and metal.
    pub dense: f64,
    /// Share below −1100 HU, where nothing is.
    pub below_air: f64,
    /// Share from −500 to −200 HU, which only edges and sick lungs have.
    pub between: f64,
    /// Share of tissue from −150 to −30 HU: fat, and what mixes with air.
    pub fat: f64,
    /// Share of tissue from −130 to −70 HU: fat alone.
    pub pure_fat: f64,
    /// Share of tissue from 20 to 80 HU: muscle, brain, organs.
    pub pure_soft: f64,
    /// Share of tissue from −60 to 0 HU, between fat and soft tissue.
    pub valley: f64,
    /// How many bins of 10 HU tissue spreads over: the exponential of its entropy.
    pub spread: f64,
    /// Mean distance of cells of 2 mm from the mean around them, in HU.
    pub roughness: f64,
    /// Share of pixels at the least value, where that is no air.
    pub clipped_low: f64,
    /// Share of pixels at the largest value, where that is no bone.
    pub clipped_high: f64,
    /// Share of planes with a body that show a limb's outline.
    pub limbs: f64,
    /// Whether all pixels are equal.
    pub constant: bool,
    /// How far all figures together lie from those of patients; none where a plane is too coarse to tell.
    pub distance: Option<Distance>,
    /// Planes that were measured.
    pub planes: usize,
}

/// A figure beyond a limit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Breach {
    /// The figure and its limit.
    pub words: String,
    /// Whether it speaks against the scale of the values rather than against a patient.
    pub is_scale: bool,
}

/// From where to where a figure of good series reaches.
struct Limit {
    name: &'static str,
    of: fn(&Figures) -> f64,
    /// Whether good figures lie above the two borders, or below.
    above: bool,
    /// Beyond the first it is doubted, beyond the second refused.
    borders: [f64; 2],
    is_scale: bool,
}

impl Limit {
    const fn least(name: &'static str, of: fn(&Figures) -> f64, borders: [f64; 2], is_scale: bool) -> Self {
        Self { name, of, above: true, borders, is_scale }
    }

    const fn most(name: &'static str, of: fn(&Figures) -> f64, borders: [f64; 2], is_scale: bool) -> Self {
        Self { name, of, above: false, borders, is_scale }
    }

    fn beyond(&self, border: f64, figures: &Figures) -> bool {
        let value = (self.of)(figures);
        if self.above { value < border } else { value > border }
    }

    fn breach(&self, figures: &Figures) -> Breach {
        let (value, side) = ((self.of)(figures), if self.above { "least" } else { "most" });
        Breach { words: format!("{} {value:.3}, {} at {side}", self.name, self.borders[0]), is_scale: self.is_scale }
    }
}

const SCALE: bool = true;
const PATIENT: bool = false;
const NEVER: f64 = f64::INFINITY;

/// What single slices with tissue reach, the 601 real ones that may be trained on and 6,000 synthetic ones (all but three of these for
/// each figure): `light` 0.153 and 0.115 at least, `dense` 0.138 and 0.25 at most, `below_air` 0 and 0.042, `between` 0.20 and 0.23,
/// `fat` 0.030 and 0.011 at least, `pure_fat` 0.015 and 0.004, `pure_soft` 0.076 and 0.068, both together 0.127 and 0.177, `valley` 0.30
/// and 0.56 at most, `spread` 6.8 and 5.2 at least, `roughness` 55 and 67 at most. None is clipped: the least and the largest value are
/// those of five pixels of a plane at most, and of one in 2,000 of the smallest planes.
///
/// None of the 171 slices of other patients lies beyond one. Nearest come `light` with 0.136, and `below_air` with 0.076 where padding
/// is; they were in sight when the borders were set, and have no part in the fit of the distance.
const LIMITS: &[Limit] = &[
    Limit::least("share below -30 HU (air, lung, fat)", |f| f.light, [0.10, 0.06], SCALE),
    Limit::most("share below -1100 HU", |f| f.below_air, [0.15, 0.25], SCALE),
    Limit::most("share above 300 HU", |f| f.dense, [0.32, 0.42], SCALE),
    Limit::most("share from -500 to -200 HU", |f| f.between, [0.25, 0.35], SCALE),
    Limit::least("share of fat and edges in tissue", |f| f.fat, [0.012, 0.006], PATIENT),
    Limit::least("share of fat in tissue", |f| f.pure_fat, [0.005, 0.002], PATIENT),
    Limit::least("share from 20 to 80 HU in tissue", |f| f.pure_soft, [0.05, 0.02], SCALE),
    Limit::least("share of fat and soft tissue in tissue", |f| f.pure_fat + f.pure_soft, [0.12, 0.08], SCALE),
    Limit::most("share from -60 to 0 HU in tissue", |f| f.valley, [0.45, 0.68], SCALE),
    Limit::least("spread of tissue in steps of 10 HU", |f| f.spread, [5.0, 4.0], PATIENT),
    Limit::most("roughness in HU", |f| f.roughness, [65.0, 110.0], SCALE),
    Limit::most("share of pixels clipped at a value that is no air", |f| f.clipped_low, [0.0012, 0.004], SCALE),
    Limit::most("share of pixels clipped at a value that is no bone", |f| f.clipped_high, [0.0012, 0.004], SCALE),
    // Never refused: a neck whose airway does not show has that outline, in one of a hundred synthetic series.
    Limit::most("share of planes with the outline of a limb", |f| f.limbs, [LIMBS, NEVER], PATIENT),
];

/// Share of planes with the outline of a limb from which a series is one of limbs.
const LIMBS: f64 = 0.5;

/// How far a series of many planes may lie from patients, and how much farther one plane, in standard deviations of patients: planes of a
/// series differ, and their mean less. Then what that is multiplied by to be doubted, and to be refused.
///
/// How it holds, of the most that is not doubted: by fits that leave out the patient whom they judge, no slice, no run of eight slices
/// and no whole series of the 39 real patients lies beyond (0.87, 0.96 and 0.59 at most); by twenty fits that leave out half of them, 4
/// of 1,345 runs (1.07), no slice and no series. Real patients whom the fit never saw, and who are only judged: 169 slices (0.62), 34
/// runs (0.69) and the four series (0.67) lie within. Of 2,344 series of synthetic patients that it never saw four are doubted for it
/// alone, none is refused.
const DISTANCE_LEAST: f64 = 4.7;
const DISTANCE_ONE: f64 = 3.3;
const DISTANCE: [f64; 2] = [1.0, 1.4];

/// Share of tissue below which there is nothing to judge.
const LEAST_TISSUE: f64 = 0.05;
/// The least value that is no air, and the largest that is no bone: clipping there is a window's.
const CLIPPED_LOW_HU: f32 = -600.0;
const CLIPPED_HIGH_HU: f32 = 700.0;

impl Figures {
    /// Adds up planes; none where no pixel was measured.
    #[must_use]
    pub fn of(planes: &[PlaneFigures]) -> Option<Self> {
        let sums = Sums::of(planes);
        let all = sums.all();
        let pixels = planes.iter().map(|plane| plane.pixels).sum::<usize>() as f64;
        if all == 0.0 || pixels == 0.0 {
            return None;
        }
        let between = |low: i32, high: i32| sums.between(low, high);
        let tissue = between(-200, 300);
        let of_tissue = |low: i32, high: i32| if tissue > 0.0 { between(low, high) / tissue } else { 0.0 };
        let rough = planes.iter().fold((0.0, 0), |sum, plane| (sum.0 + plane.roughness.0, sum.1 + plane.roughness.1));
        let low = planes.iter().map(|plane| plane.least).min_by(|a, b| a.0.total_cmp(&b.0));
        let high = planes.iter().map(|plane| plane.largest).max_by(|a, b| a.0.total_cmp(&b.0));
        let at = |value: f32, of: fn(&PlaneFigures) -> (f32, usize)| {
            planes.iter().map(of).filter(|(found, _)| *found == value).map(|(_, count)| count).sum::<usize>() as f64
        };
        let clipped_low = low.filter(|(value, _)| *value > CLIPPED_LOW_HU);
        let clipped_high = high.filter(|(value, _)| *value < CLIPPED_HIGH_HU);
        let bodies = planes.iter().filter(|plane| plane.outline != Outline::Nothing).count();
        let limbs = planes.iter().filter(|plane| plane.outline == Outline::Limb).count();
        Some(Self {
            tissue: tissue / all,
            light: between(LOWEST_HU, -30) / all,
            dense: between(300, TOP_HU) / all,
            below_air: between(LOWEST_HU, -1100) / all,
            between: between(-500, -200) / all,
            fat: of_tissue(-150, -30),
            pure_fat: of_tissue(-130, -70),
            pure_soft: of_tissue(20, 80),
            valley: of_tissue(-60, 0),
            spread: spread(sums.bins(-200, 300)),
            roughness: if rough.1 > 0 { rough.0 / rough.1 as f64 } else { 0.0 },
            clipped_low: clipped_low.map_or(0.0, |(value, _)| at(value, |plane| plane.least) / pixels),
            clipped_high: clipped_high.map_or(0.0, |(value, _)| at(value, |plane| plane.largest) / pixels),
            limbs: limbs as f64 / bodies.max(1) as f64,
            constant: low.zip(high).is_some_and(|(low, high)| low.0 == high.0),
            distance: Distance::of(&sums),
            planes: planes.len(),
        })
    }

    /// How far so many planes may lie from patients and not be doubted for it, in standard deviations of patients.
    #[must_use]
    pub fn distance_most(&self) -> f64 {
        DISTANCE_LEAST + DISTANCE_ONE / (self.planes as f64).sqrt()
    }

    /// What lies beyond the limits, and whether that is enough to refuse.
    pub(super) fn breaches(&self) -> (Vec<Breach>, bool) {
        let breach = |words: String, is_scale| vec![Breach { words, is_scale }];
        if self.constant {
            return (breach("all pixels have one value".to_owned(), false), true);
        }
        // Scales that leave nothing where tissue should be are told by what lies elsewhere.
        let elsewhere = self.dense + self.between + self.below_air;
        if self.tissue < LEAST_TISSUE && elsewhere < 0.5 {
            let words = format!("share of tissue (-200 to 300 HU) {:.3}, {LEAST_TISSUE} at least", self.tissue);
            return (breach(words, false), false);
        }
        let refused = self.beyond(1);
        if refused.is_empty() { (self.beyond(0), false) } else { (refused, true) }
    }

    /// What lies beyond one of the two borders of each limit.
    fn beyond(&self, border: usize) -> Vec<Breach> {
        let single = LIMITS.iter().filter(|limit| limit.beyond(limit.borders[border], self));
        single.map(|limit| limit.breach(self)).chain(self.too_far(border)).collect()
    }

    /// Whether all figures together lie too far from those of patients. A limb does, and is never refused for that.
    fn too_far(&self, border: usize) -> Option<Breach> {
        let distance = self.distance.filter(|_| border == 0 || self.limbs <= LIMBS)?;
        let most = self.distance_most() * DISTANCE[border];
        let words = || format!("distance from patients {:.1}, {most:.1} at most: {}", distance.value, distance.words());
        (distance.value > most).then(|| Breach { words: words(), is_scale: distance.is_scale() })
    }
}

/// The exponential of the entropy of a histogram: over how many bins it spreads.
fn spread(bins: &[f64]) -> f64 {
    let all: f64 = bins.iter().sum();
    let shares = bins.iter().filter(|count| **count > 0.0).map(|count| count / all);
    shares.map(|share| -share * share.ln()).sum::<f64>().exp()
}
