use std::collections::BTreeSet;

use bolus_study::{Evidence, Orientation, ReasonCode, RemarkCode, Says, SeriesUid, SopInstanceUid, StudyUid};
use proptest::prelude::*;

use crate::series::tests::{AXIAL, group_checked, member};
use crate::{Member, PassMarks, Series};

/// The slices of one pass: `first` is the object of the first, `start` its position in millimetres.
fn pass(first: usize, count: usize, start: f64, step: f64, mark: impl Fn(usize, &mut Member)) -> Vec<Member> {
    let slice = |index: usize| {
        let object = first + index;
        let mut one = member(object, &format!("1.2.{}", 1000 - object), [0.0, 0.0, start + step * index as f64], AXIAL);
        mark(index, &mut one);
        one
    };
    (0..count).map(slice).collect()
}

fn marks(member: &mut Member) -> &mut PassMarks {
    &mut member.instance.frames[0].pass
}

fn acquisition(number: usize) -> impl Fn(usize, &mut Member) {
    move |_, one| marks(one).acquisition_number = Some(number as f64)
}

/// The objects of each stack's slices, with what parts it.
fn stacks(members: Vec<Member>) -> Vec<(Vec<usize>, String)> {
    let mut turned = members.clone();
    turned.reverse();
    let series = group_checked(members);
    assert_eq!(format!("{series:?}"), format!("{:?}", group_checked(turned)));
    assert!(series.iter().all(|one| one.refusal.is_none()), "{:?}", series[0].refusal);
    series.iter().map(told).collect()
}

fn told(series: &Series) -> (Vec<usize>, String) {
    let mut objects: Vec<usize> = series.slices.iter().map(|slice| slice.object).collect();
    objects.sort_unstable();
    (objects, series.stack.as_ref().map(|stack| format!("{} {}", stack.number, stack.parted_by)).unwrap_or_default())
}

fn check(members: Vec<Member>, expected: &[(std::ops::Range<usize>, &str)]) {
    let expected: Vec<(Vec<usize>, String)> =
        expected.iter().map(|(objects, told)| (objects.clone().collect(), (*told).to_owned())).collect();
    assert_eq!(stacks(members), expected);
}

fn both(mut first: Vec<Member>, second: Vec<Member>) -> Vec<Member> {
    first.extend(second);
    first
}

fn refusal(members: Vec<Member>) -> Option<ReasonCode> {
    let series = group_checked(members);
    assert!(series.len() == 1 && series[0].slices.is_empty(), "{} stacks", series.len());
    series[0].refusal.as_ref().map(|reason| reason.code)
}

#[test]
fn two_passes_at_the_same_positions_or_half_a_step_apart_are_two_stacks() {
    for start in [0.0, 2.0, 0.03] {
        let members = both(pass(0, 8, 0.0, 4.0, acquisition(1)), pass(8, 8, start, 4.0, acquisition(2)));
        check(members, &[(0..8, "1 AcquisitionNumber 1"), (8..16, "2 AcquisitionNumber 2")]);
    }
}

#[test]
fn step_and_shoot_stays_one() {
    let numbered = |index: usize, one: &mut Member| {
        marks(one).acquisition_number = Some(index as f64 + 1.0);
        marks(one).acquired_s = Some(10.0 * index as f64);
        marks(one).irradiation_event_uid = Some(format!("9.{index}"));
        marks(one).made_s = Some(10.0 * index as f64 + 3.0);
    };
    check(pass(0, 8, 0.0, 4.0, numbered), &[(0..8, "")]);
    // Four rows a rotation.
    let rows = |index: usize, one: &mut Member| marks(one).acquisition_number = Some((index / 4) as f64);
    check(pass(0, 16, 0.0, 4.0, rows), &[(0..16, "")]);
}

