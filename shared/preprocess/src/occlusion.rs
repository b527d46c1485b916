//! What a network looks at in a slice, found by covering parts of it: the grid of patches, the covered slices, the map.
//!
//! A square patch slides over the slice. Under it all values become the mean of the ring around it: a constant such as air
//! would draw a hole with edges of its own, and the network's answer to those edges would drown what was taken away. The mean
//! of the surroundings takes detail and brightness away and adds as little as it can. A patch that changes nothing, as over
//! the air beside the body, needs no scoring: its effect is nil.

/// A change of less than this, in the 0..1 of a tensor, is none: half the step of an 8-bit picture.
const NO_CHANGE: f32 = 1.0 / 512.0;
/// Width of the ring whose mean fills a patch, in pixels.
const RING: usize = 3;
/// Keeps logits finite: single precision cannot tell larger probabilities well apart.
const EDGE: f64 = 1e-6;

/// The reason that a grid cannot be laid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OcclusionError(String);

/// Where patches lie on a slice: they cover every pixel, the last of a line ends with the slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcclusionGrid {
    plane: [usize; 2],
    patch: [usize; 2],
    tops: Vec<usize>,
    lefts: Vec<usize>,
}

/// The effect of covering, for each pixel of a slice.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// How far the logit falls when the pixel's surroundings are covered, `[row, column]`; negative where it rises.
    pub drops: Vec<f32>,
    /// Whether a patch near the pixel changed anything; elsewhere the drop is 0 by nature.
    pub measured: Vec<bool>,
}

impl OcclusionGrid {
    /// Lays square patches of `patch_mm`, `stride_mm` apart, on a plane of `[rows, columns]` with pixels of `spacing_mm`, `[y, x]`.
    ///
    /// # Errors
    /// [`OcclusionError`] when patch or stride are less than a pixel or the patch leaves no ring around it.
    pub fn new(plane: [usize; 2], spacing_mm: [f64; 2], patch_mm: f64, stride_mm: f64) -> Result<Self, OcclusionError> {
        let pixels = |length_mm: f64, axis: usize| (length_mm / spacing_mm[axis]).round();
        let mut patch = [0; 2];
        let mut starts = [Vec::new(), Vec::new()];
        for axis in [0, 1] {
            let (size, step) = (pixels(patch_mm, axis), pixels(stride_mm, axis));
            if !(1.0..plane[axis] as f64).contains(&size) {
                let widest = plane[axis] as f64 * spacing_mm[axis];
                return Err(OcclusionError(format!(
                    "a patch of {patch_mm} mm cannot slide: expected {} mm, one pixel, to less than {widest} mm, the slice",
                    spacing_mm[axis]
                )));
            }
            if !(1.0..=size).contains(&step) {
                return Err(OcclusionError(format!(
                    "a stride of {stride_mm} mm leaves gaps or does not move: expected {} mm, one pixel, to {patch_mm} mm, the patch",
                    spacing_mm[axis]
                )));
            }
            patch[axis] = size as usize;
            let last = plane[axis] - patch[axis];
            starts[axis] = (0..last).step_by(step as usize).chain([last]).collect();
        }
        let [tops, lefts] = starts;
        Ok(Self { plane, patch, tops, lefts })
    }

