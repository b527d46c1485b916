//! Our decoders against those of dicom-rs (`dicom-pixeldata` and its transfer syntax registry), on every real file and on pictures
//! coded here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;

use bolus_ct::pixel::stored_values;
use bolus_ct::{HeaderRead, PixelFormat, read_header};
use bolus_testkit::with_own_meta;
use dicom_dictionary_std::uids;
use dicom_object::OpenFileOptions;
use dicom_pixeldata::PixelDecoder;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use support::{Shape, jpeg, jpeg2000, vectors};

/// Explicit VR big endian.
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
/// What is coded with loss; decoders round their own way, by so much at most.
const LOSSY: [(&str, u32); 2] = [(uids::JPEG_BASELINE8_BIT, 2), (uids::JPEG_EXTENDED12_BIT, 2)];

/// The DICOM files of the repository's collection, and of the larger one where it is.
fn files() -> Vec<PathBuf> {
    let mut found = support::files(&["data"]);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "dcm"));
    found
}

/// Transfer syntax, format and stored values by our decoders.
fn ours(file: &[u8]) -> Option<(String, PixelFormat, Vec<u8>)> {
    let HeaderRead::Instance(instance) = read_header(file, file.len() as u64).ok()? else { return None };
    let pixels = stored_values(file, &instance).ok()?;
    Some((instance.transfer_syntax_uid, instance.format?, pixels.bytes))
}

/// The same by dicom-pixeldata, which leaves bits beyond Bits Stored as they are.
fn theirs(file: &[u8], syntax: &str, format: &PixelFormat) -> Result<Vec<u8>, String> {
    let decoded = catch_unwind(|| {
        let read = |bytes: &[u8]| OpenFileOptions::new().from_reader(bytes).map_err(|error| error.to_string());
        let object = read(file).or_else(|error| read(&with_own_meta(file, syntax).ok_or(error)?))?;
        object.decode_pixel_data().map(|pixels| pixels.data().to_vec()).map_err(|error| error.to_string())
    });
    let mut cells = decoded.unwrap_or_else(|_| Err("panic".to_owned()))?;
    if format.bits_allocated == 16 {
        let unused = 16 - u32::from(format.bits_stored);
        for cell in cells.as_chunks_mut::<2>().0 {
            let bits = u16::from_le_bytes(*cell) << unused;
            *cell =
                if format.signed { ((bits as i16) >> unused).to_le_bytes() } else { (bits >> unused).to_le_bytes() };
        }
    }
    Ok(cells)
}

/// How many cells differ by more than decoders of the syntax may.
fn differences(ours: &[u8], theirs: &[u8], syntax: &str, format: &PixelFormat) -> usize {
    let most = LOSSY.iter().find(|(lossy, _)| *lossy == syntax).map_or(0, |(_, most)| *most);
    let cells = |bytes: &[u8]| -> Vec<i64> {
        match (format.bits_allocated, format.signed) {
            (16, false) => bytes.as_chunks().0.iter().map(|cell| u16::from_le_bytes(*cell).into()).collect(),
            (16, true) => bytes.as_chunks().0.iter().map(|cell| i16::from_le_bytes(*cell).into()).collect(),
            _ => bytes.iter().map(|byte| i64::from(*byte)).collect(),
        }
    };
    // Theirs has the byte that makes a value even.
    let theirs = if theirs.len() == ours.len().next_multiple_of(2) { &theirs[..ours.len()] } else { theirs };
    if ours.len() != theirs.len() {
        return ours.len().max(theirs.len());
    }
    cells(ours).iter().zip(cells(theirs)).filter(|(one, other)| one.abs_diff(*other) > u64::from(most)).count()
}

/// What is known to differ. Where dicom-rs comes to agree, it can go.
fn is_known_to_differ(syntax: &str, format: &PixelFormat) -> bool {
    // Samples of one bit come as 0 and 255, and JPEG XL's of 9 to 15 bits stretched to 16.
    format.bits_allocated == 1 || (syntax == uids::JPEGXL && (9..16).contains(&format.bits_stored))
}

/// What became of the files of each transfer syntax.
#[derive(Default)]
struct Tally {
    /// Alike, different, not decoded by dicom-rs.
    counts: BTreeMap<String, [usize; 3]>,
    wrong: Vec<String>,
}

impl Tally {
    fn compare(&mut self, file: &[u8], what: &str) {
        let Some((syntax, format, ours)) = ours(file) else { return };
        let [same, other, none] = self.counts.entry(syntax.clone()).or_default();
        match theirs(file, &syntax, &format).map(|theirs| differences(&ours, &theirs, &syntax, &format)) {
            Ok(0) => *same += 1,
            Ok(differ) => {
                *other += 1;
                if !is_known_to_differ(&syntax, &format) {
                    self.wrong.push(format!("{what}: {syntax} {differ} of {} bytes", ours.len()));
                }
            }
            Err(error) => {
                *none += 1;
                println!("{what}: {syntax} {error}");
            }
        }
    }

