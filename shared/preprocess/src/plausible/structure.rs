//! What lies next to what in a plane: means over 6 mm, and steps between cells of 2 mm.

use super::means::{Means, TISSUE_HU};

/// Cells between a place and those that it is held against, so that their means share no pixel.
const APART: usize = 3;
/// How much brighter or darker than both sides a place is that is a peak or a valley, in HU, and how little a flat differs.
const STANDS_OUT_HU: f32 = 30.0;
const FLAT_HU: f32 = 25.0;
/// How far the two sides of a border lie from its middle, in HU.
const BORDER_HU: f32 = 100.0;
/// What a mean is taken for.
const AIR_BORDER_HU: std::ops::Range<f32> = -400.0..-150.0;
const AIR_EDGE_HU: std::ops::Range<f32> = -700.0..-250.0;
const LUNG_HU: std::ops::Range<f32> = -930.0..-500.0;
const FAT_HU: std::ops::Range<f32> = -150.0..-30.0;
const SOFT_HU: std::ops::Range<f32> = 0.0..100.0;
const BONE_HU: std::ops::RangeFrom<f32> = 250.0..;
/// Steps from cell to cell within soft tissue, in HU.
const STEPS_HU: [std::ops::Range<f32>; 3] = [20.0..50.0, 50.0..120.0, 120.0..f32::INFINITY];
/// Distances of a cell from the mean around it, in HU: those of coarse tissue, and those of air that nothing runs through.
const COARSE_HU: std::ops::Range<f32> = 40.0..100.0;
const STILL_HU: f32 = 10.0;

/// How many places of a kind are so, of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Tally {
    pub so: f64,
    pub of: f64,
}

impl Tally {
    fn take(&mut self, so: bool) {
        self.so += f64::from(u8::from(so));
        self.of += 1.0;
    }
}

/// The tallies of a plane; those of many planes add up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Structure {
    /// Bone that is denser than what lies at both sides of it, of the bone that is denser or less dense: a chamber full of contrast is
    /// neither.
    pub bone_peaks: Tally,
    /// Places between air and tissue with air at one side and tissue at the other.
    pub air_borders: Tally,
    /// Fat between denser places, between lighter ones, and amid fat.
    pub fat_valleys: Tally,
    pub fat_peaks: Tally,
    pub fat_flats: Tally,
    /// Soft tissue between lighter places.
    pub soft_peaks: Tally,
    /// Sum of the steps where air ends, in HU from cell to cell, and the number of cells.
    pub air_steps: Tally,
    /// Soft tissue with steps in each of `STEPS_HU`.
    pub soft_steps: [Tally; 3],
    /// Tissue that is coarse.
    pub coarse: Tally,
    /// Lung in which nothing is.
    pub still: Tally,
}

impl Structure {
    /// Measures one plane.
    pub fn of(means: &Means) -> Self {
        let mut structure = Self::default();
        for y in 0..means.rows {
            structure.line(means, y);
        }
        structure
    }

    /// One line of cells, each held against its sides along the line and across it.
    fn line(&mut self, means: &Means, y: usize) {
        let columns = means.columns;
        let row = |y: usize| &means.values[y * columns..][..columns];
        let here = row(y);
        for sides in here.windows(2 * APART + 1) {
            self.between(sides[0], sides[APART], sides[2 * APART]);
        }
        if y >= APART && y + APART < means.rows {
            for ((above, middle), below) in row(y - APART).iter().zip(here).zip(row(y + APART)) {
                self.between(*above, *middle, *below);
            }
        }
        let [above, cells, below] = means.cells(y);
        let across = above.iter().skip(1).zip(below.iter().skip(1));
        for ((mean, along), (above, below)) in here.iter().zip(cells.windows(3)).zip(across) {
            let step = || ((below - above).powi(2) + (along[2] - along[0]).powi(2)).sqrt() / 2.0;
            self.cell(*mean, (along[1] - mean).abs(), step);
        }
    }

    /// A place and what lies at two sides of it.
    fn between(&mut self, one: f32, middle: f32, other: f32) {
        if middle < AIR_BORDER_HU.start {
            return;
        }
        let (low, high) = if one < other { (one, other) } else { (other, one) };
        let peak = high < middle - STANDS_OUT_HU;
        if FAT_HU.contains(&middle) {
            self.fat_valleys.take(low > middle + STANDS_OUT_HU);
            self.fat_peaks.take(peak);
            self.fat_flats.take((one - middle).abs() < FLAT_HU && (other - middle).abs() < FLAT_HU);
        } else if SOFT_HU.contains(&middle) {
            self.soft_peaks.take(peak);
        } else if BONE_HU.contains(&middle) && (peak || low > middle + STANDS_OUT_HU) {
            self.bone_peaks.take(peak);
        }
        if AIR_BORDER_HU.contains(&middle) {
            self.air_borders.take(low < middle - BORDER_HU && high > middle + BORDER_HU);
        }
    }

    /// A cell: the mean around it, its distance from that, and the step across it.
    fn cell(&mut self, mean: f32, off: f32, step: impl Fn() -> f32) {
        if TISSUE_HU.contains(&mean) {
            self.coarse.take(COARSE_HU.contains(&off));
        }
        if SOFT_HU.contains(&mean) {
            let step = step();
            for (tally, steps) in self.soft_steps.iter_mut().zip(&STEPS_HU) {
                tally.take(steps.contains(&step));
            }
        }
        if AIR_EDGE_HU.contains(&mean) {
            self.air_steps.so += f64::from(step());
            self.air_steps.of += 1.0;
        }
        if LUNG_HU.contains(&mean) {
            self.still.take(off < STILL_HU);
        }
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.so += other.so;
        self.of += other.of;
    }
}

impl std::ops::AddAssign<&Structure> for Structure {
    fn add_assign(&mut self, other: &Self) {
        self.bone_peaks += other.bone_peaks;
        self.air_borders += other.air_borders;
        self.fat_valleys += other.fat_valleys;
        self.fat_peaks += other.fat_peaks;
        self.fat_flats += other.fat_flats;
        self.soft_peaks += other.soft_peaks;
        self.air_steps += other.air_steps;
        self.soft_steps.iter_mut().zip(other.soft_steps).for_each(|(sum, tally)| *sum += tally);
        self.coarse += other.coarse;
        self.still += other.still;
    }
}