    /// Lines and columns of the grid.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        [self.tops.len(), self.lefts.len()]
    }

    /// Number of patches; they are counted line by line.
    #[must_use]
    pub fn places(&self) -> usize {
        self.tops.len() * self.lefts.len()
    }

    /// Rows and columns of a patch, in pixels.
    #[must_use]
    pub fn patch(&self) -> [usize; 2] {
        self.patch
    }

    /// Centres of the patches in pixels, from the middle of the first pixel: of the lines, and of the columns.
    #[must_use]
    pub fn centres(&self) -> [Vec<f32>; 2] {
        let centres = |starts: &[usize], size: usize| {
            starts.iter().map(|start| *start as f32 + (size as f32 - 1.0) / 2.0).collect::<Vec<_>>()
        };
        [centres(&self.tops, self.patch[0]), centres(&self.lefts, self.patch[1])]
    }

    /// `slice` with the patch at `place` covered; `None` where that changes nothing, or past the last place.
    #[must_use]
    pub fn covered(&self, slice: &[f32], place: usize) -> Option<Vec<f32>> {
        let [rows, columns] = self.plane;
        let (top, left) = (*self.tops.get(place / self.lefts.len())?, *self.lefts.get(place % self.lefts.len())?);
        let (bottom, right) = (top + self.patch[0], left + self.patch[1]);
        let (mut sum, mut count) = (0.0_f64, 0_u32);
        for y in top.saturating_sub(RING)..(bottom + RING).min(rows) {
            for x in left.saturating_sub(RING)..(right + RING).min(columns) {
                if !((top..bottom).contains(&y) && (left..right).contains(&x)) {
                    sum += f64::from(*slice.get(y * columns + x)?);
                    count += 1;
                }
            }
        }
        let fill = (sum / f64::from(count.max(1))) as f32;
        let mut covered = slice.to_vec();
        let mut changed = false;
        for y in top..bottom {
            for value in covered.get_mut(y * columns + left..y * columns + right)? {
                changed |= (*value - fill).abs() > NO_CHANGE;
                *value = fill;
            }
        }
        changed.then_some(covered)
    }

    /// The map of a slice from the drop at each place, bilinear between the patches' centres; `None` is a patch that changes nothing.
    #[must_use]
    pub fn map(&self, drops: &[Option<f32>]) -> HeatMap {
        let [rows, columns] = self.plane;
        let [lines, across] = self.centres();
        let mut map =
            HeatMap { drops: Vec::with_capacity(rows * columns), measured: Vec::with_capacity(rows * columns) };
        let along: Vec<_> = (0..columns).map(|x| between(&across, x as f32)).collect();
        for y in 0..rows {
            let (upper, lower, down) = between(&lines, y as f32);
            for &(left, right, over) in &along {
                let corners = [
                    (upper, left, (1.0 - down) * (1.0 - over)),
                    (upper, right, (1.0 - down) * over),
                    (lower, left, down * (1.0 - over)),
                    (lower, right, down * over),
                ];
                let known = corners
                    .iter()
                    .filter(|(_, _, weight)| *weight > 0.0)
                    .filter_map(|(line, column, weight)| Some(weight * (*drops.get(line * across.len() + column)?)?));
                let (sum, count) = known.fold((0.0, 0), |(sum, count), part| (sum + part, count + 1));
                map.drops.push(sum);
                map.measured.push(count > 0);
            }
        }
        map
    }
}

/// The neighbours of `position` among rising `centres` and the weight of the upper; the end itself beyond the ends.
fn between(centres: &[f32], position: f32) -> (usize, usize, f32) {
    let last = centres.len().saturating_sub(1);
    let upper = centres.partition_point(|centre| *centre < position).min(last);
    let lower = upper.saturating_sub(1);
    let gap = centres[upper] - centres[lower];
    let weight = if gap > 0.0 { ((position - centres[lower]) / gap).clamp(0.0, 1.0) } else { 0.0 };
    (lower, upper, weight)
}

