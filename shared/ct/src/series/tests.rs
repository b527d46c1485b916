use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bolus_study::{BodyPartFinding, Declared, Orientation, ReasonCode, SeriesUid, SopInstanceUid, StudyUid};
use dicom_dictionary_std::uids;
use proptest::prelude::*;

use super::*;
use crate::{FrameInfo, HeaderRead, Instance, PassMarks, PixelFormat, PixelLocation, read_header};

/// Members of all files of folders under `tests/data`, and how many files were refused.
fn members_of(folders: &[&str]) -> (Vec<Member>, usize) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    let mut paths: Vec<_> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(data.join(folder)).unwrap().map(|entry| entry.unwrap().path()))
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    let mut refused = 0;
    let mut members = Vec::new();
    for (object, path) in paths.iter().enumerate() {
        let bytes = fs::read(path).unwrap();
        match read_header(&bytes, bytes.len() as u64) {
            Ok(HeaderRead::Instance(instance)) => members.push(Member {
                object,
                folder: path.parent().unwrap().display().to_string(),
                instance: *instance,
            }),
            _ => refused += 1,
        }
    }
    (members, refused)
}

/// Asserts that every frame of every file ends exactly once: as a slice, refused by itself, or refused with its file.
pub(super) fn check_accounts(series: &[Series], frames: &BTreeMap<usize, usize>) {
    let mut ends: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut end = |object: usize, frame: usize| *ends.entry((object, frame)).or_default() += 1;
    let all = |object: usize| (0..frames[&object]).map(move |frame| (object, frame));
    let mut counted = Vec::new();
    for one in series {
        one.slices.iter().for_each(|slice| end(slice.object, slice.frame));
        one.refused_frames.iter().for_each(|frame| end(frame.object, frame.frame));
        one.refused
            .iter()
            .filter(|_| one.refusal.is_none())
            .flat_map(|(object, _)| all(*object))
            .for_each(|(object, frame)| end(object, frame));
        let alone =
            |object: &usize| !series.iter().any(|other| !std::ptr::eq(other, one) && other.objects.contains(object));
        let whole = one.objects.iter().filter(|object| one.refusal.is_some() && alone(object));
        whole.flat_map(|object| all(*object)).for_each(|(object, frame)| end(object, frame));
        assert!(one.slices.iter().all(|slice| one.objects.contains(&slice.object)));
        assert!(one.content().all(|(object, _)| one.objects.contains(&object)));
        counted.extend(one.counted_files());
    }
    let expected: Vec<((usize, usize), usize)> =
        frames.keys().flat_map(|object| all(*object)).map(|one| (one, 1)).collect();
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), expected);
    counted.sort_unstable();
    assert_eq!(counted, frames.keys().copied().collect::<Vec<_>>());
}

/// The stacks of `members` by their headers alone: no pixel is seen.
pub(crate) fn group(members: Vec<Member>) -> Vec<Series> {
    Grouping::of(members).series(&SeenPixels::new())
}

pub(super) fn group_checked(members: Vec<Member>) -> Vec<Series> {
    let frames = members.iter().map(|member| (member.object, member.instance.frames.len().max(1))).collect();
    let series = group(members);
    check_accounts(&series, &frames);
    series
}

#[test]
fn chest_series_is_ordered_by_position() {
    let series = group_checked(members_of(&["series/chest-noncontrast-every10th"]).0);
    let [one] = series.as_slice() else { panic!("{} series", series.len()) };
    assert_eq!((one.slices.len(), one.uid_derived, &one.refusal), (28, false, &None));
    let geometry = one.geometry.as_ref().unwrap();
    assert!(geometry.along_normal_mm.is_sorted());
    assert_eq!((geometry.gaps, geometry.shear_deg), (0, 0.0));
    assert_eq!(one.body_part.as_ref().unwrap().joined(), "chest");
    assert!(!one.derived);
}

