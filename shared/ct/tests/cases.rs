//! Headers and deflated data sets of the odd files beside the repository, as their pages say is right.
#![allow(clippy::unwrap_used)] // Helpers of tests: a panic is a failed test.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use bolus_ct::pixel::stored_digest;
use bolus_ct::{HeaderRead, Instance, Member, read_header};
use bolus_study::{Declared, PixelWindow, Reason, ReasonCode};
use support::group;

/// The pixels of most of the files, by pydicom, dcmtk and gdcm.
const PIXELS: &str = "391ad397b046566af9c044dfee7b0e020650625118d7730a28d022d41a0df9eb";

/// The folder of the cases.
fn cases() -> Option<PathBuf> {
    bolus_testkit::shared("cases/dicom")
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "dcm"));
    paths.sort();
    assert!(!paths.is_empty(), "{}", folder.display());
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

fn header(file: &[u8]) -> Result<Instance, Reason> {
    match read_header(file, file.len() as u64)? {
        HeaderRead::Instance(instance) => Ok(*instance),
        HeaderRead::NeedMore { .. } => Err(Reason::new(ReasonCode::Truncated, "a whole file wants more")),
    }
}

/// The digest of a file's pixels, or the reason why there are none.
fn digest(file: &[u8]) -> Result<String, ReasonCode> {
    header(file).and_then(|instance| stored_digest(file, &instance)).map_err(|reason| reason.code)
}

#[test]
fn pixels_are_there_or_their_absence_has_a_name() {
    let Some(cases) = cases() else { return };
    for (folder, refused) in [
        ("06-dicomparser117-gb18030", &[][..]),
        ("12-fodicom1915-dcmjs287-decimal-strings", &[]),
        ("13-pydicom1846-dicomrs576-number-of-frames", &[("huge", ReasonCode::TooLarge)]),
        ("15-dicomrs169-un-undefined-length", &[]),
        ("19-dicomrs350-deflated", &[("cut-short", ReasonCode::Truncated), ("zlib-wrapped", ReasonCode::BadDicom)]),
        ("35-modality-and-class-text", &[]),
    ] {
        for (name, file) in files(&cases.join(folder)) {
            let expected = match refused.iter().find(|(refused, _)| *refused == name) {
                Some((_, code)) => Err(*code),
                None => Ok(PIXELS.to_owned()),
            };
            assert_eq!(digest(&file), expected, "{folder}/{name}");
        }
    }
}

/// Whichever rows are wanted: a label must not rest on a file that is refused by itself.
#[test]
fn a_deflated_file_that_is_cut_is_cut_for_every_window() {
    let Some(cases) = cases() else { return };
    let file = fs::read(cases.join("19-dicomrs350-deflated/cut-short.dcm")).unwrap();
    let window = PixelWindow { y0: 0, y1: 8, x0: 0, x1: 8 };
    assert_eq!(support::window(&file, window).unwrap_err().code, ReasonCode::Truncated);
}

#[test]
fn three_forms_of_one_deflated_series_hold_the_same_pixels() {
    let Some(cases) = cases() else { return };
    let digests = |form: &str| -> Vec<_> {
        files(&cases.join("19b-deflated-series").join(form)).iter().map(|(_, file)| digest(file).unwrap()).collect()
    };
    let plain = digests("plain");
    assert_eq!(plain.len(), 10);
    assert_eq!(digests("private-un"), plain);
    assert_eq!(digests("no-preamble"), plain);
}

#[test]
fn descriptions_are_read_in_the_declared_character_set() {
    let Some(cases) = cases() else { return };
    for (name, file) in files(&cases.join("06-dicomparser117-gb18030")) {
        let expected = match name.as_str() {
            "gb18030-enhanced" => Declared::Yes,
            "gbk-said-latin1" => Declared::Absent,
            _ => Declared::No,
        };
        let member = Member { object: 0, folder: String::new(), instance: header(&file).unwrap() };
        assert_eq!(group(vec![member]).remove(0).declared.verdict, expected, "{name}");
    }
}

#[test]
fn numbers_are_read_as_meant_or_refused_by_their_attribute() {
    let Some(cases) = cases() else { return };
    for (name, file) in files(&cases.join("12-fodicom1915-dcmjs287-decimal-strings")) {
        let member = Member { object: 0, folder: String::new(), instance: header(&file).unwrap() };
        let series = group(vec![member]).remove(0);
        let refused = series.refusal.as_ref().map(|reason| reason.detail.as_str());
        let expected = match name.as_str() {
            "comma-instead-of-backslash" | "comma-spacing" | "one-value-spacing" => Some("PixelSpacing"),
            "comma-position" => Some("ImagePositionPatient"),
            "comma-slope" | "hex-slope" | "nan-slope" => Some("RescaleSlope"),
            "comma-intercept" | "inf-intercept" | "two-intercepts" => Some("RescaleIntercept"),
            _ => None,
        };
        assert_eq!(refused.is_some(), expected.is_some(), "{name}: {refused:?}");
        assert!(
            refused.zip(expected).is_none_or(|(refused, expected)| refused.contains(expected)),
            "{name}: {refused:?}"
        );
    }
}

#[test]
fn frames_have_their_own_positions_or_none() {
    let Some(cases) = cases() else { return };
    let positions = [-804.5, -802.5, -800.5, -798.5].map(Some);
    for (name, file) in files(&cases.join("18-slicer7496-ct-multiframe-no-positions")) {
        if name == "enhanced-four-items-three-frames" {
            let member = Member { object: 0, folder: String::new(), instance: header(&file).unwrap() };
            let refusal = group(vec![member]).remove(0).refusal.unwrap();
            assert_eq!(refusal.code, ReasonCode::InconsistentAttribute, "{refusal}");
        }
        let found = header(&file).map(|instance| {
            instance.frames.iter().map(|frame| frame.position_mm.map(|position| position[2])).collect::<Vec<_>>()
        });
        let expected: &[Option<f64>] = match name.as_str() {
            "classic-4-frames" | "enhanced-no-per-frame" => &[None; 4],
            "classic-with-shared-group" => &[Some(-784.5)],
            "concatenation-1" => &positions[..2],
            "concatenation-2" => &positions[2..],
            "enhanced-four-items-three-frames" => &[None; 3],
            "enhanced-rescale-on-top" | "philips-private-position" => &positions,
            "enhanced-three-items-four-frames" => {
                assert_eq!(found.unwrap_err().code, ReasonCode::InconsistentAttribute);
                continue;
            }
            other => panic!("a case that nobody knows: {other}"),
        };
        assert_eq!(found.unwrap(), expected, "{name}");
    }
}
