//! What to fetch, decode and interpolate, decided from the geometry alone.

use std::collections::BTreeMap;

use bolus_study::{Allowed, PixelWindow, Reason, ReasonCode, SeriesGeometry};

use crate::axis::{SourceAxis, Tap, source_range, window_taps};
use crate::plausible::{PlaneFigures, Sampling};
use crate::slab::Slab;
use crate::spec::{GantryTilt, ShortSeries, Spec};

/// The widest distance between neighbouring slices, in millimetres, that is bridged by interpolation. In a wider one only positions that
/// lie on a slice are scored: nothing is known of the rest.
const WIDEST_STEP_MM: f64 = 12.5;
/// Shear below this is position noise, not gantry tilt.
const SHEAR_TOLERANCE_DEG: f64 = 0.5;

/// The source slices between which an output slice lies, as indices into the geometry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blend {
    /// The caudal neighbour.
    pub lower: usize,
    /// The cranial neighbour; the same as `lower` where the output lies on a slice or at an end.
    pub upper: usize,
    /// Weight of `upper`, 0..1.
    pub weight: f32,
}

/// One slice of the network's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutputSlice {
    /// Position along the slice normal, counted towards the head, in millimetres: the patient's z of axial slices.
    pub z_mm: f64,
    /// Where its values come from; `None` for filling outside the series.
    pub blend: Option<Blend>,
    /// The source slice nearest to it, as an index into the geometry.
    pub nearest: usize,
}

/// The in-plane taps of one source slice.
#[derive(Debug, Clone, PartialEq)]
struct PlaneTaps {
    y: Vec<Option<Tap>>,
    x: Vec<Option<Tap>>,
}

/// The plan for one series: which pixels of which slices, and how they become the tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The output slices, from caudal to cranial.
    pub outputs: Vec<OutputSlice>,
    /// The source slices that are needed, as increasing indices into the geometry.
    pub sources: Vec<usize>,
    /// The source pixels that are needed of each of them.
    pub window: PixelWindow,
    /// Positions that the spec asks for in the series: those of `outputs`, and those that no source slice is near enough to.
    pub planned: usize,
    rows: usize,
    columns: usize,
    sampling: Sampling,
    fill_hu: f32,
    /// In-plane taps of each source, in the order of `sources`; one entry for all where the stack is rectangular.
    taps: Vec<PlaneTaps>,
}

impl Plan {
    /// Plans a series by `spec`.
    ///
    /// # Errors
    /// A [`Reason`] when the series is not one that the spec takes: a judgement on its geometry, or its image lies outside the window.
    pub fn new(spec: &Spec, geometry: &SeriesGeometry) -> Result<Self, Reason> {
        Self::allowing(spec, geometry, &Allowed::NOTHING)
    }

    /// As [`Plan::new`], with the judgements in `allowed` overridden.
    ///
    /// # Errors
    /// As [`Plan::new`], for other judgements.
    pub fn allowing(spec: &Spec, geometry: &SeriesGeometry, allowed: &Allowed) -> Result<Self, Reason> {
        admit(spec, geometry, allowed)?;
        let (outputs, planned) = output_slices(spec, geometry);
        let mut sources: Vec<usize> =
            outputs.iter().filter_map(|output| output.blend).flat_map(|blend| [blend.lower, blend.upper]).collect();
        sources.sort_unstable();
        sources.dedup();
        let taps = plane_taps(spec, geometry, &sources);
        let window = needed_window(&taps).ok_or_else(|| {
            Reason::new(ReasonCode::InconsistentAttribute, "no pixel of the series lies inside the bundle's window")
        })?;
        let [_, rows, columns] = spec.crop;
        let [_, y, x] = spec.spacing_mm;
        let sampling = Sampling { plane_mm: [y, x], source_mm: geometry.pixel_spacing_mm };
        Ok(Self { outputs, sources, window, planned, rows, columns, sampling, fill_hu: spec.fill_hu, taps })
    }

