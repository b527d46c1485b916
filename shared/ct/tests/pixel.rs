//! Pixel data of real files against the values that independent decoders agree on.
#![allow(clippy::unwrap_used)] // Helpers of tests: a panic is a failed test.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use bolus_ct::pixel::{decode_window_hu, frame_byte_range, stored_digest, stored_values};
use bolus_ct::{HeaderRead, Instance, read_header};
use bolus_study::{PixelWindow, Reason, ReasonCode};
use proptest::prelude::*;

const AIR_HU: f32 = -1024.0;

/// The folders of real files that are present; the larger one is not part of the repository.
fn folders() -> Vec<PathBuf> {
    [bolus_testkit::real_data()].into_iter().chain(bolus_testkit::shared("data")).collect()
}

/// The rows of a manifest, by column name.
fn manifest(folder: &Path) -> Vec<HashMap<String, String>> {
    let text = fs::read_to_string(folder.join("manifest.csv")).unwrap();
    let mut lines = text.lines().map(split_csv);
    let names = lines.next().unwrap();
    lines.map(|fields| names.iter().cloned().zip(fields).collect()).collect()
}

fn split_csv(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().unwrap().push(other),
        }
    }
    fields
}

fn header(file: &[u8]) -> Result<Instance, Reason> {
    match read_header(file, file.len() as u64)? {
        HeaderRead::Instance(instance) => Ok(*instance),
        HeaderRead::NeedMore { .. } => panic!("asked for more than the whole file"),
    }
}

/// Every file of the manifests that has pixel data which an independent decoder reads.
fn decodable() -> Vec<(HashMap<String, String>, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in folders() {
        for row in manifest(&folder) {
            if !row["pixel_sha256"].is_empty() {
                let file = fs::read(folder.join(&row["path"])).unwrap();
                files.push((row, file));
            }
        }
    }
    files
}

#[test]
fn stored_values_equal_the_manifest() {
    let mut compared = 0;
    let mut wrong = Vec::new();
    for (row, file) in decodable() {
        if row["lossy"] == "yes" {
            continue;
        }
        compared += 1;
        let digest = header(&file).and_then(|instance| stored_digest(&file, &instance));
        if digest.as_ref() != Ok(&row["pixel_sha256"]) {
            wrong.push(format!("{}: {digest:?}", row["path"]));
        }
    }
    assert!(compared >= 90, "{compared} files compared");
    assert!(wrong.is_empty(), "{} of {compared} wrong: {wrong:#?}", wrong.len());
}

#[test]
fn shape_and_type_equal_the_manifest() {
    for (row, file) in decodable() {
        let pixels = stored_values(&file, &header(&file).unwrap()).unwrap();
        let shape: Vec<String> = pixels.shape.iter().map(ToString::to_string).collect();
        assert_eq!((pixels.dtype, shape.join("x")), (row["array_dtype"].as_str(), row["array_shape"].clone()));
    }
}

/// Lossy codecs may differ by rounding: one step of the stored values in the extremes, a twentieth in the mean.
#[test]
fn lossy_values_are_close_to_the_manifest() {
    let mut compared = 0;
    for (row, file) in decodable() {
        if row["lossy"] != "yes" {
            continue;
        }
        compared += 1;
        let instance = header(&file).unwrap();
        let format = instance.format.clone().unwrap();
        let slope: f64 = row["RescaleSlope"].parse().unwrap_or(1.0);
        let intercept: f64 = row["RescaleIntercept"].parse().unwrap_or(0.0);
        let stored =
            signed_values(&stored_values(&file, &instance).unwrap().bytes, format.bits_allocated, format.signed);
        let rescaled: Vec<f64> = stored.iter().map(|value| *value as f64 * slope + intercept).collect();
        let expected = |name: &str| row[name].parse::<f64>().unwrap();
        let least = rescaled.iter().copied().fold(f64::INFINITY, f64::min);
        let most = rescaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = rescaled.iter().sum::<f64>() / rescaled.len() as f64;
        let path = &row["path"];
        assert!((least - expected("rescaled_min")).abs() <= slope, "{path}: least {least}");
        assert!((most - expected("rescaled_max")).abs() <= slope, "{path}: most {most}");
        assert!((mean - expected("rescaled_mean")).abs() <= slope / 20.0, "{path}: mean {mean}");
    }
    assert!(compared >= 6, "{compared} files compared");
}

