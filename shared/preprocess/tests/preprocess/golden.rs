//! Synthetic stacks against tensors that an independent NumPy implementation of `schemas/bundle.md` made in double precision
//! (`tests/golden/make_golden.py`): flips, oblique planes, uneven spacing, small images, both rules for short series.

use std::io::Read;
use std::path::{Path, PathBuf};

use bolus_preprocess::{Plan, ShortSeries, Spec};
use bolus_study::{Orientation, PixelWindow, SeriesGeometry};
use serde_json::Value;

/// Single against double precision, and the golden values' own step of 1/65535.
const TOLERANCE: f32 = 1e-4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap()
}

fn numbers<const N: usize>(value: &Value) -> [f64; N] {
    let list: Vec<f64> = value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect();
    list.try_into().unwrap()
}

fn spec(golden: &Value) -> Spec {
    let spec = &golden["spec"];
    Spec {
        spacing_mm: numbers(&spec["spacing_mm"]),
        crop: numbers::<3>(&spec["crop"]).map(|edge| edge as usize),
        kept_slices: numbers::<2>(&spec["kept_slices"]).map(|slice| slice as usize),
        short_series: if spec["short_series"] == "pad" { ShortSeries::Pad } else { ShortSeries::Slide },
        min_slices: 1,
        axial_tolerance_deg: 60.0,
        max_slice_spacing_mm: None,
        ..Spec::published_chest()
    }
}

/// A slice of the input: its position along the normal, its corner, and its HU.
struct InputSlice {
    along: f64,
    position: [f64; 3],
    hu: Vec<f32>,
}

fn slices(input: &Value, normal: [f64; 3], fill_hu: f32) -> Vec<InputSlice> {
    let mut slices: Vec<InputSlice> = input["slices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|slice| {
            let position: [f64; 3] = numbers(&slice["position"]);
            let (slope, intercept) = (slice["slope"].as_f64().unwrap(), slice["intercept"].as_f64().unwrap());
            let hu = slice["stored"].as_array().unwrap().iter().map(|stored| {
                let [first, last]: [f64; 2] = numbers(&slice["padding"]);
                let padded = (first..=last).contains(&stored.as_f64().unwrap());
                if padded { fill_hu } else { (stored.as_f64().unwrap() * slope + intercept) as f32 }
            });
            let along = position.iter().zip(normal).map(|(p, n)| p * n).sum();
            InputSlice { along, position, hu: hu.collect() }
        })
        .collect();
    slices.sort_by(|a, b| a.along.total_cmp(&b.along));
    slices
}

fn check(name: &str) {
    let golden = json(&format!("{name}.json"));
    let input = json(&format!("{name}.input.json"));
    let spec = spec(&golden);
    let first = &input["slices"][0];
    let cosines: [f64; 6] = numbers(&first["orientation"]);
    let orientation = Orientation {
        along_row: [cosines[0], cosines[1], cosines[2]],
        along_column: [cosines[3], cosines[4], cosines[5]],
    };
    let slices = slices(&input, orientation.normal(), spec.fill_hu);
    let mut gaps: Vec<f64> = slices.windows(2).map(|pair| pair[1].along - pair[0].along).collect();
    gaps.sort_by(f64::total_cmp);
    let middle = gaps.len() / 2;
    let median = if gaps.len() % 2 == 1 { gaps[middle] } else { (gaps[middle - 1] + gaps[middle]) / 2.0 };
    let geometry = SeriesGeometry {
        rows: first["rows"].as_u64().unwrap() as usize,
        columns: first["columns"].as_u64().unwrap() as usize,
        pixel_spacing_mm: numbers(&first["pixel_spacing"]),
        orientation,
        positions_mm: slices.iter().map(|slice| slice.position).collect(),
        along_normal_mm: slices.iter().map(|slice| slice.along).collect(),
        slice_spacing_mm: Some(median),
        slice_thickness_mm: None,
        gaps: 0,
        spacing_deviation_mm: 0.0,
        shear_deg: 0.0,
    };
    let plan = Plan::new(&spec, &geometry).unwrap();
    let window = |hu: &[f32]| -> Vec<f32> {
        let PixelWindow { y0, y1, x0, x1 } = plan.window;
        (y0..y1).flat_map(|y| hu[y * geometry.columns + x0..y * geometry.columns + x1].to_vec()).collect()
    };
    let planes: Vec<Vec<f32>> = plan
        .sources
        .iter()
        .enumerate()
        .map(|(ordinal, source)| plan.resample_plane(ordinal, &window(&slices[*source].hu)))
        .collect();
    let tensor = plan.assemble(&planes).into_tensor(&spec);
    let expected = expected(name);
    assert_eq!(tensor.data.len(), expected.len(), "{name}: shape");
    let worst = tensor.data.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= TOLERANCE, "{name}: largest difference {worst}");
    for (output, z) in plan.outputs.iter().zip(golden["positions_mm"].as_array().unwrap()) {
        assert!((output.z_mm - z.as_f64().unwrap()).abs() < 1e-4, "{name}: slice at {} and {z}", output.z_mm);
    }
}

fn expected(name: &str) -> Vec<f32> {
    let file = std::fs::File::open(folder().join(format!("{name}.u16.gz"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes.as_chunks::<2>().0.iter().map(|pair| f32::from(u16::from_le_bytes(*pair)) / 65535.0).collect()
}

#[test]
fn synthetic_stacks_equal_the_independent_implementation() {
    for name in ["synthetic-prone-oblique-pad", "synthetic-mirrored-slide", "synthetic-short-slide"] {
        check(name);
    }
}