    /// The share of the planned positions that are scored, 0 to 1.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        if self.planned == 0 { 0.0 } else { self.outputs.len() as f64 / self.planned as f64 }
    }

    /// Measures what [`Plan::resample_plane`] gave for the source slice `sources[ordinal]`: the part of it that lies in the image.
    #[must_use]
    pub fn measure(&self, ordinal: usize, plane_hu: &[f32]) -> Option<PlaneFigures> {
        let taps = self.taps.get(ordinal).or_else(|| self.taps.first())?;
        let image = [covered(&taps.y)?, covered(&taps.x)?];
        PlaneFigures::of(plane_hu, self.columns, image, self.sampling)
    }

    /// Resamples the window of the source slice `sources[ordinal]` to the output plane.
    ///
    /// *Shape and units*: `window_hu` is `[y, x]` row-major of [`Plan::window`] in HU; the result is `[y, x]` of the spec's crop
    /// in HU, patient-oriented, with `fill_hu` outside the image.
    ///
    /// # Panics
    /// Never on windows of the planned size; a shorter slice is a programming error and yields filling.
    #[must_use]
    pub fn resample_plane(&self, ordinal: usize, window_hu: &[f32]) -> Vec<f32> {
        let mut plane = vec![self.fill_hu; self.rows * self.columns];
        let Some(taps) = self.taps.get(ordinal).or_else(|| self.taps.first()) else { return plane };
        let width = self.window.width();
        debug_assert_eq!(window_hu.len(), width * self.window.height());
        let row = |y: usize| window_hu.get((y - self.window.y0) * width..(y + 1 - self.window.y0) * width);
        let mut between = vec![0.0_f32; width];
        for (out, tap) in plane.chunks_exact_mut(self.columns).zip(&taps.y) {
            let Some(tap) = tap else { continue };
            let (Some(lower), Some(upper)) = (row(tap.lower), row(tap.upper)) else { continue };
            for ((value, low), high) in between.iter_mut().zip(lower).zip(upper) {
                *value = low + (high - low) * tap.weight;
            }
            for (value, tap) in out.iter_mut().zip(&taps.x) {
                let Some(tap) = tap else { continue };
                let low = between[tap.lower - self.window.x0];
                let high = between[tap.upper - self.window.x0];
                *value = low + (high - low) * tap.weight;
            }
        }
        plane
    }

    /// Puts the resampled planes together, in the order of [`Plan::sources`], to the slab in HU.
    ///
    /// *Shape and units*: each plane is what [`Plan::resample_plane`] gave; the slab is `[z, y, x]` in HU, from caudal to cranial.
    #[must_use]
    pub fn assemble(&self, planes: &[Vec<f32>]) -> Slab {
        let plane = |source: usize| self.sources.binary_search(&source).ok().and_then(|ordinal| planes.get(ordinal));
        self.put_together(self.outputs.iter(), plane)
    }

    /// Puts some of the output slices together: those at `places` in [`Plan::outputs`], in that order. Each is what it is in the whole slab.
    ///
    /// *Shape and units*: `planes` holds what [`Plan::resample_plane`] gave, by source as in [`Plan::sources`].
    #[must_use]
    pub fn assemble_some(&self, places: &[usize], planes: &BTreeMap<usize, Vec<f32>>) -> Slab {
        self.put_together(places.iter().filter_map(|place| self.outputs.get(*place)), |source| planes.get(&source))
    }

    fn put_together<'p>(
        &self,
        outputs: impl Iterator<Item = &'p OutputSlice>,
        plane: impl Fn(usize) -> Option<&'p Vec<f32>>,
    ) -> Slab {
        let size = self.rows * self.columns;
        let plane = |source: usize| plane(source).filter(|plane| plane.len() == size);
        let (mut hu, mut slices) = (Vec::new(), 0);
        for output in outputs {
            slices += 1;
            let pair = output.blend.and_then(|blend| Some((plane(blend.lower)?, plane(blend.upper)?, blend.weight)));
            match pair {
                Some((lower, upper, weight)) => {
                    hu.extend(lower.iter().zip(upper).map(|(low, high)| low + (high - low) * weight));
                }
                None => hu.resize(hu.len() + size, self.fill_hu),
            }
        }
        Slab { hu, slices, rows: self.rows, columns: self.columns }
    }
}

/// The half-open range of places that have a tap: what the image covers.
fn covered(taps: &[Option<Tap>]) -> Option<(usize, usize)> {
    let first = taps.iter().position(Option::is_some)?;
    let last = taps.iter().rposition(Option::is_some)?;
    Some((first, last + 1))
}

/// Whether `spec` takes a series of this geometry, save what is `allowed` all the same.
fn admit(spec: &Spec, geometry: &SeriesGeometry, allowed: &Allowed) -> Result<(), Reason> {
    let refused = geometry_judgement(spec, geometry).into_iter().find(|reason| !allowed.contains(reason.code));
    refused.map_or(Ok(()), Err)
}