#[test]
fn two_step_and_shoot_passes_are_two() {
    for (start, step) in [(0.0, 4.0), (2.0, 4.0), (28.0, -4.0), (30.0, -4.0)] {
        let second = |index: usize, one: &mut Member| marks(one).acquisition_number = Some(index as f64 + 9.0);
        let members = both(
            pass(0, 8, 0.0, 4.0, |index, one| marks(one).acquisition_number = Some(index as f64 + 1.0)),
            pass(8, 8, start, step, second),
        );
        check(members, &[(0..8, "1 AcquisitionNumber 1 to 8"), (8..16, "2 AcquisitionNumber 9 to 16")]);
    }
}

#[test]
fn ranges_behind_one_another_stay_one_though_they_overlap_a_little() {
    let ranges = |second: f64| both(pass(0, 20, 0.0, 4.0, acquisition(1)), pass(20, 20, second, 4.0, acquisition(2)));
    check(ranges(80.0), &[(0..40, "")]);
    // A slice of a slab fills a gap of the other.
    check(both(pass(0, 6, 0.0, 8.0, acquisition(1)), pass(6, 1, 44.0, 4.0, acquisition(2))), &[(0..7, "")]);
    // Ranges that touch.
    let series = group_checked(ranges(76.0));
    assert_eq!((series.len(), series[0].slices.len(), series[0].refused.len()), (1, 39, 1));
    // What scans two places again, or lies between, is a pass of its own, however long the ranges are.
    for second in [40.0, 64.0, 70.0, 72.0] {
        check(ranges(second), &[(0..20, "1 AcquisitionNumber 1"), (20..40, "2 AcquisitionNumber 2")]);
    }
}

#[test]
fn two_slices_half_a_step_from_two_others_are_a_pass_and_a_gap_that_is_filled_is_none() {
    type Mark = fn(&mut Member, usize);
    let by: [Mark; 3] = [
        |one, pass| marks(one).acquisition_number = Some(pass as f64),
        |one, pass| marks(one).kvp = Some(60.0 + 20.0 * pass as f64),
        |one, pass| marks(one).acquired_s = Some(60.0 * pass as f64),
    ];
    for mark in by {
        let of = |pass: usize| move |_: usize, one: &mut Member| mark(one, pass);
        let found = stacks(both(pass(0, 2, 0.0, 5.0, of(1)), pass(2, 2, 2.5, 5.0, of(2))));
        assert_eq!(found.iter().map(|(objects, _)| objects.clone()).collect::<Vec<_>>(), [[0, 1], [2, 3]]);
        // Two behind two others, and two in the gap of two others.
        check(both(pass(0, 2, 0.0, 5.0, of(1)), pass(2, 2, 10.0, 5.0, of(2))), &[(0..4, "")]);
        check(both(pass(0, 2, 0.0, 100.0, of(1)), pass(2, 2, 40.0, 5.0, of(2))), &[(0..4, "")]);
    }
}

#[test]
fn each_attribute_parts_two_passes() {
    type Mark = fn(&mut Member, usize);
    let cases: [(&str, Mark); 13] = [
        ("StackID", |one, pass| marks(one).stack_id = Some(pass.to_string())),
        ("TemporalPositionIndex", |one, pass| marks(one).temporal_position = Some(pass as f64)),
        ("AcquisitionNumber", |one, pass| marks(one).acquisition_number = Some(pass as f64)),
        ("IrradiationEventUID", |one, pass| marks(one).irradiation_event_uid = Some(format!("9.{pass}"))),
        ("AcquisitionTime", |one, pass| marks(one).acquired_s = Some(30.0 * pass as f64)),
        ("NominalPercentageOfCardiacPhase", |one, pass| marks(one).phase_percent = Some(10.0 * pass as f64)),
        ("TriggerTime", |one, pass| marks(one).trigger_ms = Some(80.0 * pass as f64)),
        ("KVP", |one, pass| marks(one).kvp = Some(60.0 + 20.0 * pass as f64)),
        ("ConvolutionKernel", |one, pass| marks(one).kernel = Some(format!("B{pass}0f"))),
        ("FilterType", |one, pass| marks(one).filter = Some(format!("F{pass}"))),
        ("ImageType", |one, pass| one.instance.frames[0].image_type.push(format!("T{pass}"))),
        ("ContrastBolusAgent", |one, pass| {
            let (attribute, value) = ("ContrastBolusAgent".to_owned(), format!("agent {pass}"));
            one.instance.evidence = vec![Evidence { attribute, value, says: Says::Enhanced, rule: "agent".into() }];
        }),
        ("ContentTime", |one, pass| marks(one).made_s = Some(30.0 * pass as f64)),
    ];
    for (keyword, mark) in cases {
        for start in [0.0, 2.0] {
            let of = |number: usize| move |_: usize, one: &mut Member| mark(one, number);
            let members = both(pass(0, 8, 0.0, 4.0, of(1)), pass(8, 8, start, 4.0, of(2)));
            if (keyword, start) == ("ContentTime", 2.0) {
                // When files were written says nothing of slices that lie in between others.
                continue;
            }
            let found = stacks(members);
            assert_eq!(found.iter().map(|(objects, _)| objects.len()).collect::<Vec<_>>(), [8, 8], "{keyword}");
            assert!(found.iter().all(|(_, told)| told.contains(keyword)), "{keyword}: {found:?}");
        }
    }
}