#[test]
fn abdomen_series_without_uids_is_one_series() {
    let (members, _) = members_of(&["series/totalsegmentator-abdomen-contrast"]);
    let mut reversed = members.clone();
    reversed.reverse();
    let series = group_checked(members);
    let [one] = series.as_slice() else { panic!("{} series", series.len()) };
    assert_eq!((one.slices.len(), one.uid_derived, one.declared.verdict), (20, true, Declared::Yes));
    assert_eq!(group(reversed)[0].uid, one.uid);
    assert_eq!(one.body_part, None);
}

#[test]
fn mixed_folder_holds_three_series() {
    let mut members = members_of(&["geometry/philips-mixed-study"]).0;
    let mut capture = members[0].clone();
    capture.object = 99;
    capture.instance.sop_class_uid = Some(uids::SECONDARY_CAPTURE_IMAGE_STORAGE.into());
    capture.instance.series_uid = SeriesUid::new("9.9").ok();
    members.push(capture);
    let series = group_checked(members);
    let refusals: Vec<_> = series.iter().map(|one| one.refusal.as_ref().map(|reason| reason.code)).collect();
    assert_eq!(refusals, [Some(ReasonCode::Localizer), None, Some(ReasonCode::SecondaryCapture)]);
    let geometry = series[1].geometry.as_ref().unwrap();
    assert_eq!(geometry.depth(), 6);
    assert_eq!(series[1].slices[0].instance.stated_tilt_deg, Some(-18.5));
    assert!((geometry.shear_deg - 18.5).abs() < 0.2, "{}", geometry.shear_deg);
}

#[test]
fn frames_of_reference_split_where_they_are_shared() {
    let with_reference = |object: usize, reference: &str| {
        let mut one = member(object, &format!("1.2.{object}"), [0.0, 0.0, object as f64], AXIAL);
        one.instance.frame_of_reference_uid = Some(reference.into());
        one
    };
    let own = ["1", "2", "3"].iter().enumerate().map(|(object, reference)| with_reference(object, reference));
    assert_eq!(group_checked(own.collect()).len(), 1);
    let shared = ["1", "1", "2", "2"].iter().enumerate().map(|(object, reference)| with_reference(object, reference));
    assert_eq!(group_checked(shared.collect()).len(), 2);
}

#[test]
fn tilt_and_gaps_are_measured() {
    let series = group_checked(members_of(&["geometry/gantrytilt-d2n"]).0);
    let geometry = series[0].geometry.as_ref().unwrap();
    println!("gantrytilt-d2n {} slices, shear {}", geometry.depth(), geometry.shear_deg);
    assert_eq!((series.len(), geometry.depth()), (1, 4));
    assert!(geometry.shear_deg > 1.0);
    let series = group_checked(members_of(&["geometry/sliceincrement-d2n-001"]).0);
    let geometry = series[0].geometry.as_ref().unwrap();
    println!("{:?}", geometry.along_normal_mm);
    assert_eq!((series.len(), geometry.gaps), (1, 1));
    assert!((geometry.slice_spacing_mm.unwrap() - 5.0).abs() < 0.01);
    assert!((geometry.spacing_deviation_mm - 5.0).abs() < 0.01);
}

#[test]
fn odd_and_broken_files_are_all_accounted_for() {
    let folders = ["derived-broken", "odd", "nonct", "enhanced", "nonaxial", "transfer-syntaxes/ctimage"];
    for folder in folders {
        let (members, refused) = members_of(&[folder]);
        println!("{folder}: {refused} refused");
        for one in group_checked(members) {
            let reasons: Vec<_> = one.refused.iter().map(|(object, reason)| format!("{object} {reason}")).collect();
            println!(
                "  {} {} slices, {:?}, {reasons:?}, derived {}",
                one.uid,
                one.slices.len(),
                one.refusal,
                one.derived
            );
        }
    }
    let without_rescale = members_of(&["derived-broken"]).0;
    let refused = |one: &Series| one.refused.iter().any(|(_, reason)| reason.detail == "RescaleSlope");
    assert!(group(without_rescale).iter().any(refused));
}