    fn alike(&self, syntax: &str) -> usize {
        self.counts.get(syntax).map_or(0, |[same, ..]| *same)
    }

    /// Asserts that nothing differs, and that at least so many of each of `syntaxes` were compared.
    fn finish(&self, syntaxes: &[&str], least: usize) {
        for (syntax, [same, other, none]) in &self.counts {
            println!("{syntax}: {same} alike, {other} different, {none} not decoded by dicom-rs");
        }
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
        for syntax in syntaxes {
            assert!(self.alike(syntax) >= least, "{syntax}: {} compared", self.alike(syntax));
        }
    }
}

#[test]
fn pixels_of_real_files_agree_with_dicom_rs() {
    let mut tally = Tally::default();
    for path in files() {
        tally.compare(&fs::read(&path).unwrap(), &path.display().to_string());
    }
    let each = [
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        BIG_ENDIAN,
        uids::RLE_LOSSLESS,
        uids::JPEG_BASELINE8_BIT,
        uids::JPEG_LOSSLESS,
        uids::JPEG_LOSSLESS_SV1,
        uids::JPEGLS_LOSSLESS,
        uids::JPEGLS_NEAR_LOSSLESS,
        uids::JPEG2000_LOSSLESS,
        uids::JPEG2000,
    ];
    tally.finish(&each, 1);
}

/// Coded pictures of `shape`, each in a transfer syntax that can hold it.
fn coded(shape: Shape, predictor: i32, progression: i32) -> Vec<Vec<u8>> {
    let values = shape.picture();
    let mut files = vec![shape.native(uids::EXPLICIT_VR_LITTLE_ENDIAN, &values)];
    if shape.bits_allocated() == 16 {
        files.push(shape.native(BIG_ENDIAN, &values));
    }
    files.push(shape.encapsulated(uids::RLE_LOSSLESS, vec![jpeg::encode_rle(shape, &values)]));
    let mut put = |syntax: &str, coded: Option<Vec<u8>>| {
        files.extend(coded.map(|coded| shape.encapsulated(syntax, vec![coded])));
    };
    if !shape.signed {
        let lossy = jpeg::Structure { lossless: None, progressive: false, arithmetic: false, restart_rows: 0 };
        if shape.bits == 8 {
            put(uids::JPEG_BASELINE8_BIT, jpeg::encode(shape, &values, lossy));
            put(uids::JPEG_EXTENDED12_BIT, jpeg::encode(shape, &values, lossy));
        }
        for (syntax, predictor) in [(uids::JPEG_LOSSLESS, predictor), (uids::JPEG_LOSSLESS_SV1, 1)] {
            put(syntax, jpeg::encode(shape, &values, jpeg::Structure { lossless: Some([predictor, 0]), ..lossy }));
        }
        put(uids::JPEGLS_LOSSLESS, Some(jpeg::encode_ls(shape, &values, 0)));
    }
    let structure = jpeg2000::Structure { progression, ..jpeg2000::Structure::PLAIN };
    put(uids::JPEG2000_LOSSLESS, Some(jpeg2000::encode(shape, &values, &structure)));
    files
}

#[test]
fn pixels_of_coded_pictures_agree_with_dicom_rs() {
    let mut tally = Tally::default();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let shapes = (8..60usize, 8..60usize, 8..=16u32, any::<bool>(), 1..8i32, 0..5i32);
    for _ in 0..60 {
        let (rows, columns, bits, signed, predictor, progression) = shapes.new_tree(&mut runner).unwrap().current();
        for bits in [bits, 8] {
            let shape = Shape::gray(rows, columns, bits, signed);
            for file in coded(shape, predictor, progression) {
                tally.compare(&file, &format!("{shape:?} {predictor} {progression}"));
            }
        }
    }
    for (name, shape, coded) in vectors() {
        let syntax = match name.rsplit('.').next() {
            Some("jph") => uids::HTJ2K,
            Some("jxl") => uids::JPEGXL,
            _ => uids::JPEG2000,
        };
        tally.compare(&shape.encapsulated(syntax, vec![coded]), &name);
    }
    let each = [
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
        BIG_ENDIAN,
        uids::RLE_LOSSLESS,
        uids::JPEG_BASELINE8_BIT,
        uids::JPEG_EXTENDED12_BIT,
        uids::JPEG_LOSSLESS,
        uids::JPEG_LOSSLESS_SV1,
        uids::JPEGLS_LOSSLESS,
        uids::JPEG2000_LOSSLESS,
    ];
    tally.finish(&each, 10);
}