#[test]
fn clocks_that_run_on_part_passes_at_a_pause() {
    for start in [0.0, 2.0] {
        let clock =
            |begin: f64| move |index: usize, one: &mut Member| marks(one).acquired_s = Some(begin + 0.4 * index as f64);
        let members = both(pass(0, 12, 0.0, 4.0, clock(0.0)), pass(12, 12, start, 4.0, clock(40.0)));
        check(members, &[(0..12, "1 AcquisitionTime (1 of 2)"), (12..24, "2 AcquisitionTime (2 of 2)")]);
    }
    // A writer's clock that tells one time for a whole pass, at the same positions and half a step apart.
    for start in [0.0, 2.0] {
        let made = |seconds: f64| move |_: usize, one: &mut Member| marks(one).made_s = Some(seconds);
        let members = both(pass(0, 12, 0.0, 4.0, made(0.0)), pass(12, 12, start, 4.0, made(60.0)));
        assert_eq!(stacks(members).len(), 2, "{start}");
    }
    // A writer that writes a pass in any order is no reason to part it.
    let order = [3.0, 9.0, 1.0, 7.0, 0.0, 8.0, 2.0, 11.0, 5.0, 10.0, 4.0, 6.0];
    let shuffled = |index: usize, one: &mut Member| {
        marks(one).made_s = Some(order[index]);
        marks(one).acquired_s = Some(order[index]);
    };
    check(pass(0, 12, 0.0, 4.0, shuffled), &[(0..12, "")]);
}

#[test]
fn a_second_way_in_between_is_a_second_pass_though_only_the_numbers_say_so() {
    let numbered =
        |first: usize| move |index: usize, one: &mut Member| marks(one).instance_number = Some((first + index) as f64);
    for start in [0.0, 2.0, 0.8] {
        let members = both(pass(0, 8, 0.0, 4.0, numbered(1)), pass(8, 8, start, 4.0, numbered(9)));
        assert_eq!(stacks(members).len(), 2, "{start}");
    }
}

#[test]
fn attributes_part_together() {
    let of = |number: usize, kernel: &'static str| {
        move |_: usize, one: &mut Member| {
            marks(one).acquisition_number = Some(number as f64);
            marks(one).kernel = Some(kernel.into());
        }
    };
    let mut members = Vec::new();
    for (place, (number, kernel)) in [(1, "B30f"), (1, "B70f"), (2, "B30f"), (2, "B70f")].into_iter().enumerate() {
        members.extend(pass(8 * place, 8, 0.0, 4.0, of(number, kernel)));
    }
    check(
        members,
        &[
            (0..8, "1 AcquisitionNumber 1, ConvolutionKernel B30f"),
            (8..16, "2 AcquisitionNumber 1, ConvolutionKernel B70f"),
            (16..24, "3 AcquisitionNumber 2, ConvolutionKernel B30f"),
            (24..32, "4 AcquisitionNumber 2, ConvolutionKernel B70f"),
        ],
    );
}