/// What speaks against a series of this geometry: judgements, all of which can be overridden.
#[must_use]
pub fn geometry_judgement(spec: &Spec, geometry: &SeriesGeometry) -> Vec<Reason> {
    let depth = geometry.depth();
    let mut reasons = Vec::new();
    let mut judged = |code, detail: String| reasons.push(Reason::judgement(code, detail));
    if !geometry.orientation.is_axial(spec.axial_tolerance_deg) {
        let tilt = geometry.orientation.normal()[2].abs().min(1.0).acos().to_degrees();
        let limit = spec.axial_tolerance_deg;
        judged(
            ReasonCode::NotAxial,
            format!("slice normal lies {tilt:.0} degrees from the body axis, at most {limit} are taken"),
        );
    }
    if depth < spec.min_slices {
        let needed = spec.min_slices;
        let slices = if depth == 1 { "slice" } else { "slices" };
        judged(ReasonCode::TooFewSlices, format!("{depth} {slices}, the bundle needs {needed}"));
    }
    let widest = geometry.along_normal_mm.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    if let Some(limit) = spec.max_slice_spacing_mm.filter(|limit| widest > *limit) {
        judged(
            ReasonCode::Spacing,
            format!("neighbouring slices are up to {widest:.1} mm apart, at most {limit} mm are taken"),
        );
    }
    if spec.gantry_tilt == GantryTilt::Refuse && geometry.shear_deg.abs() > SHEAR_TOLERANCE_DEG {
        judged(
            ReasonCode::GantryTilt,
            format!("stack is sheared by {:.1} degrees and the bundle refuses gantry tilt", geometry.shear_deg),
        );
    }
    reasons
}

/// The output slices of a series, from caudal to cranial, and how many positions of the series the spec asks for. At least one: where no
/// slice lies near what the spec scores, as in the gap of a few slices far apart, as many positions are scored where most slices are.
fn output_slices(spec: &Spec, geometry: &SeriesGeometry) -> (Vec<OutputSlice>, usize) {
    let grid = Grid::of(spec, geometry);
    let steps = scored_range(spec, grid.resampled);
    let planned = steps.clone().count();
    let outputs: Vec<OutputSlice> = steps.clone().filter_map(|step| grid.output(step)).collect();
    if outputs.is_empty() { (grid.fullest(steps), planned) } else { (outputs, planned) }
}

/// The positions of a series at the spec's spacing, 0 being its caudal end.
struct Grid<'a> {
    spec: &'a Spec,
    /// Of the slices, increasing towards the head.
    positions: Vec<f64>,
    cranial: bool,
    spacing: f64,
    resampled: i64,
}

impl<'a> Grid<'a> {
    fn of(spec: &'a Spec, geometry: &SeriesGeometry) -> Self {
        let cranial = geometry.increases_cranially();
        let mut positions = geometry.along_normal_mm.clone();
        if !cranial {
            positions = positions.iter().rev().map(|position| -position).collect();
        }
        let spacing = geometry.slice_spacing_mm.or(geometry.slice_thickness_mm).unwrap_or(spec.spacing_mm[0]);
        let extent = positions[positions.len() - 1] - positions[0];
        let resampled = ((extent + spacing) / spec.spacing_mm[0]).round().max(1.0) as i64;
        Self { spec, positions, cranial, spacing, resampled }
    }

    fn output(&self, step: i64) -> Option<OutputSlice> {
        let depth = self.positions.len();
        let index = |ordinal: usize| if self.cranial { ordinal } else { depth - 1 - ordinal };
        let (first, last) = (self.positions[0], self.positions[depth - 1]);
        let position = first + step as f64 * self.spec.spacing_mm[0];
        let inside = (0..self.resampled).contains(&step);
        let (blend, nearest) = blend_at(&self.positions, position, self.spacing, self.spec.spacing_mm[0] / 2.0);
        // What the spec fills outside the series is scored; what nothing is known of is not.
        let between = (first..=last).contains(&position);
        if blend.is_none() && (between || inside && self.spec.short_series == ShortSeries::Slide) {
            return None;
        }
        let blend = blend.filter(|_| inside).map(|blend| Blend {
            lower: index(blend.lower),
            upper: index(blend.upper),
            weight: blend.weight,
        });
        Some(OutputSlice { z_mm: position, blend, nearest: index(nearest) })
    }

    /// The outputs of as many steps as `ruled` has, from that slice on from which most have a slice near; of equal ones from the nearest
    /// to `ruled`, the cranial one first. The caudal slice lies on a step, so there is one.
    fn fullest(&self, ruled: std::ops::Range<i64>) -> Vec<OutputSlice> {
        let count = ruled.end - ruled.start;
        let outputs = |start: i64| -> Vec<OutputSlice> {
            let steps = start..start.saturating_add(count).min(self.resampled);
            steps.filter_map(|step| self.output(step)).collect()
        };
        let step = |position: &f64| ((position - self.positions[0]) / self.spec.spacing_mm[0]).round() as i64;
        let mut starts: Vec<i64> = self.positions.iter().map(step).collect();
        starts.dedup();
        let rank = |start: &i64| (outputs(*start).len(), std::cmp::Reverse(start.abs_diff(ruled.start)), *start);
        starts.into_iter().max_by_key(rank).map(outputs).unwrap_or_default()
    }
}

