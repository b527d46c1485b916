//! Random stacks against a naive oracle: every voxel of the slab sampled on its own, straight from the definition.

use bolus_preprocess::{Plan, ShortSeries, Spec};
use bolus_study::{Orientation, ReasonCode, SeriesGeometry};
use proptest::prelude::*;

/// Rounding of single precision at up to 3,000 HU, and a hundred-thousandth of the 4,095 HU between two slices: so near to a slice
/// the plan takes that slice alone.
const TOLERANCE_HU: f32 = 0.02 + 4095.0 * 1e-5;

/// A random axial stack.
#[derive(Debug, Clone)]
struct Stack {
    rows: usize,
    columns: usize,
    spacing: [f64; 2],
    gaps: Vec<f64>,
    flip: [bool; 3],
    seed: u64,
}

fn stacks() -> impl Strategy<Value = Stack> {
    let sizes = (1_usize..40, 1_usize..40, 0.4_f64..2.5, 0.4_f64..2.5);
    let gaps = prop::collection::vec(0.5_f64..9.0, 1..24);
    (sizes, gaps, any::<[bool; 3]>(), any::<u64>()).prop_map(|((rows, columns, y, x), gaps, flip, seed)| Stack {
        rows,
        columns,
        spacing: [y, x],
        gaps,
        flip,
        seed,
    })
}

impl Stack {
    /// HU of a source pixel: any deterministic texture does.
    fn hu(&self, slice: usize, y: usize, x: usize) -> f32 {
        let mixed = (slice as u64 * 7919 + y as u64 * 104_729 + x as u64 * 1_299_709).wrapping_add(self.seed);
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as f32 - 1024.0
    }

    fn along(&self) -> Vec<f64> {
        let mut positions = vec![-31.7];
        positions.extend(self.gaps.iter().scan(-31.7, |at, gap| {
            *at += gap;
            Some(*at)
        }));
        positions
    }