#[test]
fn perfusion_at_each_position_is_parted_by_its_times_or_refused() {
    let shot = |temporal: bool| {
        pass(0, 24, 0.0, 0.0, move |index, one| {
            one.instance.frames[0].position_mm = Some([0.0, 0.0, (index / 6) as f64 * 4.0]);
            marks(one).acquired_s = Some(index as f64 * 2.0);
            marks(one).temporal_position = temporal.then_some((index % 6) as f64 + 1.0);
        })
    };
    let found = stacks(shot(true));
    assert_eq!(found.iter().map(|(objects, _)| objects.len()).collect::<Vec<_>>(), [4; 6]);
    assert_eq!(found[1], (vec![1, 7, 13, 19], "2 TemporalPositionIndex 2".into()));
    assert_eq!(refusal(shot(false)), Some(ReasonCode::AmbiguousPositions));
}

#[test]
fn what_nothing_tells_apart_is_refused_by_name() {
    let members = || both(pass(0, 8, 0.0, 4.0, |_, _| {}), pass(8, 8, 0.0, 4.0, |_, _| {}));
    assert_eq!(refusal(members()), Some(ReasonCode::AmbiguousPositions));
    // Numbers that any order gave say nothing, those of two sweeps do.
    let numbered = |number: fn(usize) -> usize| {
        let mut members = members();
        members.iter_mut().enumerate().for_each(|(index, one)| marks(one).instance_number = Some(number(index) as f64));
        members
    };
    assert_eq!(refusal(numbered(|index| index % 8)), Some(ReasonCode::AmbiguousPositions));
    assert_eq!(refusal(numbered(|index| index * 7 % 16)), Some(ReasonCode::AmbiguousPositions));
    check(numbered(|index| index), &[(0..8, "1 InstanceNumber (1 of 2)"), (8..16, "2 InstanceNumber (2 of 2)")]);
    // One slice too many is dropped.
    let series = group_checked(both(pass(0, 8, 0.0, 4.0, |_, _| {}), pass(8, 1, 8.0, 4.0, |_, _| {})));
    assert_eq!((series[0].slices.len(), series[0].refused[0].1.code), (8, ReasonCode::DuplicatePosition));
}

#[test]
fn patients_and_studies_are_told_apart_without_their_names() {
    let of = |patient: Option<&'static str>, study: &'static str| {
        move |_: usize, one: &mut Member| {
            one.instance.patient_id = patient.map(str::to_owned);
            one.instance.study_uid = StudyUid::new(study).ok();
        }
    };
    let two = |a, b| both(pass(0, 8, 0.0, 4.0, a), pass(8, 8, 2.0, 4.0, b));
    check(
        two(of(Some("P1"), "1.1"), of(Some("P2"), "1.1")),
        &[(0..8, "1 PatientID (1 of 2)"), (8..16, "2 PatientID (2 of 2)")],
    );
    let told = ["1 StudyInstanceUID (1 of 2)", "2 StudyInstanceUID (2 of 2)"];
    check(two(of(Some("P1"), "1.1"), of(Some("P1"), "1.2")), &[(0..8, told[0]), (8..16, told[1])]);
    check(two(of(Some("P1"), "1.1"), of(None, "1.1")), &[(0..16, "")]);
}

#[test]
fn different_slices_with_one_sop_uid_are_all_used_and_copies_are_not() {
    let same = |_: usize, one: &mut Member| one.instance.sop_instance_uid = SopInstanceUid::new("1.2.9").ok();
    let members = pass(0, 8, 0.0, 4.0, same);
    let series = group_checked(members.clone());
    assert_eq!((series.len(), series[0].slices.len()), (1, 8));
    assert_eq!(series[0].remarks.iter().map(|remark| remark.code).collect::<Vec<_>>(), [RemarkCode::SharedUid]);
    let copies = members.iter().map(|one| Member { object: one.object + 8, ..one.clone() }).collect();
    let series = group_checked(both(members.clone(), copies));
    let codes: BTreeSet<_> = series[0].refused.iter().map(|(_, reason)| reason.code).collect();
    assert_eq!((series[0].slices.len(), codes), (8, BTreeSet::from([ReasonCode::DuplicateInstance])));
    // Two passes with one UID.
    let second = pass(8, 8, 0.0, 4.0, |index, one| {
        same(index, one);
        acquisition(2)(index, one);
    });
    check(both(members, second), &[(0..8, "1 AcquisitionNumber not stated"), (8..16, "2 AcquisitionNumber 2")]);
}

