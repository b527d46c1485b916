use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bolus_study::{Reason, ReasonCode};
use dicom_dictionary_std::uids;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::Instance;
use crate::data_set::is_long_vr;

pub(super) fn test_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data")
}

pub(crate) fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_under(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// Reads as a caller with ranged reads does, and says how many reads it took.
pub(super) fn read_ranged(bytes: &[u8]) -> (Result<Instance, Reason>, usize) {
    let mut length = (FIRST_READ_BYTES as usize).min(bytes.len());
    for reads in 1..40 {
        match read_header(&bytes[..length], bytes.len() as u64) {
            Ok(HeaderRead::Instance(instance)) => return (Ok(*instance), reads),
            Ok(HeaderRead::NeedMore { bytes: more }) => {
                assert!(more > length as u64 && more <= bytes.len() as u64);
                length = more as usize;
            }
            Err(reason) => return (Err(reason), reads),
        }
    }
    panic!("the reads do not end");
}

/// One row of the manifest, by column name.
type Row = BTreeMap<String, String>;

fn manifest(folder: &Path) -> Vec<Row> {
    let text = fs::read_to_string(folder.join("manifest.csv")).unwrap();
    let mut rows = csv_rows(&text).into_iter();
    let header = rows.next().unwrap();
    rows.map(|row| header.iter().cloned().zip(row).collect()).collect()
}

fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            '\r' => {}
            other => field.push(other),
        }
    }
    rows
}

fn numbers(text: &str) -> Vec<f64> {
    text.split('\\').filter_map(|part| part.trim().parse().ok()).collect()
}

fn assert_close(path: &str, what: &str, found: &[f64], expected: &[f64]) {
    let close = found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3);
    assert!(close, "{path}: {what} {found:?}, expected {expected:?}");
}

/// Compares an instance with its row; empty cells say nothing.
fn check_row(path: &str, row: &Row, instance: &Instance) {
    let text = |found: &Option<String>, column: &str| {
        if !row[column].is_empty() {
            assert_eq!(found.as_deref(), Some(row[column].as_str()), "{path}: {column}");
        }
    };
    text(&instance.sop_class_uid, "SOPClassUID");
    text(&instance.modality, "Modality");
    text(&Some(instance.transfer_syntax_uid.clone()), "TransferSyntaxUID");
    let series = bolus_study::SeriesUid::of_data(&row["SeriesInstanceUID"]);
    assert_eq!(instance.series_uid, series, "{path}: SeriesInstanceUID");
    let frame = &instance.frames[0];
    if let Some(format) = &instance.format {
        for (found, column) in [
            (format.rows, "Rows"),
            (format.columns, "Columns"),
            (format.frames, "NumberOfFrames"),
            (usize::from(format.bits_stored), "BitsStored"),
            (usize::from(format.signed), "PixelRepresentation"),
        ] {
            if !row[column].is_empty() {
                assert_eq!(found.to_string(), row[column], "{path}: {column}");
            }
        }
        if !row["PixelPaddingValue"].is_empty() {
            assert_eq!(
                format.padding.map(|value| value.to_string()).as_ref(),
                Some(&row["PixelPaddingValue"]),
                "{path}"
            );
        }
    }
    for (found, column) in [
        (frame.rescale_slope, "RescaleSlope"),
        (frame.rescale_intercept, "RescaleIntercept"),
        (frame.slice_thickness_mm, "SliceThickness"),
        (frame.position_mm.map(|p| p[2]), "z_position"),
    ] {
        let expected = numbers(&row[column]);
        // Several frames without functional groups share no position.
        let unplaced = column == "z_position" && instance.frames.len() > 1;
        if !expected.is_empty() && !unplaced {
            assert_close(path, column, found.as_slice(), &expected);
        }
    }
    // The manifest does not look into functional groups.
    let spacing = numbers(&row["PixelSpacing"]);
    if spacing.len() == 2 {
        assert_close(path, "PixelSpacing", frame.pixel_spacing_mm.as_ref().map_or(&[], |found| found), &spacing);
    }
    let expected = numbers(&row["ImageOrientationPatient"]);
    if expected.len() == 6 {
        let orientation = frame.orientation.unwrap();
        assert_close(path, "orientation", &[orientation.along_row, orientation.along_column].concat(), &expected);
    }
}

/// The pixels at the stated place of uncompressed little endian files are the manifest's.
fn check_pixels(row: &Row, instance: &Instance, bytes: &[u8]) -> bool {
    let native = [uids::IMPLICIT_VR_LITTLE_ENDIAN, uids::EXPLICIT_VR_LITTLE_ENDIAN];
    let (Some(pixels), Some(format)) = (&instance.pixels, &instance.format) else { return false };
    let plain = format.bits_allocated == 16 && format.samples_per_pixel == 1;
    if row["pixel_sha256"].is_empty() || !plain || !native.contains(&instance.transfer_syntax_uid.as_str()) {
        return false;
    }
    let start = pixels.offset as usize;
    let length = format.rows * format.columns * format.frames * 2;
    let digest = hex::encode(Sha256::digest(&bytes[start..start + length]));
    assert_eq!(digest, row["pixel_sha256"], "{}", row["path"]);
    true
}