    fn geometry(&self) -> SeriesGeometry {
        let sign = |flip: bool| if flip { -1.0 } else { 1.0 };
        // Flipping both in-plane axes keeps the normal; a normal that points to the feet needs one flip more.
        let right = [sign(self.flip[0]), 0.0, 0.0];
        let back = [0.0, sign(self.flip[1]), 0.0];
        let along = self.along();
        SeriesGeometry {
            rows: self.rows,
            columns: self.columns,
            pixel_spacing_mm: self.spacing,
            orientation: Orientation { along_row: right, along_column: back },
            positions_mm: along.iter().map(|z| [0.0, 0.0, *z]).collect(),
            along_normal_mm: along,
            slice_spacing_mm: Some(median(&self.gaps)),
            slice_thickness_mm: None,
            gaps: 0,
            spacing_deviation_mm: 0.0,
            shear_deg: 0.0,
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

fn spec(short_series: ShortSeries) -> Spec {
    Spec {
        crop: [14, 21, 17],
        kept_slices: [3, 9],
        short_series,
        min_slices: 1,
        max_slice_spacing_mm: None,
        ..Spec::published_chest()
    }
}

/// Source index and weight pairs of a position along one axis; none outside.
fn linear(positions: &[f64], at: f64, half: f64) -> Option<[(usize, f64); 2]> {
    let last = positions.len() - 1;
    if at < positions[0] - half - 1e-9 || at > positions[last] + half + 1e-9 {
        return None;
    }
    let at = at.clamp(positions[0], positions[last]);
    let upper = positions.iter().position(|p| *p >= at).unwrap_or(last);
    let lower = if positions[upper] <= at { upper } else { upper - 1 };
    let gap = positions[upper] - positions[lower];
    let weight = if gap > 0.0 { (at - positions[lower]) / gap } else { 0.0 };
    Some([(lower, 1.0 - weight), (upper, weight)])
}

/// Taps of one in-plane axis for a voxel of the crop, in source order.
fn plane_axis(pixels: usize, spacing: f64, flipped: bool, crop: usize, voxel: usize) -> Option<[(usize, f64); 2]> {
    let resampled = (pixels as f64 * spacing).round() as i64;
    let index = resampled / 2 - (crop / 2) as i64 + voxel as i64;
    if !(0..resampled).contains(&index) {
        return None;
    }
    let centres: Vec<f64> = (0..pixels).map(|pixel| pixel as f64 * spacing).collect();
    let taps = linear(&centres, index as f64, spacing / 2.0)?;
    Some(taps.map(|(pixel, weight)| (if flipped { pixels - 1 - pixel } else { pixel }, weight)))
}

/// The slab, voxel by voxel; also how close any sample lies to the border where single and double precision may differ.
fn naive(stack: &Stack, spec: &Spec) -> Vec<f32> {
    let towards_head = stack.geometry().increases_cranially();
    let source = |ordinal: usize, depth: usize| if towards_head { ordinal } else { depth - 1 - ordinal };
    let mut z: Vec<f64> = stack.along();
    if !towards_head {
        z = z.iter().rev().map(|z| -z).collect();
    }
    let spacing = median(&stack.gaps);
    let depth = ((z[z.len() - 1] - z[0] + spacing) / 3.0).round().max(1.0) as i64;
    let [first, last] = spec.kept_slices.map(|slice| slice as i64);
    let crop_z = spec.crop[0] as i64;
    let (bottom, count) = match spec.short_series {
        ShortSeries::Pad => (depth - crop_z + first, last - first + 1),
        ShortSeries::Slide => {
            let skip = (crop_z - 1 - last).min(depth - (last - first + 1)).max(0);
            let count = (last - first + 1).min(depth);
            (depth - skip - count, count)
        }
    };
    let mut slab = Vec::new();
    for slice in bottom..bottom + count {
        let inside = (0..depth).contains(&slice);
        let along = inside.then(|| linear(&z, z[0] + slice as f64 * 3.0, spacing / 2.0)).flatten();
        // A sliding slab scores nothing that lies beyond the outer slices.
        if along.is_none() && spec.short_series == ShortSeries::Slide {
            continue;
        }
        for y in 0..spec.crop[1] {
            let rows = plane_axis(stack.rows, stack.spacing[0], stack.flip[1], spec.crop[1], y);
            for x in 0..spec.crop[2] {
                let columns = plane_axis(stack.columns, stack.spacing[1], stack.flip[0], spec.crop[2], x);
                // Out of the image in the plane is filling on every slice, and stays so between slices.
                let (Some(along), Some(rows), Some(columns)) = (along, rows, columns) else {
                    slab.push(spec.fill_hu);
                    continue;
                };
                let mut sum = 0.0;
                for (slice, wz) in along {
                    for (row, wy) in rows {
                        for (column, wx) in columns {
                            sum += wz * wy * wx * f64::from(stack.hu(source(slice, z.len()), row, column));
                        }
                    }
                }
                slab.push(sum as f32);
            }
        }
    }
    slab
}

fn planned(stack: &Stack, spec: &Spec) -> Vec<f32> {
    let plan = Plan::new(spec, &stack.geometry()).unwrap();
    let window = plan.window;
    let planes: Vec<Vec<f32>> = plan
        .sources
        .iter()
        .enumerate()
        .map(|(ordinal, source)| {
            let pixels = (window.y0..window.y1).flat_map(|y| (window.x0..window.x1).map(move |x| (y, x)));
            let hu: Vec<f32> = pixels.map(|(y, x)| stack.hu(*source, y, x)).collect();
            plan.resample_plane(ordinal, &hu)
        })
        .collect();
    plan.assemble(&planes).hu
}

fn assert_equals_the_oracle(stack: &Stack, spec: &Spec) {
    let (found, expected) = (planned(stack, spec), naive(stack, spec));
    assert_eq!(found.len(), expected.len());
    for (index, (a, b)) in found.iter().zip(&expected).enumerate() {
        assert!((a - b).abs() <= TOLERANCE_HU, "voxel {index}: {a} and {b}");
    }
}

/// Found by the property below: sample positions all but on a slice.
#[test]
fn a_stack_of_uneven_gaps_equals_the_naive_oracle() {
    let gaps = [
        5.934560484646714,
        5.950432145685786,
        4.108127429988383,
        1.0341809011082153,
        6.42113437913255,
        5.045476853103766,
        1.8119907440630554,
        2.9626843593138137,
        5.7314513347558735,
        6.688809808414978,
        5.749617046405509,
    ];
    let spacing = [2.3347967763045614, 0.4];
    let stack = Stack { rows: 3, columns: 20, spacing, gaps: gaps.to_vec(), flip: [false; 3], seed: 0 };
    assert_equals_the_oracle(&stack, &spec(ShortSeries::Slide));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn slabs_equal_the_naive_oracle(stack in stacks(), pad in any::<bool>()) {
        let spec = spec(if pad { ShortSeries::Pad } else { ShortSeries::Slide });
        prop_assume!(Plan::new(&spec, &stack.geometry()).is_ok());
        assert_equals_the_oracle(&stack, &spec);
    }

    #[test]
    fn both_rules_for_short_series_agree_where_the_series_fills_the_slab(stack in stacks()) {
        let depth: f64 = stack.gaps.iter().sum();
        prop_assume!(depth / 3.0 > 14.0);
        let (pad, slide) = (spec(ShortSeries::Pad), spec(ShortSeries::Slide));
        prop_assume!(Plan::new(&pad, &stack.geometry()).is_ok());
        prop_assert_eq!(planned(&stack, &pad), planned(&stack, &slide));
    }
}

/// A stack that gantry tilt has sheared: the same object on every slice, moved in the plane by the slice's offset.
#[test]
fn a_sheared_stack_is_sheared_back() {
    let (rows, columns, shear_mm) = (60, 40, 1.5);
    let bright = |position_mm: f64| if (20.0..24.0).contains(&position_mm) { 300.0 } else { 0.0 };
    let depth = 9;
    let positions: Vec<[f64; 3]> = (0..depth).map(|z| [0.0, -shear_mm * f64::from(z), 3.0 * f64::from(z)]).collect();
    let geometry = SeriesGeometry {
        rows,
        columns,
        pixel_spacing_mm: [0.5, 0.5],
        orientation: Orientation { along_row: [1.0, 0.0, 0.0], along_column: [0.0, 1.0, 0.0] },
        along_normal_mm: positions.iter().map(|p| p[2]).collect(),
        slice_spacing_mm: Some(3.0),
        slice_thickness_mm: None,
        gaps: 0,
        spacing_deviation_mm: 0.0,
        shear_deg: (shear_mm / 3.0_f64).atan().to_degrees(),
        positions_mm: positions.clone(),
    };
    let spec = Spec { crop: [9, 16, 16], kept_slices: [0, 8], min_slices: 1, ..Spec::published_chest() };
    let plan = Plan::new(&spec, &geometry).unwrap();
    let planes: Vec<Vec<f32>> = plan
        .sources
        .iter()
        .enumerate()
        .map(|(ordinal, source)| {
            // Row y of this slice lies at the corner's y plus y times the spacing; the object does not move.
            let corner = positions[*source][1] + 6.0;
            let hu = (plan.window.y0..plan.window.y1).flat_map(|y| {
                let value = bright(corner + y as f64 * 0.5 + 6.0);
                std::iter::repeat_n(value, plan.window.width())
            });
            plan.resample_plane(ordinal, &hu.collect::<Vec<f32>>())
        })
        .collect();
    assert_eq!(planes.len(), depth as usize);
    for plane in &planes {
        assert_eq!(plane, &planes[depth as usize / 2], "the object stays in place from slice to slice");
    }
    let refusing = Spec { gantry_tilt: bolus_preprocess::GantryTilt::Refuse, ..spec };
    assert_eq!(Plan::new(&refusing, &geometry).unwrap_err().code, ReasonCode::GantryTilt);
}

/// The geometry of upright slices at these heights.
fn upright(along_normal_mm: Vec<f64>, thickness_mm: f64) -> SeriesGeometry {
    let mut steps: Vec<f64> = along_normal_mm.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_by(f64::total_cmp);
    SeriesGeometry {
        rows: 40,
        columns: 40,
        pixel_spacing_mm: [4.0, 4.0],
        orientation: Orientation { along_row: [1.0, 0.0, 0.0], along_column: [0.0, 1.0, 0.0] },
        positions_mm: along_normal_mm.iter().map(|z| [0.0, 0.0, *z]).collect(),
        along_normal_mm,
        slice_spacing_mm: steps.get(steps.len() / 2).copied(),
        slice_thickness_mm: Some(thickness_mm),
        gaps: 0,
        spacing_deviation_mm: 0.0,
        shear_deg: 0.0,
    }
}

/// Every scored position lies on a slice, or between two that are near each other: nothing is made up in a gap.
#[test]
fn gaps_are_not_bridged_and_coverage_tells_them() {
    let spec = spec(ShortSeries::Slide);
    let plan = |along: Vec<f64>| Plan::new(&spec, &upright(along, 5.0)).unwrap();
    let near = |plan: &Plan, along: &[f64], reach: f64| {
        plan.outputs.iter().all(|output| along.iter().any(|z| (z - output.z_mm).abs() <= reach))
    };
    let single = plan(vec![7.0]);
    assert_eq!((single.sources.len(), single.outputs.len()), (1, 1), "{single:?}");
    let wide: Vec<f64> = (0..8).map(|slice| f64::from(slice) * 16.0).collect();
    let plan_wide = plan(wide.clone());
    // Beyond the ends half a step that may be bridged.
    assert!(near(&plan_wide, &wide, 6.25) && plan_wide.coverage() < 0.5, "{plan_wide:?}");
    assert!(plan_wide.outputs.iter().all(|output| output.blend.is_some_and(|blend| blend.lower == blend.upper)));
    let mut gap: Vec<f64> = (0..20).map(|slice| f64::from(slice) * 3.0).collect();
    gap.drain(8..14);
    let plan_gap = plan(gap.clone());
    assert!(near(&plan_gap, &gap, 1.5) && (0.1..1.0).contains(&plan_gap.coverage()), "{}", plan_gap.coverage());
    let whole = plan((0..20).map(|slice| f64::from(slice) * 5.0).collect());
    assert_eq!(whole.coverage(), 1.0);
}

/// A slice of 5 mm reaches into a second position of a grid of 3 mm, but lies too far from it: what is scored moves to the slice.
#[test]
fn a_slice_beside_what_is_scored_is_scored_all_the_same() {
    let spec = Spec { crop: [1, 8, 8], kept_slices: [0, 0], min_slices: 1, ..spec(ShortSeries::Slide) };
    for thickness_mm in [3.0, 5.0] {
        let plan = Plan::new(&spec, &upright(vec![4.7], thickness_mm)).unwrap();
        assert_eq!((plan.outputs.len(), plan.outputs[0].z_mm, plan.coverage()), (1, 4.7, 1.0));
    }
}

proptest! {
    /// However far apart slices are, some are scored, each on a slice or between near ones, and the coverage tells how little that is.
    #[test]
    fn slices_far_apart_are_scored_where_they_lie(
        clusters in prop::collection::vec((13.0_f64..900.0, 1_usize..6, 1.0_f64..12.0), 1..6),
        pad in any::<bool>(),
    ) {
        let mut along = Vec::new();
        let mut at = 0.0;
        for (gap, slices, step) in clusters {
            at += gap;
            along.extend((0..slices).map(|slice| at + step * slice as f64));
            at += step * slices as f64;
        }
        let short = if pad { ShortSeries::Pad } else { ShortSeries::Slide };
        let spec = Spec { crop: [140, 192, 192], kept_slices: [50, 119], ..spec(short) };
        let plan = Plan::new(&spec, &upright(along.clone(), 5.0)).unwrap();
        prop_assert!(!plan.outputs.is_empty() && plan.planned == 70 || plan.planned < 70 && !pad);
        prop_assert!(plan.coverage() > 0.0 && plan.coverage() <= 1.0);
        let (first, last) = (along[0], along[along.len() - 1]);
        let inside = plan.outputs.iter().filter(|output| (first..=last).contains(&output.z_mm));
        for output in inside {
            prop_assert!(along.iter().any(|z| (z - output.z_mm).abs() <= 6.25), "{} of {:?}", output.z_mm, along);
        }
    }
}
