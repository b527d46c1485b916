//! Enhanced CT files: what single frames say, and the stacks that follow from it.

mod file;

use std::slice::from_ref;
use std::sync::Arc;

use bolus_study::{Declared, ReasonCode};
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};

use super::Series;
use file::*;

/// What makes a frame's values others than those of a plane of attenuation, as its own group says it.
fn spoilt() -> Vec<(&'static str, Vec<u8>, ReasonCode)> {
    vec![
        ("map", frame_type("DERIVED\\PRIMARY\\VOLUME\\IODINE"), ReasonCode::MaterialMap),
        ("material", frame_type("DERIVED\\PRIMARY\\VOLUME\\MAT_SPECIFIC"), ReasonCode::MaterialMap),
        ("projection", frame_type("DERIVED\\PRIMARY\\VOLUME\\MAXIMUM"), ReasonCode::Derived),
        ("localizer", frame_type("ORIGINAL\\PRIMARY\\LOCALIZER\\NONE"), ReasonCode::Localizer),
        ("screen", frame_type("DERIVED\\SECONDARY\\OTHER\\DOSE_INFO"), ReasonCode::SecondaryCapture),
        ("unit", rescale("MGML"), ReasonCode::MaterialMap),
        ("odd unit", rescale("US"), ReasonCode::NotHounsfield),
        ("energy", energy(40.0), ReasonCode::MaterialMap),
        ("image type", text(tags::IMAGE_TYPE, b"CS", "DERIVED\\PRIMARY\\AXIAL\\Z_EFF"), ReasonCode::MaterialMap),
        (
            "converted",
            converted(&[text(tags::IMAGE_TYPE, b"CS", "DERIVED\\SECONDARY\\AXIAL\\MIP")]),
            ReasonCode::Derived,
        ),
        ("energy of unknown", frame_type("DERIVED\\PRIMARY\\VOLUME\\VMI"), ReasonCode::MaterialMap),
    ]
}

const CLASSES: [&str; 2] = [uids::ENHANCED_CT_IMAGE_STORAGE, uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE];

#[test]
fn a_frame_whose_values_are_not_plain_costs_itself() {
    for (name, more, code) in spoilt() {
        for (place, class) in (0..FRAMES).zip(CLASSES.into_iter().cycle()) {
            let frames = pass(|index| {
                if index == place { vec![more.clone()] } else { vec![frame_type("ORIGINAL\\PRIMARY\\VOLUME\\NONE")] }
            });
            let stacks = Enhanced { class, ..Enhanced::of(frames) }.stacks();
            assert_eq!(stacks.len(), 1, "{name} {place}");
            let stack = &stacks[0];
            assert_eq!((stack.slices.len(), &stack.refusal, &stack.judgement), (FRAMES - 1, &None, &None), "{name}");
            let refused: Vec<_> = stack.refused_frames.iter().map(|one| (one.frame, one.reason.code)).collect();
            assert_eq!(refused, [(place, code)], "{name}");
        }
    }
}

/// Why nothing of `stack` is labelled unless the user allows it.
fn code_of(stack: &Series) -> Option<ReasonCode> {
    stack.refusal.as_ref().or(stack.judgement.as_ref()).map(|reason| reason.code)
}

#[test]
fn frames_whose_values_are_not_plain_in_all_or_half_of_a_file_are_refused() {
    for (name, more, code) in spoilt() {
        let all = Enhanced::of(pass(|_| vec![more.clone()])).stacks();
        assert!(all.iter().all(|stack| code_of(stack) == Some(code)), "{name}");
        let mut shared = Enhanced::of(pass(|_| Vec::new()));
        shared.shared = if code == ReasonCode::NotHounsfield || name == "unit" {
            more.clone()
        } else if name == "converted" {
            [rescale("HU"), shared_converted(&[text(tags::IMAGE_TYPE, b"CS", "DERIVED\\SECONDARY\\AXIAL\\MIP")])]
                .concat()
        } else {
            [rescale("HU"), more.clone()].concat()
        };
        assert!(shared.stacks().iter().all(|stack| code_of(stack) == Some(code)), "{name} shared");
        let half = Enhanced::of(pass(|index| if index % 2 == 0 { vec![more.clone()] } else { Vec::new() })).stacks();
        let labelled: Vec<usize> =
            half.iter().filter(|stack| code_of(stack).is_none()).map(|stack| stack.slices.len()).collect();
        assert_eq!(labelled, [FRAMES / 2], "{name}");
        let frames = half.iter().filter(|stack| code_of(stack).is_none()).flat_map(|stack| &stack.slices);
        assert!(frames.into_iter().all(|slice| slice.frame % 2 == 1), "{name}");
    }
}