#[test]
fn whole_corpus_agrees_with_its_manifest() {
    let Some(folder) = bolus_testkit::shared("data") else { return };
    let (mut one_read, mut hashed, mut refused) = (0, 0, BTreeMap::new());
    let rows = manifest(&folder);
    for row in &rows {
        let path = &row["path"];
        let bytes = fs::read(folder.join(path)).unwrap();
        let (result, reads) = read_ranged(&bytes);
        one_read += usize::from(reads == 1);
        match result {
            Ok(instance) => {
                check_row(path, row, &instance);
                hashed += usize::from(check_pixels(row, &instance, &bytes));
            }
            Err(reason) => {
                refused.insert(path.clone(), reason.code);
            }
        }
    }
    println!("{} files, {one_read} in one read, {hashed} hashed, refused: {refused:#?}", rows.len());
    assert!(hashed > 150);
}

#[test]
fn every_prefix_of_every_file_is_taken() {
    for path in files_under(&test_data()) {
        let bytes = fs::read(&path).unwrap();
        let whole = read_header(&bytes, bytes.len() as u64);
        assert!(!matches!(whole, Ok(HeaderRead::NeedMore { .. })), "{path:?}");
        for length in (0..bytes.len().min(4096)).step_by(61) {
            match read_header(&bytes[..length], bytes.len() as u64) {
                Ok(HeaderRead::NeedMore { bytes: more }) => assert!(more > length as u64, "{path:?}"),
                Ok(HeaderRead::Instance(_)) => assert!(whole.is_ok(), "{path:?}"),
                Err(reason) => assert_eq!(Err(reason), whole, "{path:?} cut at {length}"),
            }
        }
        assert_eq!(read_ranged(&bytes).0.is_ok(), whole.is_ok(), "{path:?}");
    }
}

#[test]
fn what_is_not_dicom_is_named() {
    let zip = [b"PK\x03\x04".as_slice(), &[7; 400]].concat();
    let late_mark = [[1; 128].as_slice(), b"DICM", &[0x41; 40]].concat();
    for (bytes, code) in [
        (vec![], ReasonCode::EmptyFile),
        (b"hello".to_vec(), ReasonCode::NotDicom),
        (b"a text that is longer than the preamble and the mark of a file ".repeat(4), ReasonCode::NotDicom),
        (b"\x89PNG\r\n\x1a\n".repeat(40), ReasonCode::NotDicom),
        (zip, ReasonCode::NotDicom),
        (vec![0; 500], ReasonCode::NotDicom),
        (vec![8, 0, 5, 0, b'C', b'S', 10, 0], ReasonCode::NotDicom),
        (late_mark, ReasonCode::Truncated),
    ] {
        assert_eq!(read_ranged(&bytes).0.unwrap_err().code, code, "{bytes:?}");
    }
}

/// A file with preamble, the given transfer syntax and data set.
pub(crate) fn file_of(transfer_syntax: &str, sop_class: &str, data_set: &[u8]) -> Vec<u8> {
    let mut file = [[0; 128].as_slice(), b"DICM"].concat();
    file.extend(explicit(0x0002, 0x0002, b"UI", sop_class.as_bytes()));
    file.extend(explicit(0x0002, 0x0003, b"UI", b"1.2.3.4"));
    file.extend(explicit(0x0002, 0x0010, b"UI", transfer_syntax.as_bytes()));
    file.extend(data_set);
    file
}

pub(crate) fn explicit(group: u16, element: u16, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut bytes = [group.to_le_bytes(), element.to_le_bytes(), *vr].concat();
    if is_long_vr(*vr) {
        bytes.extend([0, 0]);
        bytes.extend((value.len() as u32).to_le_bytes());
    } else {
        bytes.extend((value.len() as u16).to_le_bytes());
    }
    bytes.extend(value);
    bytes
}

pub(super) fn small_image() -> Vec<u8> {
    let mut set = explicit(0x0008, 0x0016, b"UI", uids::CT_IMAGE_STORAGE.as_bytes());
    set.extend(explicit(0x0008, 0x0018, b"UI", b""));
    set.extend(explicit(0x0008, 0x0060, b"CS", b"CT"));
    set.extend(explicit(0x0020, 0x000D, b"UI", b""));
    for (element, value) in [(0x0002, 1_u16), (0x0010, 2), (0x0011, 2), (0x0100, 16), (0x0101, 12), (0x0103, 1)] {
        set.extend(explicit(0x0028, element, b"US", &value.to_le_bytes()));
    }
    set.extend(explicit(0x0028, 0x0004, b"CS", b"MONOCHROME2 "));
    set.extend(explicit(0x0028, 0x0120, b"US", &(-2000_i16).to_le_bytes()));
    set.extend(explicit(0x7FE0, 0x0010, b"OW", &[1, 2, 3, 4, 5, 6, 7, 8]));
    set
}