/// A synthetic axial instance of 4 × 4 pixels at `position`.
pub(super) fn member(object: usize, sop: &str, position: [f64; 3], orientation: Orientation) -> Member {
    let frame = FrameInfo {
        position_mm: Some(position),
        orientation: Some(orientation),
        pixel_spacing_mm: Some([0.7, 0.7]),
        slice_thickness_mm: Some(3.0),
        rescale_slope: Some(1.0),
        rescale_intercept: Some(-1024.0),
        rescale_type: None,
        image_type: vec!["ORIGINAL".into(), "PRIMARY".into(), "AXIAL".into()],
        pass: PassMarks::default(),
        says: None,
    };
    let format = PixelFormat {
        rows: 4,
        columns: 4,
        frames: 1,
        samples_per_pixel: 1,
        photometric: "MONOCHROME2".into(),
        bits_allocated: 16,
        bits_stored: 16,
        high_bit: 15,
        pixel_representation: 1,
        signed: true,
        padding: None,
        padding_limit: None,
        planar: false,
    };
    let instance = Instance {
        study_uid: StudyUid::new("1.1").ok(),
        series_uid: SeriesUid::new("1.2").ok(),
        sop_instance_uid: SopInstanceUid::new(sop).ok(),
        sop_class_uid: Some(uids::CT_IMAGE_STORAGE.into()),
        transfer_syntax_uid: uids::EXPLICIT_VR_LITTLE_ENDIAN.into(),
        modality: Some("CT".into()),
        frame_of_reference_uid: Some("1.3".into()),
        series_number: None,
        series_description: None,
        values: crate::ValueHints::default(),
        manufacturer: None,
        kernel: None,
        stated_tilt_deg: None,
        patient_id: None,
        body_parts_by_tag: Vec::new(),
        body_parts_by_words: Vec::new(),
        evidence: Vec::new(),
        format: Some(format),
        frames: vec![frame],
        missing_attributes: Vec::new(),
        contradiction: None,
        pixels: Some(PixelLocation {
            offset: 0,
            length: Some(32),
            encapsulated: false,
            deflated: None,
            extended_offsets: None,
        }),
    };
    Member { object, folder: String::new(), instance }
}

pub(super) const AXIAL: Orientation = Orientation { along_row: [1.0, 0.0, 0.0], along_column: [0.0, 1.0, 0.0] };

#[test]
fn stacks_of_one_uid_are_split_and_what_cannot_be_placed_joins_the_largest() {
    let coronal = Orientation { along_row: [1.0, 0.0, 0.0], along_column: [0.0, 0.0, -1.0] };
    let mut members: Vec<Member> =
        (0..3).map(|index| member(index, &format!("1.2.{index}"), [0.0, 0.0, index as f64], AXIAL)).collect();
    members.push(member(3, "1.2.3", [0.0, 5.0, 0.0], coronal));
    let mut lost = member(4, "1.2.4", [0.0; 3], AXIAL);
    lost.instance.frames[0].position_mm = None;
    members.push(lost);
    let mut other_unit = member(5, "1.2.5", [0.0, 0.0, 9.0], AXIAL);
    other_unit.instance.frames[0].rescale_type = Some("US".into());
    members.push(other_unit);
    let mut short = member(6, "1.2.6", [0.0, 0.0, 10.0], AXIAL);
    short.instance.format.as_mut().unwrap().rows = 4000;
    members.push(short);
    let series = group_checked(members);
    // What is in other units can be read, so that the user may take it all the same: it is a stack of its own.
    assert_eq!(series.iter().map(|one| one.slices.len()).collect::<Vec<_>>(), [3, 1, 1]);
    let judged: Vec<_> = series.iter().map(|one| one.judgement.as_ref().map(|reason| reason.code)).collect();
    assert_eq!(judged.iter().flatten().collect::<Vec<_>>(), [&ReasonCode::NotHounsfield]);
    let codes: Vec<_> = series[0].refused.iter().map(|(object, reason)| (*object, reason.code)).collect();
    let inconsistent = ReasonCode::InconsistentAttribute;
    assert_eq!(codes, [(4, ReasonCode::MissingAttribute), (6, inconsistent)]);
}

