//! One fault has one reason: of the file, whose pixels cannot be decoded, and of the series that it is in.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use bolus_ct::pixel::stored_digest;
use bolus_ct::{Instance, Member, Series, undecodable};
use bolus_study::ReasonCode;
use support::{files, group, header};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The series that the instance makes alone.
fn series(instance: Instance) -> Series {
    let mut all = group(vec![Member { object: 0, folder: String::new(), instance }]);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn files_and_their_series_name_one_reason() {
    let (mut by_header, mut instances) = (0, 0);
    for path in files(&["data", "cases"]) {
        let file = fs::read(&path).unwrap();
        let Ok(instance) = header(&file) else { continue };
        instances += 1;
        let told = undecodable(&instance);
        let found = stored_digest(&file, &instance).err();
        // What the header tells is so: nothing is refused that can be decoded, and nothing is left for the decoder to find.
        let where_ = path.display();
        assert!(told.is_none() || found.is_some(), "{where_}: {told:?}");
        let header_codes =
            [ReasonCode::NoPixelData, ReasonCode::MissingAttribute, ReasonCode::TransferSyntax, ReasonCode::TooLarge];
        let left = found.filter(|reason| told.is_none() && header_codes.contains(&reason.code));
        assert_eq!(left, None, "{where_}");
        let Some(told) = told else { continue };
        by_header += 1;
        assert_eq!(series(instance).refusal, Some(told), "{where_}");
    }
    println!("{by_header} of {instances} instances cannot be decoded, as their headers tell");
    assert!(by_header >= 2, "{by_header} of {instances}");
}

/// What `change` makes of a CT slice with native pixels.
fn changed(change: impl FnOnce(&mut Instance)) -> Instance {
    let file = fs::read(repository().join("tests/data/odd/CT_small.dcm")).unwrap();
    let mut instance = header(&file).unwrap();
    change(&mut instance);
    instance
}

/// A fault of a header, what it is called, and what is told of it.
type Fault = (ReasonCode, &'static str, fn(&mut Instance));

#[test]
fn faults_of_a_header_have_the_name_that_the_series_gives_them() {
    let faults: [Fault; 10] = [
        (ReasonCode::Modality, "RTPLAN", |one| {
            (one.modality, one.format, one.pixels) = (Some("RTPLAN".into()), None, None);
        }),
        (ReasonCode::MissingAttribute, "neither Modality", |one| {
            (one.modality, one.sop_class_uid, one.pixels) = (None, None, None);
        }),
        (ReasonCode::NoPixelData, "PixelData", |one| one.pixels = None),
        (ReasonCode::NoPixelData, "PixelData", |one| (one.pixels, one.format) = (None, None)),
        (ReasonCode::MissingAttribute, "BitsStored", |one| {
            (one.format, one.missing_attributes) = (None, vec!["BitsStored".into()]);
        }),
        (ReasonCode::InconsistentAttribute, "bits stored is 0", |one| one.format.as_mut().unwrap().bits_stored = 0),
        (ReasonCode::TooLarge, "samples in a frame", |one| {
            let format = one.format.as_mut().unwrap();
            (format.rows, format.columns) = (65_535, 65_535);
        }),
        (ReasonCode::TransferSyntax, "1.2.840.10008.1.2.4.94", |one| {
            one.transfer_syntax_uid = "1.2.840.10008.1.2.4.94".into();
        }),
        (ReasonCode::PixelData, "encapsulated", |one| one.transfer_syntax_uid = "1.2.840.10008.1.2.5".into()),
        (ReasonCode::InconsistentAttribute, "pixel data of 100 bytes", |one| {
            one.pixels.as_mut().unwrap().length = Some(100);
        }),
    ];
    for (code, words, change) in faults {
        let instance = changed(change);
        let of_file = undecodable(&instance).unwrap();
        assert!(of_file.code == code && of_file.detail.contains(words), "{code} expected: {of_file}");
        assert_eq!(series(instance).refusal, Some(of_file));
    }
    let whole = changed(|_| {});
    assert_eq!(undecodable(&whole), None);
    assert_eq!(series(whole).refusal, None);
}

/// Whether a video of ultrasound is no CT or has no decoder are two questions; its file is asked the latter.
#[test]
fn a_file_of_another_modality_without_a_decoder_says_so() {
    let video = changed(|one| {
        one.modality = Some("US".into());
        one.transfer_syntax_uid = "1.2.840.10008.1.2.4.102".into();
    });
    assert_eq!(undecodable(&video).unwrap().code, ReasonCode::TransferSyntax);
    assert_eq!(series(video).refusal.unwrap().code, ReasonCode::Modality);
}

/// With more items than frames nobody knows which is whose: that is the fault, not that a position is missing.
#[test]
fn items_beyond_the_frames_are_named() {
    let mut file = fs::read(repository().join("tests/data/enhanced/eCT_Supplemental.dcm")).unwrap();
    let frames = b"\x28\x00\x08\x00IS\x02\x002 ";
    let at = file.windows(frames.len()).position(|bytes| bytes == frames).unwrap();
    file[at + 8] = b'1';
    let instance = header(&file).unwrap();
    assert!(stored_digest(&file, &instance).is_ok(), "the pixels count");
    let refusal = series(instance).refusal.unwrap();
    assert_eq!(refusal.code, ReasonCode::InconsistentAttribute, "{refusal}");
    let words = "1 frames by Number of Frames, 2 items in Per-Frame Functional Groups Sequence";
    assert_eq!(refusal.detail, words);
}