fn signed_values(bytes: &[u8], bits_allocated: u16, signed: bool) -> Vec<i64> {
    let width = usize::from(bits_allocated.div_ceil(8));
    let value = |cell: &[u8]| {
        let bits = cell.iter().rev().fold(0i64, |sum, byte| sum << 8 | i64::from(*byte));
        let unused = 64 - 8 * width;
        if signed { bits << unused >> unused } else { bits }
    };
    bytes.chunks_exact(width).map(value).collect()
}

fn windows(rows: usize, columns: usize) -> [PixelWindow; 4] {
    [
        PixelWindow::whole(rows, columns),
        PixelWindow { y0: rows / 4, y1: rows - rows / 5, x0: columns / 4, x1: columns - columns / 5 },
        PixelWindow { y0: 0, y1: 1, x0: columns - 1, x1: columns },
        PixelWindow { y0: rows - 3.min(rows), y1: rows, x0: 1, x1: columns / 2 + 1 },
    ]
}

/// HU of a window, from the bytes of its range alone.
fn window_hu(file: &[u8], instance: &Instance, frame: usize, window: PixelWindow) -> Result<Vec<f32>, Reason> {
    let range = frame_byte_range(instance, frame, window, file.len() as u64);
    let bytes = &file[range.start as usize..range.end as usize];
    let mut out = Vec::new();
    decode_window_hu(instance, frame, window, bytes, range.start, AIR_HU, &mut out)?;
    Ok(out)
}

#[test]
fn windows_in_hu_equal_rescaled_stored_values() {
    let mut compared = 0;
    for (row, file) in decodable() {
        let mut instance = header(&file).unwrap();
        let format = instance.format.clone().unwrap();
        if format.samples_per_pixel != 1 {
            continue;
        }
        compared += 1;
        for frame in &mut instance.frames {
            frame.rescale_slope.get_or_insert(1.0);
            frame.rescale_intercept.get_or_insert(0.0);
        }
        let stored =
            signed_values(&stored_values(&file, &instance).unwrap().bytes, format.bits_allocated, format.signed);
        for frame in [0, format.frames - 1] {
            let info = &instance.frames[frame];
            let (slope, intercept) = (info.rescale_slope.unwrap(), info.rescale_intercept.unwrap());
            let stored = &stored[frame * format.rows * format.columns..];
            for window in windows(format.rows, format.columns) {
                let found = window_hu(&file, &instance, frame, window).unwrap();
                let expected = (window.y0..window.y1)
                    .flat_map(|y| (window.x0..window.x1).map(move |x| stored[y * format.columns + x]));
                let expected: Vec<f32> = expected
                    .map(|value| {
                        let low = i64::from(format.padding.unwrap_or(i32::MAX));
                        let high = i64::from(format.padding_limit.or(format.padding).unwrap_or(i32::MAX));
                        let padding = format.padding.is_some() && value >= low.min(high) && value <= low.max(high);
                        if padding { AIR_HU } else { (value as f64 * slope + intercept) as f32 }
                    })
                    .collect();
                assert!(found == expected, "{} frame {frame} {window:?}", row["path"]);
            }
        }
    }
    assert!(compared >= 90, "{compared} files compared");
}

#[test]
fn native_windows_read_their_rows_alone() {
    let file = fs::read(bolus_testkit::real_data().join("enhanced/eCT_Supplemental.dcm")).unwrap();
    let instance = header(&file).unwrap();
    let window = PixelWindow { y0: 10, y1: 14, x0: 100, x1: 200 };
    let range = frame_byte_range(&instance, 1, window, file.len() as u64);
    assert_eq!(range.end - range.start, 4 * 512 * 2);
    assert_eq!(range.start, instance.pixels.unwrap().offset + (512 + 10) * 512 * 2);
}

fn refusal(name: &str) -> ReasonCode {
    let file = fs::read(bolus_testkit::real_data().join(name)).unwrap();
    let refused = header(&file).and_then(|instance| stored_values(&file, &instance).map(|_| ()));
    refused.unwrap_err().code
}