/// How far the logit falls from probability `before` to `after`.
#[must_use]
pub fn logit_drop(before: f32, after: f32) -> f32 {
    let logit = |p: f32| {
        let edged = f64::from(p).clamp(EDGE, 1.0 - EDGE);
        (edged / (1.0 - edged)).ln()
    };
    (logit(before) - logit(after)) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLANE: [usize; 2] = [60, 80];

    fn texture(seed: usize) -> Vec<f32> {
        (0..PLANE[0] * PLANE[1]).map(|place| 0.3 + (place * (seed * 2 + 7919) % 101) as f32 / 1000.0).collect()
    }

    proptest! {
        #[test]
        fn a_scorer_of_one_pixel_gets_a_map_whose_mass_lies_there(
            y in 0_usize..PLANE[0], x in 0_usize..PLANE[1], patch in 4.0..16.0_f64, part in 0.3..1.0_f64, seed in 0_usize..50,
        ) {
            let spacing = [1.0, 0.8];
            let grid = OcclusionGrid::new(PLANE, spacing, patch, (patch * part).max(1.0)).unwrap();
            let mut slice = texture(seed);
            slice[y * PLANE[1] + x] = 1.0;
            let score = |slice: &[f32]| 1.0 / (1.0 + (-8.0 * (slice[y * PLANE[1] + x] - 0.6)).exp());
            let drops: Vec<_> = (0..grid.places())
                .map(|place| grid.covered(&slice, place).map(|covered| logit_drop(score(&slice), score(&covered))))
                .collect();
            let map = grid.map(&drops);
            let total: f32 = map.drops.iter().sum();
            prop_assert!(total > 0.0);
            // A patch that covers the pixel reaches as far from it as itself, and the interpolation one stride further.
            let reach = grid.patch().map(|size| size as f32 * 2.0);
            for (place, drop) in map.drops.iter().enumerate() {
                let away = [(place / PLANE[1]).abs_diff(y) as f32, (place % PLANE[1]).abs_diff(x) as f32];
                prop_assert!(*drop == 0.0 || (away[0] <= reach[0] && away[1] <= reach[1]), "{place}: {drop}");
            }
            let largest = map.drops.iter().copied().fold(0.0, f32::max);
            prop_assert!(map.drops[y * PLANE[1] + x] > 0.1 * largest);
        }

        #[test]
        fn patches_cover_every_pixel_and_keep_the_rest(patch in 2.0..30.0_f64, part in 0.1..1.0_f64) {
            let grid = OcclusionGrid::new(PLANE, [1.0, 1.0], patch, (patch * part).max(1.0)).unwrap();
            let slice = texture(1);
            let mut touched = vec![false; slice.len()];
            for place in 0..grid.places() {
                let covered = grid.covered(&slice, place).unwrap();
                let changed = covered.iter().zip(&slice).filter(|(a, b)| a != b).count();
                prop_assert!(changed <= grid.patch()[0] * grid.patch()[1]);
                for (touched, (a, b)) in touched.iter_mut().zip(covered.iter().zip(&slice)) {
                    *touched |= a != b;
                }
            }
            // A pixel that has the mean's very value by chance is not seen to change.
            prop_assert!(touched.iter().filter(|touched| **touched).count() * 100 > slice.len() * 95);
        }
    }

    #[test]
    fn air_is_not_measured_and_odd_sizes_are_refused() {
        let grid = OcclusionGrid::new(PLANE, [1.0, 1.0], 12.0, 6.0).unwrap();
        let mut slice = vec![0.0; PLANE[0] * PLANE[1]];
        slice[5 * PLANE[1] + 5] = 1.0;
        let covered: Vec<bool> = (0..grid.places()).map(|place| grid.covered(&slice, place).is_some()).collect();
        assert!(covered[0] && !covered[grid.places() - 1]);
        let drops: Vec<_> = covered.iter().map(|changed| changed.then_some(2.0)).collect();
        let map = grid.map(&drops);
        assert!(map.measured[0] && !map.measured[PLANE[0] * PLANE[1] - 1]);
        assert_eq!((map.drops[0], map.drops[PLANE[0] * PLANE[1] - 1]), (2.0, 0.0));
        assert!(OcclusionGrid::new(PLANE, [1.0, 1.0], 60.0, 6.0).is_err());
        assert!(OcclusionGrid::new(PLANE, [1.0, 1.0], 12.0, 13.0).is_err());
        assert!(OcclusionGrid::new(PLANE, [1.0, 1.0], f64::NAN, 6.0).is_err());
    }

    #[test]
    fn drops_are_signed_and_finite() {
        assert!(logit_drop(0.9, 0.1) > 4.0 && logit_drop(0.1, 0.9) < -4.0);
        assert!(logit_drop(1.0, 0.0).is_finite());
    }
}