#[test]
fn a_few_pages_of_another_plane_or_kind_cost_themselves() {
    let coronal = Orientation { along_row: [1.0, 0.0, 0.0], along_column: [0.0, 0.0, -1.0] };
    let page = |object: usize, orientation: Orientation, z_mm: f64| {
        let mut page = member(object, &format!("1.2.{object}"), [0.0, 0.0, z_mm], orientation);
        page.instance.frames[0].image_type = vec!["DERIVED".into(), "SECONDARY".into(), "REFORMATTED".into()];
        page
    };
    let cases = [
        (page(20, coronal, 8.0), Some(ReasonCode::NotAxial)),
        (page(20, AXIAL, 8.0), Some(ReasonCode::DuplicatePosition)),
        (page(20, AXIAL, 10.0), Some(ReasonCode::DuplicatePosition)),
        (page(20, AXIAL, 80.0), None),
    ];
    for (page, refused) in cases {
        let alone = group_checked(pass(0, 20, 0.0, 4.0, |_, _| {}));
        let series = group_checked(both(pass(0, 20, 0.0, 4.0, |_, _| {}), vec![page]));
        let [one] = series.as_slice() else { panic!("{} stacks", series.len()) };
        assert_eq!((one.stack.as_ref(), one.slices.len()), (None, if refused.is_some() { 20 } else { 21 }));
        assert_eq!(one.refused.iter().map(|(_, reason)| reason.code).collect::<Vec<_>>(), Vec::from_iter(refused));
        assert_eq!((one.derived, one.remarks.len()), (refused.is_none(), usize::from(refused.is_some())));
        // A page of another plane was a series of its own before, so it is not of this one's content.
        let plain: Vec<String> = alone[0].objects.iter().map(|object| format!("1.2.{}", 1000 - object)).collect();
        assert_eq!(alone[0].content().map(|(_, uid)| uid).collect::<Vec<_>>(), plain);
        let content =
            |series: &Series| series.content().map(|(object, uid)| (object, uid.to_owned())).collect::<Vec<_>>();
        assert_eq!(content(one) == content(&alone[0]), refused == Some(ReasonCode::NotAxial));
    }
    // As many as a stack are one.
    let many = both(
        pass(0, 20, 0.0, 4.0, |_, _| {}),
        (20..26)
            .map(|object| {
                let mut page = page(object, coronal, 0.0);
                page.instance.frames[0].position_mm = Some([0.0, object as f64, 0.0]);
                page
            })
            .collect(),
    );
    let found = stacks(many);
    assert_eq!(found[0].1, "1 ImageOrientationPatient (1 of 2)");
    assert_eq!((found[0].0.len(), found[1].0.len()), (20, 6));
}

/// One file of two passes: frames of both, at each position.
fn two_in_one_file(object: usize, parted: bool) -> Member {
    let mut one = member(object, &format!("1.2.{object}"), [0.0; 3], AXIAL);
    let frame = one.instance.frames[0].clone();
    one.instance.frames = (0..16_u8)
        .map(|index| {
            let mut frame = frame.clone();
            frame.position_mm = Some([0.0, 0.0, f64::from(index / 2) * 4.0]);
            frame.pass.temporal_position = parted.then_some(f64::from(index % 2) + 1.0);
            frame
        })
        .collect();
    let format = one.instance.format.as_mut().unwrap();
    format.frames = 16;
    one.instance.pixels.as_mut().unwrap().length = Some(512);
    one
}