#[test]
fn broken_files_have_reasons() {
    assert_eq!(refusal("derived-broken/CT_small-no-pixeldata.dcm"), ReasonCode::NoPixelData);
    assert!(matches!(refusal("derived-broken/CT_small-rows-65535.dcm"), ReasonCode::TooLarge | ReasonCode::Truncated));
    assert_eq!(refusal("derived-broken/CT_small-truncated-pixels.dcm"), ReasonCode::Truncated);
}

#[test]
fn sizes_and_lengths_that_lie_are_refused() {
    let file = fs::read(bolus_testkit::real_data().join("odd/CT_small.dcm")).unwrap();
    let instance = header(&file).unwrap();
    let with = |rows: usize, columns: usize, frames: usize| {
        let mut instance = instance.clone();
        let format = instance.format.as_mut().unwrap();
        (format.rows, format.columns, format.frames) = (rows, columns, frames);
        stored_values(&file, &instance).unwrap_err().code
    };
    assert_eq!(with(65535, 65535, 1), ReasonCode::TooLarge);
    assert_eq!(with(usize::MAX, usize::MAX, 1), ReasonCode::TooLarge);
    assert_eq!(with(129, 128, 1), ReasonCode::Truncated);
    assert_eq!(with(128, 128, 2), ReasonCode::Truncated);
    assert_eq!(with(128, 128, usize::MAX), ReasonCode::TooLarge);
    assert_eq!(with(0, 128, 1), ReasonCode::InconsistentAttribute);
}

#[test]
fn missing_rescale_and_outside_requests_are_refused() {
    let file = fs::read(bolus_testkit::real_data().join("derived-broken/CT_small-no-rescale.dcm")).unwrap();
    let instance = header(&file).unwrap();
    let code = |frame, window| window_hu(&file, &instance, frame, window).unwrap_err().code;
    let whole = PixelWindow::whole(128, 128);
    assert_eq!(code(0, whole), ReasonCode::MissingAttribute);
    assert_eq!(code(1, whole), ReasonCode::InconsistentAttribute);
    assert_eq!(code(0, PixelWindow::whole(129, 128)), ReasonCode::InconsistentAttribute);
    assert_eq!(code(0, PixelWindow { y0: 5, y1: 4, x0: 0, x1: 9 }), ReasonCode::InconsistentAttribute);
}

/// One small file of each codec.
const SMALL_FILES: [&str; 12] = [
    "odd/CT_small.dcm",
    "nonct/image_dfl.dcm",
    "nonct/liver_1frame.dcm",
    "enhanced/CT0012.not_fragmented_bot_jpeg_ls.80.dcm",
    "transfer-syntaxes/other/JPEGLSNearLossless_16.dcm",
    "transfer-syntaxes/other/693_J2KI.dcm",
    "transfer-syntaxes/other/HTJ2KLossless_08_RGB.dcm",
    "transfer-syntaxes/other/JPGLosslessP14SV1_1s_1f_8b.dcm",
    "transfer-syntaxes/ctimage/CTImage.dcm_JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50.dcm",
    "transfer-syntaxes/ctimage/CTImage.dcm_JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51.dcm",
    "transfer-syntaxes/ctimage/CTImage.dcm_JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55.dcm",
    "transfer-syntaxes/ctimage/CTImage.dcm_RLELosslessTransferSyntax_1.2.840.10008.1.2.5.dcm",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever becomes of the pixel data of a real file, decoding ends with values or a reason.
    #[test]
    fn damaged_pixel_data_never_panics(
        choice in 0..SMALL_FILES.len(),
        keep in 0.0..2.0f64,
        flips in prop::collection::vec((0.0..1.0f64, any::<u8>()), 0..6),
    ) {
        let mut file = fs::read(bolus_testkit::real_data().join(SMALL_FILES[choice])).unwrap();
        let instance = header(&file).unwrap();
        let offset = instance.pixels.unwrap().offset as usize;
        let length = file.len() - offset;
        for (place, value) in flips {
            // Headers of codestreams sit at the start, so most damage goes there.
            file[offset + (length as f64 * place.powi(4)) as usize] = value;
        }
        file.truncate(offset + (length as f64 * keep.min(1.0)) as usize);
        let _ = stored_digest(&file, &instance);
        let format = instance.format.as_ref().unwrap();
        let _ = window_hu(&file, &instance, 0, windows(format.rows, format.columns)[1]);
    }
}