#[test]
fn a_few_frames_of_attenuation_among_maps_are_labelled() {
    let map = || vec![frame_type("DERIVED\\PRIMARY\\VOLUME\\IODINE")];
    let stacks = Enhanced::of(pass(|index| if index == 3 { Vec::new() } else { map() })).stacks();
    let found: Vec<_> = stacks.iter().map(|stack| (stack.slices.len(), code_of(stack))).collect();
    assert_eq!(found, [(FRAMES - 1, Some(ReasonCode::MaterialMap)), (1, None)]);
}

#[test]
fn an_image_type_of_the_file_that_no_frame_has_speaks_for_all() {
    let of = |image_type, some: &str| {
        let frames = pass(|index| vec![frame_type(if index == 0 { some } else { "ORIGINAL\\PRIMARY\\VOLUME\\NONE" })]);
        let stacks = Enhanced { image_type, ..Enhanced::of(frames) }.stacks();
        stacks.iter().map(|stack| (stack.slices.len(), code_of(stack), stack.declared.verdict)).collect::<Vec<_>>()
    };
    let plain = "ORIGINAL\\PRIMARY\\VOLUME\\NONE";
    let map = "DERIVED\\PRIMARY\\VOLUME\\VNC";
    assert_eq!(of(map, plain), [(FRAMES, Some(ReasonCode::MaterialMap), Declared::Absent)]);
    // Copied from the first frame: that one has it, the others have not.
    assert_eq!(of(map, map), [(FRAMES - 1, None, Declared::Absent)]);
    assert_eq!(of("DERIVED\\PRIMARY\\VOLUME\\MIXED", map), [(FRAMES - 1, None, Declared::Absent)]);
    assert_eq!(of(plain, plain), [(FRAMES, None, Declared::Absent)]);
}

#[test]
fn energies_are_those_of_the_frames() {
    for frames in two_passes(&[energy(70.0)], &[energy(40.0)]) {
        let stacks = Enhanced::of(frames).stacks();
        let mut found: Vec<_> = stacks
            .iter()
            .map(|stack| {
                (code_of(stack), stack.slices.len(), stack.remarks.iter().map(|one| one.detail.clone()).collect())
            })
            .collect();
        found.sort();
        let told = |kev: u8| -> Vec<String> { vec![format!("virtual monoenergetic images of {kev} keV")] };
        assert_eq!(found, [(None, FRAMES, told(70)), (Some(ReasonCode::MaterialMap), FRAMES, told(40))]);
    }
    let frames = two_passes(&[energy(70.0)], &[energy(60.0)]).into_iter().next().unwrap();
    let stacks = Enhanced::of(frames).stacks();
    let parted = |stack: &Series| stack.stack.as_ref().map(|stack| stack.parted_by.clone()).unwrap_or_default();
    assert_eq!(
        stacks.iter().map(parted).collect::<Vec<_>>(),
        ["MonoenergeticEnergyEquivalent 60", "MonoenergeticEnergyEquivalent 70"]
    );
}

#[test]
fn contrast_is_declared_for_the_stack_whose_frames_have_it() {
    for frames in two_passes(
        &[content(&[number(tags::FRAME_ACQUISITION_NUMBER, 1)]), native()],
        &[content(&[number(tags::FRAME_ACQUISITION_NUMBER, 2)]), venous()],
    ) {
        let stacks = Enhanced::of(frames).stacks();
        let verdicts: Vec<_> = stacks.iter().map(|stack| (stack.slices.len(), stack.declared.verdict)).collect();
        assert_eq!(verdicts, [(FRAMES, Declared::No), (FRAMES, Declared::Yes)]);
        assert!(stacks[0].declared.evidence.iter().all(|one| one.value != "VENOUS" && one.value != "YES"));
        assert!(stacks[1].declared.evidence.iter().all(|one| one.value != "PRE_CONTRAST" && one.value != "NO"));
    }
    // Nothing but the usage tells the passes apart.
    for frames in two_passes(&[native()], &[venous()]) {
        let verdicts: Vec<_> =
            Enhanced::of(frames).stacks().iter().map(|stack| (stack.slices.len(), stack.declared.verdict)).collect();
        assert_eq!(verdicts, [(FRAMES, Declared::No), (FRAMES, Declared::Yes)]);
    }
}