#[test]
fn two_times_in_one_file_are_two_stacks_with_content_of_their_own() {
    let series = group_checked(vec![two_in_one_file(0, true)]);
    let frames = |one: &Series| one.slices.iter().map(|slice| slice.frame).collect::<Vec<_>>();
    assert_eq!(series.len(), 2);
    assert_eq!(frames(&series[0]), (0..16).step_by(2).collect::<Vec<_>>());
    assert_eq!(frames(&series[1]), (1..16).step_by(2).collect::<Vec<_>>());
    let content = |one: &Series| one.content().map(|(_, uid)| uid.to_owned()).collect::<Vec<_>>();
    assert_ne!(content(&series[0]), content(&series[1]));
    assert_eq!(series.iter().map(|one| one.counted_files().count()).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(refusal(vec![two_in_one_file(0, false)]), Some(ReasonCode::AmbiguousPositions));
}

#[test]
fn series_uids_with_letters_stay_different() {
    let of = |uid: &'static str| move |_: usize, one: &mut Member| one.instance.series_uid = SeriesUid::of_data(uid);
    let found = stacks(both(pass(0, 8, 0.0, 4.0, of("anon.a1")), pass(8, 8, 0.0, 4.0, of("anon.b2"))));
    assert_eq!(found, [((0..8).collect(), String::new()), ((8..16).collect(), String::new())]);
}

/// Any file: one frame or a few, at one of a few positions, with any of a few marks, of one of two patients, planes and SOP UIDs.
fn any_file() -> impl Strategy<Value = Member> {
    let frame = (0_u8..6, 0_u8..3, 0_u8..3, any::<bool>(), 0_u8..12);
    (prop::collection::vec(frame, 1..4), 0_u16..40, 0_u8..12, any::<bool>()).prop_map(|(frames, uid, odd, second)| {
        let mut one = member(0, &format!("1.2.{uid}"), [0.0; 3], AXIAL);
        let sample = one.instance.frames[0].clone();
        one.instance.frames = frames
            .iter()
            .map(|(place, acquisition, time, kernel, odd)| {
                let mut frame = sample.clone();
                frame.position_mm = (*odd != 0).then_some([0.0, 0.0, f64::from(*place) * 3.0]);
                frame.pass.acquisition_number = Some(f64::from(*acquisition));
                frame.pass.acquired_s = Some(f64::from(*time) * 20.0);
                frame.pass.kernel = kernel.then(|| "B70f".to_owned());
                if *odd == 1 {
                    frame.orientation =
                        Some(Orientation { along_row: [1.0, 0.0, 0.0], along_column: [0.0, 0.0, -1.0] });
                }
                frame
            })
            .collect();
        one.instance.format.as_mut().unwrap().frames = frames.len();
        one.instance.pixels.as_mut().unwrap().length = Some(128);
        one.instance.patient_id = second.then(|| "P2".to_owned());
        match odd {
            0 => one.instance.modality = Some("MR".into()),
            1 => one.instance.sop_instance_uid = None,
            2 => one.instance.series_uid = None,
            _ => {}
        }
        one
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_frame_ends_once_and_no_stack_has_two_at_one_position(
        files in prop::collection::vec(any_file(), 1..40),
        turn in any::<prop::sample::Index>(),
    ) {
        let members: Vec<Member> =
            files.into_iter().enumerate().map(|(object, one)| Member { object, ..one }).collect();
        let mut turned = members.clone();
        turned.reverse();
        let middle = turn.index(turned.len());
        turned.rotate_left(middle);
        let series = group_checked(members);
        prop_assert_eq!(format!("{series:?}"), format!("{:?}", group_checked(turned)));
        for one in &series {
            prop_assert!(one.slices.windows(2).all(|pair| pair[1].z_mm - pair[0].z_mm > 1.0));
        }
        // Within a Series Instance UID each stack has a number of its own, and content of its own.
        let mut numbers = BTreeSet::new();
        let mut contents = BTreeSet::new();
        for one in series.iter().filter(|one| !one.slices.is_empty()) {
            let number = one.stack.as_ref().map(|stack| stack.number);
            prop_assert!(numbers.insert((one.uid.clone(), number)));
            let content: Vec<(usize, String)> = one.content().map(|(object, uid)| (object, uid.to_owned())).collect();
            prop_assert!(contents.insert(content));
        }
    }
}