#[test]
fn a_series_of_refused_files_is_refused_for_what_most_of_them_are() {
    let placeless = |object: usize| {
        let mut one = member(object, &format!("1.2.{object}"), [0.0; 3], AXIAL);
        one.instance.frames[0].position_mm = None;
        one
    };
    let mut short = placeless(0);
    short.instance.format.as_mut().unwrap().rows = 4000;
    let series = group_checked([short, placeless(1), placeless(2)].to_vec());
    assert_eq!(series[0].refusal.as_ref().unwrap().code, ReasonCode::MissingAttribute);
    let codes: Vec<_> = series[0].refused.iter().map(|(_, reason)| reason.code).collect();
    assert_eq!(codes, [ReasonCode::InconsistentAttribute, ReasonCode::MissingAttribute, ReasonCode::MissingAttribute]);
}

#[test]
fn files_of_a_refused_stack_keep_a_reason_of_their_own() {
    let at = |object: usize, sop: usize, z: f64| member(object, &format!("1.2.{sop}"), [0.0, 0.0, z], AXIAL);
    // Two slices at each position that nothing tells apart, a copy of one, and a file without a place.
    let mut members: Vec<Member> = (0..6).map(|index| at(index, index, (index / 2) as f64)).collect();
    members.push(at(6, 0, 0.0));
    let mut lost = at(7, 7, 0.0);
    lost.instance.frames[0].position_mm = None;
    members.push(lost);
    let series = group_checked(members);
    assert_eq!(series[0].refusal.as_ref().unwrap().code, ReasonCode::AmbiguousPositions);
    let own: Vec<_> = series[0].refused.iter().map(|(object, reason)| (*object, reason.code)).collect();
    assert_eq!(own, [(6, ReasonCode::DuplicateInstance), (7, ReasonCode::MissingAttribute)]);
}

#[test]
fn missing_modality_is_taken_with_a_ct_class_only() {
    let mut with_class = member(0, "1.2.0", [0.0; 3], AXIAL);
    with_class.instance.modality = None;
    let mut without = with_class.clone();
    without.instance.sop_class_uid = None;
    without.object = 1;
    let refusal = |member: Member| group_checked(vec![member])[0].refusal.as_ref().map(|reason| reason.code);
    assert_eq!(refusal(with_class.clone()), None);
    assert_eq!(refusal(without), Some(ReasonCode::MissingAttribute));
    with_class.instance.sop_class_uid = Some(uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE.into());
    assert_eq!(refusal(with_class), None);
}

#[test]
fn frames_of_one_file_are_slices() {
    let mut multi = member(0, "1.2.0", [0.0; 3], AXIAL);
    let frame = multi.instance.frames[0].clone();
    let at = |z: f64| FrameInfo { position_mm: Some([0.0, 0.0, z]), ..frame.clone() };
    multi.instance.frames = vec![at(2.0), at(0.0), at(1.0), at(1.0)];
    multi.instance.format.as_mut().unwrap().frames = 4;
    multi.instance.pixels.as_mut().unwrap().length = Some(128);
    let series = group_checked(vec![multi]);
    assert_eq!(series[0].slices.iter().map(|slice| slice.frame).collect::<Vec<_>>(), [1, 2, 0]);
    assert_eq!(series[0].refused_frames.iter().map(|one| one.frame).collect::<Vec<_>>(), [3]);
    assert!(series[0].refused.is_empty());
}

