//! What is measured of one resampled plane.

use super::means::{Means, TISSUE_HU};
use super::structure::Structure;
use crate::look::PlaneLook;

/// Lowest HU of the histogram, the width of a bin, and their number: what lies beyond counts in the first or last.
pub(super) const LOWEST_HU: i32 = -1500;
pub(super) const BIN_HU: i32 = 10;
pub(super) const BINS: usize = 350;
/// Above all that the histogram holds.
pub(super) const TOP_HU: i32 = LOWEST_HU + BIN_HU * BINS as i32;
/// Pixels of the source up to this edge show what lies next to what.
const SHARP_MM: f64 = 2.0;

/// How a plane was sampled, in millimetres, `[y, x]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Distance between the plane's own pixels.
    pub plane_mm: [f64; 2],
    /// Distance between the pixels of the image that it was resampled from.
    pub source_mm: [f64; 2],
}

/// What an outline shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outline {
    /// Nothing of a body.
    Nothing,
    /// What lies whole inside the plane, small, without a skull and without enclosed air: a limb, a rod.
    Limb,
    /// Anything else.
    Body,
}

/// The figures of one plane. Those of many planes add up: see [`super::Figures`].
#[derive(Debug, Clone, PartialEq)]
pub struct PlaneFigures {
    /// Means over some 6 mm, by HU.
    pub(super) histogram: Vec<u32>,
    /// Pixels that were measured.
    pub(super) pixels: usize,
    /// The least value, and how many pixels have it.
    pub(super) least: (f32, usize),
    /// The largest value, and how many pixels have it.
    pub(super) largest: (f32, usize),
    /// Sum of the distances of cells from the mean around them, in tissue, and their number.
    pub(super) roughness: (f64, usize),
    pub(super) outline: Outline,
    /// What lies next to what; none of a plane, or from an image, that is too coarse to tell.
    pub(super) structure: Option<Structure>,
}

impl PlaneFigures {
    /// Measures the part of a plane that lies in the image.
    ///
    /// *Shape and units*: `hu` is `[y, x]` row-major in HU, the whole plane; `image` is the half-open range of rows, then of columns,
    /// that the image covers. None where that part is empty.
    #[must_use]
    pub fn of(hu: &[f32], columns: usize, image: [(usize, usize); 2], sampling: Sampling) -> Option<Self> {
        let [(y0, y1), (x0, x1)] = image;
        if columns == 0 || y1 <= y0 || x1 <= x0 || x1 > columns || y1 * columns > hu.len() {
            return None;
        }
        let width = x1 - x0;
        let mut inside = Vec::with_capacity(width * (y1 - y0));
        let lines = hu.chunks_exact(columns).take(y1).skip(y0).filter_map(|line| line.get(x0..x1));
        lines.for_each(|line| inside.extend_from_slice(line));
        let means = Means::of(&inside, width, sampling.plane_mm);
        let sharp = means.reach > 0 && sampling.source_mm.iter().all(|spacing| *spacing <= SHARP_MM);
        let mut figures = Self {
            histogram: vec![0; BINS],
            pixels: inside.len(),
            least: extreme(&inside, |value, best| value < best),
            largest: extreme(&inside, |value, best| value > best),
            roughness: (0.0, 0),
            outline: outline(&inside, width, sampling.plane_mm),
            structure: sharp.then(|| Structure::of(&means)),
        };
        for y in 0..means.rows {
            let [_, cells, _] = means.cells(y);
            let line = &means.values[y * means.columns..][..means.columns];
            line.iter().zip(&cells[means.reach..]).for_each(|(mean, value)| figures.count(*value, *mean));
        }
        Some(figures)
    }

    /// Counts a cell and the mean around it.
    fn count(&mut self, value: f32, mean: f32) {
        let bin = ((mean - LOWEST_HU as f32) / BIN_HU as f32).clamp(0.0, (BINS - 1) as f32) as usize;
        self.histogram[bin] += 1;
        if TISSUE_HU.contains(&mean) {
            self.roughness.0 += f64::from((value - mean).abs());
            self.roughness.1 += 1;
        }
    }
}

/// Values that are compared at once.
const LANES: usize = 16;

/// The extreme value and how many pixels have it.
fn extreme(values: &[f32], better: impl Fn(f32, f32) -> bool) -> (f32, usize) {
    let Some(&first) = values.first() else { return (0.0, 0) };
    let best_of = |best: f32, value: f32| if better(value, best) { value } else { best };
    let (blocks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [first; LANES];
    for block in blocks {
        lanes.iter_mut().zip(block).for_each(|(best, value)| *best = best_of(*best, *value));
    }
    let best = lanes.iter().chain(rest).fold(first, |best, value| best_of(best, *value));
    (best, values.iter().map(|value| usize::from(*value == best)).sum())
}

/// Largest area and extents of what may be a limb.
const LIMB_MM2: f64 = 23_000.0;
const LIMB_MM: f64 = 185.0;

fn outline(hu: &[f32], columns: usize, spacing_mm: [f64; 2]) -> Outline {
    let Some(look) = PlaneLook::of(hu, columns, spacing_mm) else { return Outline::Nothing };
    let whole = look.edges <= 1 && look.extent_mm.iter().all(|extent| *extent <= LIMB_MM) && look.area_mm2 <= LIMB_MM2;
    let skull = look.ring >= 0.7 && look.soft >= 0.4;
    if whole && !skull && look.air_mm2 < 30.0 { Outline::Limb } else { Outline::Body }
}