#[test]
fn frames_of_one_stack_that_disagree_contradict() {
    let verdict = |file: Enhanced| {
        let stacks = file.stacks();
        assert_eq!(stacks.len(), 1);
        stacks[0].declared.verdict
    };
    let halves = pass(|index| vec![if index < FRAMES / 2 { native() } else { venous() }]);
    assert_eq!(verdict(Enhanced::of(halves)), Declared::Contradictory);
    let shared = |shared: Vec<u8>, own: Option<Vec<u8>>| {
        let frames = pass(|_| own.clone().into_iter().collect());
        verdict(Enhanced { shared: [rescale("HU"), shared].concat(), ..Enhanced::of(frames) })
    };
    assert_eq!(shared(venous(), None), Declared::Yes);
    assert_eq!(shared(native(), None), Declared::No);
    assert_eq!(shared(venous(), Some(venous())), Declared::Yes);
    assert_eq!(shared(native(), Some(venous())), Declared::Contradictory);
    assert_eq!(shared(Vec::new(), Some(usage("yes", "UNKNOWN"))), Declared::Yes);
    assert_eq!(shared(Vec::new(), Some(usage("", "UNKNOWN"))), Declared::Absent);
}

#[test]
fn agents_are_told_apart_by_their_numbers() {
    let agent = |number_of: u16, name: &str, route: &str| {
        let route = [text(tags::CODE_VALUE, b"SH", route), text(tags::CODE_MEANING, b"LO", "x")];
        [
            text(tags::CODE_MEANING, b"LO", name),
            sequence(tags::CONTRAST_BOLUS_ADMINISTRATION_ROUTE_SEQUENCE, &[route.concat()]),
            number(tags::CONTRAST_BOLUS_AGENT_NUMBER, number_of),
        ]
        .concat()
    };
    // The second is oral.
    let agents = sequence(
        tags::CONTRAST_BOLUS_AGENT_SEQUENCE,
        &[agent(1, "Iohexol", "47625008"), agent(2, "Diatrizoate", "26643006")],
    );
    let verdict = |items: &[Vec<u8>]| {
        let usage = sequence(tags::CONTRAST_BOLUS_USAGE_SEQUENCE, items);
        let file = Enhanced { top: agents.clone(), ..Enhanced::of(pass(|_| vec![usage.clone()])) };
        file.stacks()[0].declared.verdict
    };
    let of = |agent, administered| {
        let phase = if administered == "NO" { "PRE_CONTRAST" } else { "VENOUS" };
        usage_of(agent, administered, phase)
    };
    assert_eq!(verdict(&[of(1, "NO"), of(2, "YES")]), Declared::No);
    assert_eq!(verdict(&[of(2, "YES"), of(1, "NO")]), Declared::No);
    assert_eq!(verdict(&[of(1, "YES"), of(2, "NO")]), Declared::Yes);
    assert_eq!(verdict(&[of(1, "NO"), of(3, "YES")]), Declared::Yes, "one vessel is enough");
}

/// What tells a pass, in its own words, as the functional group of a frame holds it, and what it is told as.
fn marks() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let heart = |tag, value| group(tags::CARDIAC_SYNCHRONIZATION_SEQUENCE, &[real(tag, value)]);
    let breath = |tag, value| group(tags::RESPIRATORY_SYNCHRONIZATION_SEQUENCE, &[real(tag, value)]);
    let moment = |tag, value| content(&[text(tag, b"DT", value)]);
    let event =
        |uid| group(tags::IRRADIATION_EVENT_IDENTIFICATION_SEQUENCE, &[text(tags::IRRADIATION_EVENT_UID, b"UI", uid)]);
    let acquisition =
        |uid| group(tags::CT_ACQUISITION_DETAILS_SEQUENCE, &[text(tags::IRRADIATION_EVENT_UID, b"UI", uid)]);
    let kernel = |name| group(tags::CT_RECONSTRUCTION_SEQUENCE, &[text(tags::CONVOLUTION_KERNEL, b"SH", name)]);
    let rays = |tag, vr, value| group(tags::CTX_RAY_DETAILS_SEQUENCE, &[text(tag, vr, value)]);
    let offset = |value| group(tags::TEMPORAL_POSITION_SEQUENCE, &[real(tags::TEMPORAL_POSITION_TIME_OFFSET, value)]);
    let (nominal, actual) = (tags::NOMINAL_CARDIAC_TRIGGER_DELAY_TIME, tags::ACTUAL_CARDIAC_TRIGGER_DELAY_TIME);
    let (times, moments) = (["20260101101010", "20260101101110"], tags::FRAME_ACQUISITION_DATE_TIME);
    let of_breath = tags::NOMINAL_PERCENTAGE_OF_RESPIRATORY_PHASE;
    let made = |time: &str| converted(&[text(tags::ACQUISITION_TIME, b"TM", time)]);
    let numbered = |value: &str| converted(&[text(tags::ACQUISITION_NUMBER, b"IS", value)]);
    vec![
        ("IrradiationEventUID (", event("1.2.1"), event("1.2.2")),
        ("IrradiationEventUID (", acquisition("1.2.1"), acquisition("1.2.2")),
        ("TemporalPositionTimeOffset ", offset(0.0), offset(30.0)),
        ("AcquisitionTime (", moment(moments, times[0]), moment(moments, times[1])),
        (
            "FrameReferenceDateTime (",
            moment(tags::FRAME_REFERENCE_DATE_TIME, times[0]),
            moment(tags::FRAME_REFERENCE_DATE_TIME, times[1]),
        ),
        ("TriggerTime ", heart(nominal, 30.0), heart(nominal, 700.0)),
        ("TriggerTime ", heart(actual, 30.0), heart(actual, 700.0)),
        (
            "TriggerTime ",
            breath(tags::NOMINAL_RESPIRATORY_TRIGGER_DELAY_TIME, 30.0),
            breath(tags::NOMINAL_RESPIRATORY_TRIGGER_DELAY_TIME, 700.0),
        ),
        ("NominalPercentageOfCardiacPhase ", breath(of_breath, 0.0), breath(of_breath, 50.0)),
        ("KVP ", rays(tags::KVP, b"DS", "80"), rays(tags::KVP, b"DS", "140")),
        ("FilterType ", rays(tags::FILTER_TYPE, b"SH", "WEDGE"), rays(tags::FILTER_TYPE, b"SH", "FLAT")),
        ("ConvolutionKernel ", kernel("B30f"), kernel("B70f")),
        ("AcquisitionTime (", made("101010"), made("101110")),
        ("AcquisitionNumber ", numbered("1"), numbered("2")),
    ]
}

