//! Copies and clashes: who shows what is made up, and grouping has to find it out.

use std::collections::{BTreeMap, BTreeSet};

use bolus_study::{Reason, ReasonCode, SopInstanceUid};
use dicom_dictionary_std::uids;
use proptest::prelude::*;

use super::tests::{AXIAL, check_accounts, member};
use super::{FramePixels, Grouping, Member, SeenPixels, Series};

/// A file, and the number of the image that it shows; none where its pixels cannot be read.
type Shown = (Member, Option<u32>);

fn at(sop: &str, z_mm: f64, image: u32) -> Shown {
    (member(0, sop, [0.0, 0.0, z_mm], AXIAL), Some(image))
}

fn pixels(image: Option<u32>) -> FramePixels {
    match image {
        Some(image) => FramePixels::of_hu(&[image as f32, 0.0, -1000.0]),
        None => FramePixels::Unread(Reason::new(ReasonCode::PixelData, "no image")),
    }
}

/// Groups files listed in this order, by the pixels of those that are asked for. Also how many those are.
fn grouped(files: &[Shown]) -> (Vec<Series>, usize) {
    let members: Vec<Member> =
        files.iter().enumerate().map(|(object, (one, _))| Member { object, ..one.clone() }).collect();
    let grouping = Grouping::of(members);
    let mut seen = SeenPixels::new();
    let series = loop {
        match grouping.settle(&seen) {
            Ok(series) => break series,
            Err(asked) => {
                for one in asked {
                    let shown = pixels(files[one.object].1);
                    assert_eq!(seen.insert((one.object, one.frame), shown), None, "a frame was asked for twice");
                }
            }
        }
    };
    check_accounts(&series, &(0..files.len()).map(|object| (object, 1)).collect());
    (series, seen.len())
}

/// The images of each stack that is not refused, and the reasons of the others.
fn outcome(files: &[Shown]) -> (BTreeSet<Vec<u32>>, BTreeSet<ReasonCode>) {
    let series = grouped(files).0;
    let images = |one: &Series| one.slices.iter().filter_map(|slice| files[slice.object].1).collect();
    let labelled = series.iter().filter(|one| !one.slices.is_empty()).map(images).collect();
    (labelled, series.iter().filter_map(|one| one.refusal.as_ref()).map(|reason| reason.code).collect())
}

fn reasons(files: &[Shown]) -> Vec<ReasonCode> {
    grouped(files).0.iter().flat_map(|one| &one.refused).map(|(_, reason)| reason.code).collect()
}

/// Two phases of eight slices with the same SOP Instance UIDs, in either order of the files.
fn clashing(mark: impl Fn(usize, &mut Member)) -> [Vec<Shown>; 2] {
    let phase = |phase: usize| {
        let mark = &mark;
        (0..8).map(move |slice| {
            let mut one = at(&format!("1.2.{slice}"), 4.0 * slice as f64, (100 * phase + slice) as u32);
            mark(phase, &mut one.0);
            one
        })
    };
    [phase(0).chain(phase(1)).collect(), phase(1).chain(phase(0)).collect()]
}

#[test]
fn phases_with_copied_uids_are_refused_or_parted_and_never_mixed() {
    for files in clashing(|_, _| {}) {
        assert_eq!(outcome(&files), (BTreeSet::new(), BTreeSet::from([ReasonCode::AmbiguousPositions])));
    }
    let described =
        |phase: usize, one: &mut Member| one.instance.series_description = Some(["native", "late"][phase].into());
    let numbered = |phase: usize, one: &mut Member| one.instance.series_number = Some(phase.to_string());
    let lossy = |phase: usize, one: &mut Member| {
        one.instance.transfer_syntax_uid = [uids::JPEG2000, uids::JPEG2000_LOSSLESS][phase].into();
        one.instance.pixels.as_mut().unwrap().encapsulated = true;
        one.instance.pixels.as_mut().unwrap().length = None;
    };
    let phases: BTreeSet<Vec<u32>> = [(0..8).collect(), (100..108).collect()].into();
    for files in clashing(described).into_iter().chain(clashing(numbered)).chain(clashing(lossy)) {
        assert_eq!(outcome(&files), (phases.clone(), BTreeSet::new()));
    }
}

#[test]
fn one_slice_with_anothers_uid_costs_its_position() {
    let mut files: Vec<Shown> =
        (0..8).map(|slice| at(&format!("1.2.{slice}"), 4.0 * f64::from(slice), slice)).collect();
    files.push(at("1.2.3", 12.0, 99));
    let rest = BTreeSet::from([vec![0, 1, 2, 4, 5, 6, 7]]);
    assert_eq!(outcome(&files), (rest.clone(), BTreeSet::new()));
    files.reverse();
    assert_eq!(outcome(&files), (rest, BTreeSet::new()));
    assert_eq!(reasons(&files), [ReasonCode::DuplicatePosition; 2]);
}

