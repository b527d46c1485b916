//! Our decoders against those of dicom-rs (`dicom-pixeldata` and its transfer syntax registry), on every real file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use bolus_ct::pixel::stored_values;
use bolus_ct::{HeaderRead, PixelFormat, read_header};
use dicom_object::OpenFileOptions;
use dicom_pixeldata::PixelDecoder;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files of the repository's collection, and of the larger one where it is.
fn files() -> Vec<PathBuf> {
    let larger = repository().join("../shared/data");
    let required = std::env::var("BOLUS_TEST_REQUIRE").is_ok_and(|value| value == "1");
    assert!(larger.is_dir() || !required, "{} is missing", larger.display());
    let mut found = Vec::new();
    let mut folders = vec![repository().join("tests/data"), larger];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.extension().is_some_and(|extension| extension == "dcm") => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// Transfer syntax, format and stored values by our decoders.
fn ours(path: &Path) -> Option<(String, PixelFormat, Vec<u8>)> {
    let file = fs::read(path).unwrap();
    let HeaderRead::Instance(instance) = read_header(&file, file.len() as u64).ok()? else { return None };
    let pixels = stored_values(&file, &instance).ok()?;
    Some((instance.transfer_syntax_uid, instance.format?, pixels.bytes))
}

/// The same by dicom-pixeldata, which leaves bits beyond Bits Stored as they are.
fn theirs(path: &Path, format: &PixelFormat) -> Result<Vec<u8>, String> {
    let decoded = catch_unwind(|| {
        let object = OpenFileOptions::new().open_file(path).map_err(|error| error.to_string())?;
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

/// What is known to differ. Where dicom-rs comes to agree, it can go.
fn is_known_to_differ(format: &PixelFormat) -> bool {
    // Samples of one bit come as 0 and 255.
    format.bits_allocated == 1
}

#[test]
fn lossless_pixels_agree_with_dicom_rs() {
    let mut counts: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let mut wrong = Vec::new();
    for path in files() {
        let Some((syntax, format, ours)) = ours(&path) else { continue };
        let theirs = theirs(&path, &format);
        let [same, other, none] = counts.entry(syntax.clone()).or_default();
        match theirs {
            Ok(theirs) if theirs == ours => *same += 1,
            Ok(theirs) => {
                *other += 1;
                let differ = theirs.iter().zip(&ours).filter(|(a, b)| a != b).count();
                if !is_known_to_differ(&format) {
                    wrong.push(format!(
                        "{}: {syntax} {differ} of {} bytes ({})",
                        path.display(),
                        ours.len(),
                        theirs.len()
                    ));
                }
            }
            Err(error) => {
                *none += 1;
                println!("{}: {error}", path.display());
            }
        }
    }
    for (syntax, [same, other, none]) in &counts {
        println!("{syntax}: {same} alike, {other} different, {none} not decoded by dicom-rs");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let alike: usize = counts.values().map(|[same, ..]| same).sum();
    assert!(alike >= 30, "{alike} files compared");
}