#[test]
fn a_localizer_among_the_frames_costs_itself() {
    for place in 0..4 {
        let mut multi = member(0, "1.2.0", [0.0; 3], AXIAL);
        let frame = multi.instance.frames[0].clone();
        let at = |z: usize| FrameInfo { position_mm: Some([0.0, 0.0, z as f64]), ..frame.clone() };
        multi.instance.frames = (0..4).map(at).collect();
        multi.instance.frames[place].image_type[2] = "LOCALIZER".into();
        multi.instance.format.as_mut().unwrap().frames = 4;
        multi.instance.pixels.as_mut().unwrap().length = Some(128);
        let series = group_checked(vec![multi]);
        assert_eq!(series[0].slices.len(), 3, "{place}");
        let refused: Vec<_> = series[0].refused_frames.iter().map(|one| (one.frame, one.reason.code)).collect();
        assert_eq!(refused, [(place, ReasonCode::Localizer)]);
    }
}

#[test]
fn geometry_of_what_is_left_shows_the_gap() {
    let members = (0..5).map(|index| member(index, &format!("1.2.{index}"), [0.0, 0.0, index as f64], AXIAL)).collect();
    let series = group(members);
    assert_eq!(series[0].geometry_of(&[0, 1, 3, 4]).unwrap().gaps, 1);
    assert_eq!(series[0].geometry_of(&[0, 1, 2, 3, 4]).as_ref().ok(), series[0].geometry.as_ref());
    assert_eq!(series[0].geometry_of(&[]).unwrap_err().code, ReasonCode::TooFewSlices);
}

/// A plane rotated about x by `tilt` and about z by `turn`, in degrees.
fn oblique(tilt: f64, turn: f64) -> Orientation {
    let (tilt, turn) = (tilt.to_radians(), turn.to_radians());
    Orientation {
        along_row: [turn.cos(), turn.sin(), 0.0],
        along_column: [-turn.sin() * tilt.cos(), turn.cos() * tilt.cos(), tilt.sin()],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn order_duplicates_gaps_and_tilt_agree_with_a_naive_oracle(
        places in prop::collection::btree_set(0_usize..60, 2..30),
        spacing in 0.5_f64..6.0,
        tilt in -25.0_f64..25.0,
        turn in -10.0_f64..10.0,
        sheared in any::<bool>(),
        repeats in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..10),
        seed in any::<prop::sample::Index>(),
    ) {
        let orientation = oblique(tilt, turn);
        let normal = orientation.normal();
        let direction = if sheared { [0.0, 0.0, 1.0] } else { normal };
        let places: Vec<usize> = places.into_iter().collect();
        let position = |place: usize| direction.map(|cosine| cosine * spacing * place as f64);
        // UIDs run against the positions, so that no order but the geometry's helps.
        let mut members: Vec<Member> = places
            .iter()
            .map(|place| member(*place, &format!("1.2.{}", 1000 - place), position(*place), orientation))
            .collect();
        for (extra, (which, same_uid)) in repeats.iter().enumerate() {
            let place = *which.get(&places);
            // As text greater than every other UID, so that the first slice at a place stays.
            let uid = if *same_uid { 1000 - place } else { 99_990_000 + extra };
            members.push(member(100 + extra, &format!("1.2.{uid}"), position(place), orientation));
        }
        let forward = group_checked(members.clone());
        members.reverse();
        let middle = seed.index(members.len());
        members.rotate_left(middle);
        let shuffled = group_checked(members);
        prop_assert_eq!(format!("{forward:?}"), format!("{shuffled:?}"));

        prop_assert_eq!(forward.len(), 1);
        // Copies cost nothing; of others, that nothing tells from the slices at their positions, few are dropped.
        let others = repeats.iter().filter(|(_, same_uid)| !same_uid).count();
        let few = if places.len() >= 3 { (0.05 * places.len() as f64).max(1.0) } else { 0.0 };
        let refusal = forward[0].refusal.as_ref().map(|reason| reason.code);
        prop_assert_eq!(refusal, (others as f64 > few).then_some(ReasonCode::AmbiguousPositions));
        if refusal.is_some() {
            return Ok(());
        }
        let found: Vec<usize> = forward[0].slices.iter().map(|slice| slice.object).collect();
        prop_assert_eq!(&found, &places);
        prop_assert_eq!(forward[0].refused.len(), repeats.len());
        let geometry = forward[0].geometry.as_ref().unwrap();
        let mut steps: Vec<usize> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let gaps = |steps: &[usize], median: usize| steps.iter().filter(|step| **step as f64 > 1.5 * median as f64).count();
        steps.sort_unstable();
        let median = steps[(steps.len() - 1) / 2];
        prop_assert_eq!(geometry.gaps, gaps(&steps, median));
        let along = if sheared { normal[2] } else { 1.0 };
        prop_assert!((geometry.slice_spacing_mm.unwrap() - median as f64 * spacing * along).abs() < 1e-6);
        let shear = if sheared && tilt.abs() >= 0.05 { tilt.abs() } else { 0.0 };
        prop_assert!((geometry.shear_deg - shear).abs() < 1e-3, "{} for {}", geometry.shear_deg, shear);
    }
}