#[test]
fn a_media_directory_is_named() {
    let bytes = file_of(uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::MEDIA_STORAGE_DIRECTORY_STORAGE, &small_image());
    assert_eq!(read_ranged(&bytes).0.unwrap_err().code, ReasonCode::Dicomdir);
}

#[test]
fn plain_image_is_read_with_the_identity_of_its_file_meta_group() {
    let bytes = file_of(uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::CT_IMAGE_STORAGE, &small_image());
    let instance = read_ranged(&bytes).0.unwrap();
    assert_eq!(instance.sop_instance_uid.unwrap().as_str(), "1.2.3.4");
    assert_eq!(instance.study_uid, None);
    let format = instance.format.unwrap();
    assert_eq!((format.padding, format.high_bit, format.signed), (Some(-2000), 11, true));
    let pixels = instance.pixels.unwrap();
    assert_eq!((pixels.offset as usize, pixels.length), (bytes.len() - 8, Some(8)));
    let short = read_ranged(&bytes[..bytes.len() - 1]).0.unwrap_err();
    assert_eq!(short.code, ReasonCode::Truncated);
}

#[test]
fn deflated_image_is_read_with_its_place_in_the_inflated_data_set() {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, &small_image()).unwrap();
    let deflated = encoder.finish().unwrap();
    let bytes = file_of(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, uids::CT_IMAGE_STORAGE, &deflated);
    let start = bytes.len() - deflated.len();
    let half = read_header(&bytes[..start + 20], bytes.len() as u64).unwrap();
    assert_eq!(half, HeaderRead::NeedMore { bytes: bytes.len() as u64 });
    let instance = read_ranged(&bytes).0.unwrap();
    let pixels = instance.pixels.unwrap();
    assert_eq!(pixels.deflated, Some(start as u64));
    assert_eq!((pixels.offset as usize, pixels.length), (small_image().len() - 8, Some(8)));
    assert_eq!(instance.format.unwrap().rows, 2);
}

#[test]
fn large_private_element_costs_one_more_read() {
    let mut set = explicit(0x0008, 0x0060, b"CS", b"CT");
    set.extend(explicit(0x0009, 0x1010, b"OB", &vec![7; 300_000]));
    set.extend(small_image());
    let bytes = file_of(uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::CT_IMAGE_STORAGE, &set);
    let (result, reads) = read_ranged(&bytes);
    assert!(result.unwrap().pixels.is_some());
    assert!(reads <= 3);
}

#[test]
fn nesting_and_frame_counts_that_lie_are_bounded() {
    let mut deep = Vec::new();
    for _ in 0..10_000 {
        deep.extend([0x08, 0, 0x32, 0x10, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        deep.extend([0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    let bytes = file_of(uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::CT_IMAGE_STORAGE, &deep);
    assert_eq!(read_ranged(&bytes).0.unwrap_err().code, ReasonCode::TooLarge);
    let mut many = small_image();
    let at = many.len() - 20;
    many.splice(at..at, explicit(0x0028, 0x0008, b"IS", b"2000000000"));
    let bytes = file_of(uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::CT_IMAGE_STORAGE, &many);
    assert_eq!(read_ranged(&bytes).0.unwrap_err().code, ReasonCode::TooLarge);
}

/// Heads of real files: what mutations start from.
fn real_heads() -> Vec<Vec<u8>> {
    let heads = files_under(&test_data()).into_iter().map(|path| fs::read(path).unwrap());
    heads.map(|bytes| bytes.into_iter().take(40_000).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), extra in 0_u64..1000) {
        let _ = read_header(&bytes, bytes.len() as u64 + extra);
        let marked = [[0; 128].as_slice(), b"DICM", &bytes].concat();
        let _ = read_header(&marked, marked.len() as u64 + extra);
    }

    #[test]
    fn mutated_real_files_neither_panic_nor_ask_for_ever(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<prop::sample::Index>(),
    ) {
        thread_local!(static HEADS: Vec<Vec<u8>> = real_heads());
        let mut bytes = HEADS.with(|heads| which.get(heads).clone());
        for (at, value) in edits {
            if !bytes.is_empty() {
                let at = at.index(bytes.len().min(3000));
                bytes[at] = value;
            }
        }
        read_ranged(&bytes).0.ok();
        bytes.truncate(cut.index(bytes.len() + 1));
        read_ranged(&bytes).0.ok();
    }
}
