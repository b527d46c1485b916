//! A window is the crop of the whole, for every codec and structure, on pixels; and what is coded without loss comes
//! back as it was.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write;

use bolus_study::PixelWindow;
use dicom_dictionary_std::uids;
use proptest::prelude::*;
use support::{Shape, check, fragments, jpeg, vectors, window_of};

/// A few windows of a frame, the whole and single pixels at the edges among them.
fn windows() -> impl Strategy<Value = [[f64; 4]; 3]> {
    let part = || prop_oneof![Just(0.0), 0.0..1.0f64, Just(1.0)];
    let one = move || [part(), part(), part(), part()];
    [one(), one(), one()]
}

fn shapes(bits: std::ops::RangeInclusive<u32>, longest: usize) -> impl Strategy<Value = Shape> {
    (1..longest, 1..longest, bits, any::<bool>())
        .prop_map(|(rows, columns, bits, signed)| Shape::gray(rows, columns, bits, signed))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn jpeg_lossless(shape in shapes(2..=16, 60), predictor in 1..8i32, restart_rows in 0..4i32, parts in windows(), pieces in 1..4usize) {
        let shape = Shape { signed: false, ..shape };
        let values = shape.picture();
        let structure = jpeg::Structure { lossless: Some([predictor, 0]), progressive: false, arithmetic: false, restart_rows };
        let coded = jpeg::encode(shape, &values, structure).unwrap();
        let file = shape.encapsulated(uids::JPEG_LOSSLESS, fragments(&coded, pieces));
        check(&file, shape, Some(&values), &parts.map(|part| window_of(shape, part)), &format!("{shape:?} {structure:?}"));
    }

    #[test]
    fn jpeg_lossy(
        shape in shapes(8..=8, 90),
        twelve in any::<bool>(),
        progressive in any::<bool>(),
        restart_rows in 0..4i32,
        parts in windows(),
        pieces in 1..4usize,
    ) {
        let shape = Shape { signed: false, bits: if twelve { 12 } else { 8 }, ..shape };
        let structure = jpeg::Structure { lossless: None, progressive, arithmetic: false, restart_rows };
        let coded = jpeg::encode(shape, &shape.picture(), structure).unwrap();
        let file = shape.encapsulated(uids::JPEG_EXTENDED12_BIT, fragments(&coded, pieces));
        check(&file, shape, None, &parts.map(|part| window_of(shape, part)), &format!("{shape:?} {structure:?}"));
    }

    #[test]
    fn jpeg_ls(shape in shapes(8..=16, 60), near in 0..4i32, parts in windows(), pieces in 1..4usize) {
        // Near-lossless coding of two's complement would err around the wrap.
        let shape = Shape { signed: shape.signed && near == 0, ..shape };
        let values = shape.picture();
        let coded = jpeg::encode_ls(shape, &values, near);
        let file = shape.encapsulated(uids::JPEGLS_NEAR_LOSSLESS, fragments(&coded, pieces));
        let expected = (near == 0).then_some(values.as_slice());
        check(&file, shape, expected, &parts.map(|part| window_of(shape, part)), &format!("{shape:?} {near}"));
    }

    #[test]
    fn rle(shape in shapes(2..=16, 60), samples in prop_oneof![Just(1usize), Just(3)], parts in windows()) {
        let shape = Shape { samples, ..shape };
        let values = shape.picture();
        let file = shape.encapsulated(uids::RLE_LOSSLESS, vec![jpeg::encode_rle(shape, &values)]);
        check(&file, shape, Some(&values), &parts.map(|part| window_of(shape, part)), &format!("{shape:?}"));
    }

    #[test]
    fn native_and_deflated(shape in shapes(2..=16, 60), parts in windows()) {
        let values = shape.picture();
        let parts = parts.map(|part| window_of(shape, part));
        let plain = [uids::IMPLICIT_VR_LITTLE_ENDIAN, uids::EXPLICIT_VR_LITTLE_ENDIAN];
        for syntax in plain.into_iter().chain([uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN]) {
            check(&shape.native(syntax, &values), shape, Some(&values), &parts, syntax);
        }
        if shape.bits_allocated() == 16 {
            let syntax = "1.2.840.10008.1.2.2";
            check(&shape.native(syntax, &values), shape, Some(&values), &parts, syntax);
        }
        let mut cells = shape.cells(&values);
        cells.resize(cells.len().next_multiple_of(2), 0);
        let file = shape.encapsulated("1.2.840.10008.1.2.1.98", vec![cells.clone()]);
        check(&file, shape, Some(&values), &parts, "encapsulated uncompressed");
        let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        deflated.write_all(&cells).unwrap();
        let file = shape.encapsulated("1.2.840.10008.1.2.8.1", vec![deflated.finish().unwrap()]);
        check(&file, shape, Some(&values), &parts, "deflated frame");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// JPEG 2000, High-Throughput JPEG 2000 and JPEG XL as other encoders wrote it: see `vectors/make.py`.
    #[test]
    fn pictures_of_other_encoders(parts in windows(), pieces in 1..4usize) {
        let vectors = vectors();
        prop_assert!(vectors.len() >= 30, "{} vectors", vectors.len());
        for (name, shape, coded) in vectors {
            let syntax = match name.rsplit('.').next() {
                Some("jph") => uids::HTJ2K,
                Some("jxl") => uids::JPEGXL,
                _ => uids::JPEG2000,
            };
            let values = shape.picture();
            let file = shape.encapsulated(syntax, fragments(&coded, pieces));
            let expected = (!name.contains("lossy")).then_some(values.as_slice());
            check(&file, shape, expected, &parts.map(|part| window_of(shape, part)), &name);
        }
    }
}

#[test]
fn colour_comes_back_too() {
    let shape = Shape { samples: 3, ..Shape::gray(70, 90, 8, false) };
    let values = shape.picture();
    let whole = PixelWindow::whole(70, 90);
    // CharLS codes a scan for each component, and takes planes.
    let planes: Vec<i32> = (0..3).flat_map(|sample| values.iter().skip(sample).step_by(3).copied()).collect();
    let coded = jpeg::encode_ls(shape, &planes, 0);
    check(&shape.encapsulated(uids::JPEGLS_LOSSLESS, vec![coded]), shape, Some(&values), &[whole], "JPEG-LS");
}