/// The development corpus as one mixed folder, with the path of each object; empty where it is not there.
fn corpus() -> (Vec<Member>, Vec<String>) {
    fn walk(folder: &Path, root: &Path, paths: &mut Vec<String>) {
        for path in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                walk(&path, root, paths);
            } else {
                paths.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let Some(root) = bolus_testkit::shared("data") else { return Default::default() };
    let mut paths = Vec::new();
    walk(&root, &root, &mut paths);
    paths.sort();
    let read = |path: &String| match fs::read(root.join(path)).map(|bytes| read_header(&bytes, bytes.len() as u64)) {
        Ok(Ok(HeaderRead::Instance(instance))) => Some(*instance),
        _ => None,
    };
    let members = paths.iter().enumerate().filter_map(|(object, path)| {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        Some(Member { object, folder, instance: read(path)? })
    });
    (members.collect(), paths)
}

#[test]
fn whole_corpus_as_one_folder() {
    let (members, paths) = corpus();
    if members.is_empty() {
        return;
    }
    let series = group_checked(members);
    let at = |start: &str| -> Vec<&Series> {
        series.iter().filter(|one| one.files().any(|object| paths[object].starts_with(start))).collect()
    };
    for one in &series {
        let path = &paths[one.objects[0]];
        let body = one.body_part.as_ref().map(BodyPartFinding::joined);
        let (files, slices, declared) = (one.objects.len(), one.slices.len(), one.declared.verdict.as_str());
        println!(
            "{path}: {files} files, {slices} slices, {declared}, {body:?}, {:?}, derived {}",
            one.refusal, one.derived
        );
    }
    for (start, expected) in [
        ("geometry/philips-mixed-study", 3),
        ("geometry/gantrytilt-d2n", 1),
        ("series/chest-noncontrast-every10th", 1),
        ("series/totalsegmentator-abdomen-contrast", 1),
        ("series/radiomics-phantom-pat1-contrast", 1),
        ("series/radiomics-phantom-pat3-noncontrast", 1),
    ] {
        assert_eq!(at(start).len(), expected, "{start}");
    }
    let slices = |start: &str| at(start).iter().map(|one| one.slices.len()).max();
    assert_eq!(slices("geometry/philips-mixed-study"), Some(12));
    assert_eq!(slices("series/radiomics-phantom-pat1-contrast"), Some(60));
    assert_eq!(slices("series/radiomics-phantom-pat3-noncontrast"), Some(46));
    for one in at("slices-labelled/contrast") {
        assert_ne!(one.declared.verdict, Declared::No, "{:?}", one.declared);
    }
    for one in at("slices-labelled/noncontrast") {
        assert_ne!(one.declared.verdict, Declared::Yes, "{:?}", one.declared);
    }
}