#[test]
fn what_the_groups_of_frames_tell_parts_passes() {
    for (keyword, first, second) in marks() {
        for (frames, class) in
            two_passes(from_ref(&first), from_ref(&second)).into_iter().zip(CLASSES.into_iter().cycle())
        {
            // The other frame's is in the shared group, too: a frame's own comes first.
            for shared in [Vec::new(), first.clone()] {
                let shared = [rescale("HU"), shared].concat();
                let stacks = Enhanced { class, shared, ..Enhanced::of(frames.clone()) }.stacks();
                let told: Vec<_> = stacks.iter().filter_map(|stack| stack.stack.clone()).collect();
                assert_eq!(stacks.iter().map(|stack| stack.slices.len()).collect::<Vec<_>>(), [FRAMES; 2], "{keyword}");
                assert!(told.iter().all(|stack| stack.parted_by.starts_with(keyword)), "{keyword}: {told:?}");
            }
        }
        // What all frames share parts nothing.
        let whole = Enhanced::of(pass(|_| Vec::new()));
        let stacks = Enhanced { shared: [rescale("HU"), first].concat(), ..whole }.stacks();
        assert_eq!(stacks.iter().map(|stack| stack.slices.len()).collect::<Vec<_>>(), [FRAMES], "{keyword}");
    }
}

#[test]
fn dimensions_part_passes_where_they_are_no_places() {
    let values = |values: &[u32]| {
        let cells: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        content(&[bytes(tags::DIMENSION_INDEX_VALUES, b"UL", &cells)])
    };
    let pointers = |pointers: &[Tag]| {
        let item = |tag: &Tag| {
            let cells = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
            bytes(tags::DIMENSION_INDEX_POINTER, b"AT", &cells)
        };
        sequence(tags::DIMENSION_INDEX_SEQUENCE, &pointers.iter().map(item).collect::<Vec<_>>())
    };
    let sizes = |top: Vec<u8>, index: &dyn Fn(u32, u32) -> Vec<u32>| {
        let of = |pass_number| pass(move |place| vec![values(&index(pass_number, place as u32 + 1))]);
        let frames = of(1).into_iter().zip(of(2)).flat_map(|(a, b)| [a, b]).collect();
        let stacks = Enhanced { top, ..Enhanced::of(frames) }.stacks();
        let sizes: Vec<_> = stacks.iter().map(|stack| stack.slices.len()).collect();
        let codes: Vec<_> = stacks.iter().filter_map(code_of).collect();
        (sizes, codes)
    };
    let parted = (vec![FRAMES; 2], Vec::new());
    let place = tags::IN_STACK_POSITION_NUMBER;
    let phase = tags::CONTRAST_BOLUS_AGENT_PHASE;
    assert_eq!(sizes(pointers(&[phase, place]), &|pass, place| vec![pass, place]), parted);
    assert_eq!(sizes(pointers(&[place, phase]), &|pass, place| vec![place, pass]), parted);
    assert_eq!(sizes(pointers(&[tags::STACK_ID, place, phase]), &|pass, place| vec![1, place, pass]), parted);
    assert_eq!(sizes(Vec::new(), &|pass, place| vec![pass, place]), parted, "nobody says what they are");
    // Places are no passes: nothing tells these apart.
    let alike = sizes(pointers(&[tags::IMAGE_POSITION_PATIENT]), &|_, place| vec![place]);
    assert_eq!(alike, (vec![0], vec![ReasonCode::AmbiguousPositions]));
    // One pass of one slice an index stays one.
    let frames = pass(|place| vec![values(&[place as u32 + 1, 1])]);
    assert_eq!(Enhanced::of(frames).stacks().len(), 1);
}

