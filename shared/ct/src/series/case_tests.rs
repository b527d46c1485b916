//! Stacks of the inputs that people reported elsewhere, and of the real series of the development corpus.

use std::path::{Path, PathBuf};

use bolus_study::PixelWindow;
use bolus_testkit::shared;

use super::tests::check_accounts;
use super::{Contested, FramePixels, Grouping, SeenPixels};
use crate::pixel::decode_window_hu;
use crate::{HeaderRead, Member, Series, read_header};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// The stacks of what lies at `path`, a folder or a file.
fn stacks(path: &Path) -> Vec<Series> {
    let files = if path.is_dir() { files(path) } else { vec![path.to_owned()] };
    let read = |(object, path): (usize, PathBuf)| {
        let bytes = std::fs::read(&path).unwrap();
        match read_header(&bytes, bytes.len() as u64) {
            Ok(HeaderRead::Instance(instance)) => {
                let folder = path.parent().unwrap().display().to_string();
                Some(Member { object, folder, instance: *instance })
            }
            _ => None,
        }
    };
    let members: Vec<Member> = files.iter().cloned().enumerate().filter_map(read).collect();
    let frames = members.iter().map(|member| (member.object, member.instance.frames.len().max(1))).collect();
    let grouping = Grouping::of(members);
    let mut seen = SeenPixels::new();
    let series = loop {
        match grouping.settle(&seen) {
            Ok(series) => break series,
            Err(asked) => {
                seen.extend(asked.iter().map(|one| ((one.object, one.frame), pixels(one, &files[one.object]))));
            }
        }
    };
    check_accounts(&series, &frames);
    series
}

fn pixels(one: &Contested, path: &Path) -> FramePixels {
    let (bytes, mut hu) = (std::fs::read(path).unwrap(), Vec::new());
    let format = one.instance.format.as_ref().unwrap();
    let window = PixelWindow::whole(format.rows, format.columns);
    match decode_window_hu(&one.instance, one.frame, window, &bytes, 0, -1024.0, &mut hu) {
        Ok(()) => FramePixels::of_hu(&hu),
        Err(reason) => FramePixels::Unread(reason),
    }
}

/// A path, the slices of each stack with what parts it, and the files that are refused.
type Right = (&'static str, &'static [(usize, &'static str)], usize);

#[test]
fn reported_inputs_have_the_stacks_that_are_right() {
    let Some(cases) = shared("cases/dicom") else { return };
    let right: [Right; 12] = [
        ("minimal/01-two-passes", &[(8, "AcquisitionNumber 1"), (8, "AcquisitionNumber 2")], 0),
        ("minimal/02-two-phases", &[(8, "AcquisitionNumber 1"), (8, "AcquisitionNumber 2")], 0),
        ("minimal/21-two-patients", &[(8, "PatientID (1 of 2)"), (8, "PatientID (2 of 2)")], 0),
        ("minimal/27-derived-page", &[(8, "")], 1),
        ("minimal/33-uids-with-letters", &[(8, ""), (8, "")], 0),
        ("minimal/control-step-and-shoot", &[(8, "")], 0),
        ("26-healthcare153-one-sop-uid", &[(20, "")], 0),
        ("27b-derived-without-position", &[(20, "")], 1),
        ("38-sop-uid-pairs", &[(20, "")], 0),
        (
            "31-enhanced-two-passes-in-one-file/two-times.dcm",
            &[(20, "TemporalPositionIndex 1"), (20, "TemporalPositionIndex 2")],
            0,
        ),
        ("31-enhanced-two-passes-in-one-file/two-stacks.dcm", &[(20, "StackID 1"), (20, "StackID 2")], 0),
        ("18-slicer7496-ct-multiframe-no-positions/philips-private-position.dcm", &[(4, "")], 0),
    ];
    for (path, expected, refused) in right {
        let found = stacks(&cases.join(path));
        let told: Vec<(usize, &str)> = found
            .iter()
            .map(|one| (one.slices.len(), one.stack.as_ref().map_or("", |stack| stack.parted_by.as_str())))
            .collect();
        assert_eq!(told, expected, "{path}");
        assert_eq!(found.iter().map(|one| one.refused.len()).sum::<usize>(), refused, "{path}");
    }
    let concatenation: Vec<Series> = stacks(&cases.join("18-slicer7496-ct-multiframe-no-positions"));
    assert!(concatenation.iter().any(|one| one.slices.len() == 4 && one.objects.len() == 2));
}

#[test]
fn real_series_are_one_stack_each() {
    let Some(real) = shared("data/real") else { return };
    let stacks = stacks(&real);
    assert!(stacks.len() > 5, "{} stacks", stacks.len());
    for one in stacks {
        let path = one.slices.first().map(|slice| slice.sop_uid.to_string()).unwrap_or_default();
        println!("{} {} slices, {:?}, {:?}, {path}", one.uid, one.slices.len(), one.stack, one.refusal);
        assert!(one.refusal.as_ref().is_none_or(|reason| reason.code.as_str() != "ambiguous_positions"), "{}", one.uid);
        assert_eq!(one.stack, None, "{}", one.uid);
    }
}