#[test]
fn a_series_that_was_sent_twice_is_one_with_copies() {
    for renumbered in [false, true] {
        let mut files: Vec<Shown> = Vec::new();
        for slice in 0..16_u32 {
            let place = slice % 8;
            let mut one = at(&format!("1.2.{}", slice + 10), 4.0 * f64::from(place), place);
            one.0.instance.frames[0].pass.instance_number = Some(f64::from(if renumbered { slice } else { place }));
            files.push(one);
        }
        for _ in 0..2 {
            assert_eq!(outcome(&files), (BTreeSet::from([(0..8).collect()]), BTreeSet::new()));
            assert_eq!(reasons(&files), [ReasonCode::DuplicateInstance; 8]);
            files.reverse();
        }
    }
}

#[test]
fn a_copy_that_cannot_be_read_says_so_and_the_other_stays() {
    for first in [false, true] {
        let mut files: Vec<Shown> =
            (0..8).map(|slice| at(&format!("1.2.{slice}"), 4.0 * f64::from(slice), slice)).collect();
        let torn = (files[2].0.clone(), None);
        files.insert(if first { 0 } else { 8 }, torn);
        assert_eq!(outcome(&files).0, BTreeSet::from([(0..8).collect()]));
        assert_eq!(reasons(&files), [ReasonCode::PixelData]);
    }
}

#[test]
fn nothing_is_asked_for_where_headers_tell() {
    let mut files: Vec<Shown> =
        (0..8).map(|slice| at(&format!("1.2.{slice}"), 4.0 * f64::from(slice), slice)).collect();
    assert_eq!(grouped(&files).1, 0);
    files.extend((0..8).map(|slice| {
        let mut one = at(&format!("1.2.{}", slice + 10), 4.0 * f64::from(slice), slice + 10);
        one.0.instance.frames[0].pass.acquisition_number = Some(2.0);
        one
    }));
    assert_eq!(grouped(&files).1, 0);
    // A copy costs itself and its original.
    files.push(files[3].clone());
    assert_eq!(grouped(&files).1, 2);
}

/// Passes of one series, and what tells each.
#[derive(Debug, Clone)]
struct Passes {
    /// The first place, the slices, and what of the pass the headers tell: see [`Passes::mark`].
    passes: Vec<(u32, u32, u8)>,
    copied_uids: bool,
    /// Slices that were sent again, with their own SOP Instance UID or another.
    again: Vec<(prop::sample::Index, bool)>,
    order: Vec<u32>,
}

fn any_passes() -> impl Strategy<Value = Passes> {
    let pass = (0_u32..12, 1_u32..16, 0_u8..7);
    let again = prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..30);
    let order = prop::collection::vec(any::<u32>(), 96);
    (prop::collection::vec(pass, 1..4), any::<bool>(), again, order)
        .prop_map(|(passes, copied_uids, again, order)| Passes { passes, copied_uids, again, order })
}

impl Passes {
    fn mark(one: &mut Member, mark: u8, pass: usize) {
        let number = pass as f64 + 1.0;
        let frame = &mut one.instance.frames[0];
        match mark {
            0 => frame.pass.acquisition_number = Some(number),
            1 => frame.pass.acquired_s = Some(60.0 * number),
            2 => frame.pass.kvp = Some(60.0 + 20.0 * number),
            3 => one.instance.series_description = Some(format!("pass {pass}")),
            4 => frame.pass.made_s = Some(60.0 * number),
            5 => frame.pass.temporal_position = Some(number),
            _ => {}
        }
    }

    /// An image is 100 times its pass and the place.
    fn files(&self) -> Vec<Shown> {
        let mut files = Vec::new();
        for (pass, (start, count, mark)) in self.passes.iter().enumerate() {
            for place in *start..start + count {
                let uid = if self.copied_uids { place } else { 100 * pass as u32 + place };
                let mut one = at(&format!("1.2.{uid}"), 4.0 * f64::from(place), 100 * pass as u32 + place);
                Self::mark(&mut one.0, *mark, pass);
                files.push(one);
            }
        }
        for (number, (which, same_uid)) in self.again.iter().enumerate() {
            let mut one = files[which.index(files.len())].clone();
            if !same_uid {
                one.0.instance.sop_instance_uid = SopInstanceUid::new(&format!("1.3.{number}")).ok();
            }
            files.push(one);
        }
        files
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn passes_are_never_mixed_where_they_overlap_whatever_the_order(passes in any_passes()) {
        let files = passes.files();
        let found = outcome(&files);
        let mut shuffled: Vec<(u32, Shown)> = passes.order.iter().copied().cycle().zip(files.clone()).collect();
        shuffled.sort_by_key(|(key, _)| *key);
        let shuffled: Vec<Shown> = shuffled.into_iter().map(|(_, file)| file).collect();
        prop_assert_eq!(&found, &outcome(&shuffled));
        let places: BTreeMap<u32, BTreeSet<u32>> =
            passes.passes.iter().zip(0..).map(|((start, count, _), pass)| (pass, (*start..start + count).collect())).collect();
        for stack in &found.0 {
            let mixed: BTreeSet<u32> = stack.iter().map(|image| image / 100).collect();
            for (a, b) in mixed.iter().flat_map(|a| mixed.iter().filter(move |b| a < *b).map(move |b| (a, b))) {
                let overlap = places[a].intersection(&places[b]).count();
                prop_assert!(overlap < 2, "passes {} and {} share {} places: {:?}", a, b, overlap, stack);
            }
        }
    }
}