#[test]
fn a_legacy_converted_file_is_read_like_the_files_that_it_was() {
    let agent = |agent: &str| {
        converted(&[
            text(tags::CONTRAST_BOLUS_AGENT, b"LO", agent),
            text(tags::ACQUISITION_NUMBER, b"IS", if agent == "NONE" { "1" } else { "2" }),
        ])
    };
    for frames in two_passes(&[agent("NONE")], &[agent("Omnipaque 350")]) {
        let file = Enhanced { class: uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE, ..Enhanced::of(frames) };
        let verdicts: Vec<_> = file.stacks().iter().map(|stack| (stack.slices.len(), stack.declared.verdict)).collect();
        assert_eq!(verdicts, [(FRAMES, Declared::No), (FRAMES, Declared::Yes)]);
    }
    let shared = shared_converted(&[
        text(tags::CONTRAST_BOLUS_AGENT, b"LO", "Omnipaque 350"),
        text(tags::CONVOLUTION_KERNEL, b"SH", "B30f"),
        text(tags::KVP, b"DS", "120"),
    ]);
    let file = Enhanced { shared: [rescale("HU"), shared].concat(), ..Enhanced::of(pass(|_| Vec::new())) };
    let stack = file.stacks().remove(0);
    assert_eq!((stack.declared.verdict, stack.facts.kernel.as_deref()), (Declared::Yes, Some("B30f")));
    assert_eq!(file.read().unwrap().frames[3].pass.kvp, Some(120.0));
}

#[test]
fn frames_of_another_plane_cost_themselves() {
    let coronal = || {
        group(tags::PLANE_ORIENTATION_SEQUENCE, &[text(tags::IMAGE_ORIENTATION_PATIENT, b"DS", "1\\0\\0\\0\\0\\-1")])
    };
    for place in [0, 3, FRAMES - 1] {
        let stacks = Enhanced::of(pass(|index| if index == place { vec![coronal()] } else { Vec::new() })).stacks();
        assert_eq!((stacks.len(), stacks[0].slices.len()), (1, FRAMES - 1));
        let refused: Vec<_> = stacks[0].refused_frames.iter().map(|one| (one.frame, one.reason.code)).collect();
        assert_eq!(refused, [(place, ReasonCode::NotAxial)]);
    }
}

#[test]
fn frames_that_say_the_same_share_it_and_what_is_said_is_bounded() {
    let turns = |index: usize| vec![if index.is_multiple_of(2) { native() } else { venous() }];
    let frames: Vec<_> = (0..1000).map(|index| frame(index as f64, &turns(index))).collect();
    let instance = Enhanced::of(frames).read().unwrap();
    let says: Vec<_> = instance.frames.iter().map(|frame| frame.says.as_ref().unwrap()).collect();
    assert!((2..1000).all(|index| Arc::ptr_eq(says[index], says[index % 2])));
    let other = |index: usize| vec![converted(&[text(tags::CONTRAST_BOLUS_AGENT, b"LO", &format!("{index:0200}"))])];
    let frames: Vec<_> = (0..20_000).map(|index| frame(index as f64, &other(index))).collect();
    let found = Enhanced::of(frames).read();
    assert_eq!(found.map_err(|reason| reason.code).err(), Some(ReasonCode::TooLarge));
    // A text of all frames is taken once for each.
    let long = group(tags::CT_RECONSTRUCTION_SEQUENCE, &[text(tags::CONVOLUTION_KERNEL, b"SH", &"K".repeat(256))]);
    let long = [long, frame_type(&"TYPE\\".repeat(51))].concat();
    let mut many = Enhanced::of((0..3_000).map(|_| Vec::new()).collect());
    many.shared.extend(long);
    let found = many.read().unwrap_err();
    assert!(found.code == ReasonCode::TooLarge && found.detail.starts_with("the frames take more"), "{found:?}");
}