/// The resampled slices that are scored, 0 being the caudal end of the series.
fn scored_range(spec: &Spec, resampled: i64) -> std::ops::Range<i64> {
    let [first, last] = spec.kept_slices.map(|slice| slice as i64);
    let crop = spec.crop[0] as i64;
    match spec.short_series {
        ShortSeries::Pad => resampled - crop + first..resampled - crop + last + 1,
        ShortSeries::Slide => {
            let count = last - first + 1;
            let skip = (crop - 1 - last).min(resampled - count).max(0);
            (resampled - skip - count).max(0)..resampled - skip
        }
    }
}

/// The neighbours of `position` among increasing `positions`, and the nearest of them. No blend beyond the ends by more than half a
/// `spacing`, nor in a wide gap further than `on_slice` from a slice.
fn blend_at(positions: &[f64], position: f64, spacing: f64, on_slice: f64) -> (Option<Blend>, usize) {
    let last = positions.len() - 1;
    let upper = positions.partition_point(|known| *known < position).min(last);
    let lower = if positions[upper] <= position { upper } else { upper.saturating_sub(1) };
    let gap = positions[upper] - positions[lower];
    let weight = if gap > 0.0 { ((position - positions[lower]) / gap).clamp(0.0, 1.0) } else { 0.0 };
    let beyond = (positions[0] - position).max(position - positions[last]);
    let nearest = if weight > 0.5 { upper } else { lower };
    if gap > WIDEST_STEP_MM {
        let near = (positions[nearest] - position).abs() <= on_slice;
        return (near.then_some(Blend { lower: nearest, upper: nearest, weight: 0.0 }), nearest);
    }
    // A blend on a slice reads that slice alone, so that its neighbour is not fetched for nothing.
    let blend = match weight {
        w if w < ON_SLICE => Blend { lower, upper: lower, weight: 0.0 },
        w if w > 1.0 - ON_SLICE => Blend { lower: upper, upper, weight: 0.0 },
        w => Blend { lower, upper, weight: w as f32 },
    };
    ((beyond <= spacing.min(WIDEST_STEP_MM) / 2.0).then_some(blend), nearest)
}

/// A position this close to a slice, as a part of the gap, lies on it: rounding of decimal strings, far below the tolerance of 1e-3.
const ON_SLICE: f64 = 1e-5;

/// The in-plane taps of each source, or one entry for all where the stack is rectangular.
fn plane_taps(spec: &Spec, geometry: &SeriesGeometry, sources: &[usize]) -> Vec<PlaneTaps> {
    let [right, back] = [geometry.orientation.along_row, geometry.orientation.along_column];
    let (flip_x, flip_y) = (right[0] < 0.0, back[1] < 0.0);
    let taps = |shift: [f64; 2]| PlaneTaps {
        y: window_taps(
            SourceAxis {
                pixels: geometry.rows,
                spacing_mm: geometry.pixel_spacing_mm[0],
                flipped: flip_y,
                shift_mm: shift[0],
            },
            spec.spacing_mm[1],
            spec.crop[1],
        ),
        x: window_taps(
            SourceAxis {
                pixels: geometry.columns,
                spacing_mm: geometry.pixel_spacing_mm[1],
                flipped: flip_x,
                shift_mm: shift[1],
            },
            spec.spacing_mm[2],
            spec.crop[2],
        ),
    };
    if geometry.shear_deg.abs() <= SHEAR_TOLERANCE_DEG {
        return vec![taps([0.0, 0.0])];
    }
    let along = |source: usize, axis: [f64; 3], flipped: bool| {
        let p = geometry.positions_mm[source];
        let projected = p[0] * axis[0] + p[1] * axis[1] + p[2] * axis[2];
        if flipped { -projected } else { projected }
    };
    let shift = |source: usize, axis: [f64; 3], flipped: bool| {
        let ends = along(0, axis, flipped) + along(geometry.depth() - 1, axis, flipped);
        along(source, axis, flipped) - ends / 2.0
    };
    sources.iter().map(|&source| taps([shift(source, back, flip_y), shift(source, right, flip_x)])).collect()
}

/// The union of the pixels that all taps read.
fn needed_window(taps: &[PlaneTaps]) -> Option<PixelWindow> {
    let mut window: Option<PixelWindow> = None;
    for plane in taps {
        let (Some((y0, y1)), Some((x0, x1))) = (source_range(&plane.y), source_range(&plane.x)) else { continue };
        window = Some(window.map_or(PixelWindow { y0, y1, x0, x1 }, |w| PixelWindow {
            y0: w.y0.min(y0),
            y1: w.y1.max(y1),
            x0: w.x0.min(x0),
            x1: w.x1.max(x1),
        }));
    }
    window
}
