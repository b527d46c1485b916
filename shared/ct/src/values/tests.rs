use bolus_study::{Reason, ReasonCode};
use dicom_core::Tag;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::{StandardDataDictionary, tags, uids};

use super::*;
use crate::header::tests::{explicit, file_of};
use crate::refusal::{image_refusal, judgement_of, refusal_of};
use crate::{HeaderRead, Instance, read_header};

/// An element of the data set: a text, or items.
#[derive(Clone)]
enum Value<'v> {
    Text(&'v str),
    Number(f64),
    Items(Vec<Vec<(Tag, Value<'v>)>>),
}

use Value::{Items, Number, Text};

fn item_of<'v>(elements: Vec<(Tag, Value<'v>)>) -> Value<'v> {
    Items(vec![elements])
}

fn element(tag: Tag, value: &Value<'_>) -> Vec<u8> {
    let vr = StandardDataDictionary.by_tag(tag).unwrap().vr().relaxed().to_string();
    let vr: &[u8; 2] = vr.as_bytes().try_into().unwrap();
    let bytes = match value {
        Text(text) => text.as_bytes().to_vec(),
        Number(number) => number.to_le_bytes().to_vec(),
        Items(items) => items.iter().flat_map(|item| item_bytes(item)).collect(),
    };
    explicit(tag.group(), tag.element(), vr, &bytes)
}

fn item_bytes(elements: &[(Tag, Value<'_>)]) -> Vec<u8> {
    let bytes = data_set(elements);
    [&[0xFE, 0xFF, 0x00, 0xE0], &(bytes.len() as u32).to_le_bytes()[..], &bytes].concat()
}

fn data_set(elements: &[(Tag, Value<'_>)]) -> Vec<u8> {
    let mut elements: Vec<_> = elements.iter().map(|(tag, value)| (*tag, element(*tag, value))).collect();
    elements.sort_by_key(|(tag, _)| *tag);
    elements.into_iter().flat_map(|(_, bytes)| bytes).collect()
}

/// The instance of a whole file of a CT image with `elements`.
fn instance(elements: &[(Tag, Value<'_>)]) -> Instance {
    let plain = [
        (tags::SOP_CLASS_UID, Text(uids::CT_IMAGE_STORAGE)),
        (tags::MODALITY, Text("CT")),
        (tags::IMAGE_TYPE, Text("ORIGINAL\\PRIMARY\\AXIAL")),
        (tags::PHOTOMETRIC_INTERPRETATION, Text("MONOCHROME2 ")),
        (tags::SPECIFIC_CHARACTER_SET, Text("ISO_IR 192")),
    ];
    let given = |tag: Tag| elements.iter().any(|(one, _)| *one == tag);
    let mut all: Vec<_> = plain.into_iter().filter(|(tag, _)| !given(*tag)).collect();
    all.extend(elements.iter().cloned());
    let mut parts: Vec<(Tag, Vec<u8>)> = all.iter().map(|(tag, value)| (*tag, element(*tag, value))).collect();
    for (number, value) in [(0x0002, 1_u16), (0x0010, 2), (0x0011, 2), (0x0100, 16), (0x0101, 12), (0x0103, 1)] {
        parts.push((Tag(0x0028, number), explicit(0x0028, number, b"US", &value.to_le_bytes())));
    }
    parts.push((tags::PIXEL_DATA, explicit(0x7FE0, 0x0010, b"OW", &[0; 8])));
    parts.sort_by_key(|(tag, _)| *tag);
    let set: Vec<u8> = parts.into_iter().flat_map(|(_, bytes)| bytes).collect();
    let file = file_of(uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::CT_IMAGE_STORAGE, &set);
    match read_header(&file, file.len() as u64).unwrap() {
        HeaderRead::Instance(instance) => *instance,
        HeaderRead::NeedMore { .. } => panic!("a whole file wants more"),
    }
}

fn judged(elements: &[(Tag, Value<'_>)]) -> Option<Reason> {
    let instance = instance(elements);
    refusal_of(&instance)
        .or_else(|| image_refusal(&instance))
        .or_else(|| instance.frames.iter().find_map(|frame| judgement_of(&instance, frame)))
}

fn code(elements: &[(Tag, Value<'_>)]) -> Option<ReasonCode> {
    judged(elements).map(|reason| reason.code)
}

fn groups<'v>(sequence: Tag, elements: Vec<(Tag, Value<'v>)>) -> (Tag, Value<'v>) {
    (sequence, item_of(elements))
}

#[test]
fn image_types_are_judged() {
    let map = Some(ReasonCode::MaterialMap);
    for (image_type, expected) in [
        ("DERIVED\\PRIMARY\\AXIAL\\CT_SOM7 SPI DECT VNC", map),
        ("DERIVED\\PRIMARY\\AXIAL\\DE_IODINE", map),
        ("DERIVED\\PRIMARY\\AXIAL\\CT_SOM7 SPI\\DET_A00\\MONOE 040KEV", map),
        ("DERIVED\\PRIMARY\\AXIAL\\CT_SOM7 SPI\\DET_A00\\MONOE 070KEV", None),
        ("DERIVED\\PRIMARY\\AXIAL\\MONOE 070KEV\\MONOE 190KEV", map),
        ("DERIVED\\PRIMARY\\VOLUME\\VMI", map),
        ("DERIVED\\PRIMARY\\AXIAL\\VMI_70", None),
        ("DERIVED\\PRIMARY\\AXIAL\\CT_SOM5 SPI\\DE_MIX", None),
        ("DERIVED\\SECONDARY\\GSI\\IODINE(WATER)", map),
        ("DERIVED\\SECONDARY\\AXIAL\\CT_PERF_CBF", map),
        ("DERIVED\\PRIMARY\\PERFUSION\\NONE", map),
        ("ORIGINAL\\PRIMARY\\AXIAL\\PERFUSION", None),
        ("DERIVED\\SECONDARY\\SUB", map),
        ("DERIVED\\SECONDARY\\SEGMENTATION", map),
        ("DERIVED\\PRIMARY\\MPR\\CSAMIP", Some(ReasonCode::Derived)),
        ("DERIVED\\PRIMARY\\VOLUME\\MIN", Some(ReasonCode::Derived)),
        ("DERIVED\\SECONDARY\\VOLUME RENDERING", Some(ReasonCode::Derived)),
        ("DERIVED\\SECONDARY\\AXIAL\\CSA MPR CURVED", Some(ReasonCode::Derived)),
        ("DERIVED\\SECONDARY\\AXIAL\\CSA MPR", None),
        ("DERIVED\\SECONDARY\\REFORMATTED\\AVERAGE", None),
        ("ORIGINAL\\PRIMARY\\SCOUT", Some(ReasonCode::Localizer)),
        ("ORIGINAL\\PRIMARY\\TOPOGRAM", Some(ReasonCode::Localizer)),
        ("derived\\secondary\\localizer", Some(ReasonCode::Localizer)),
        ("DERIVED\\SECONDARY\\REF_SURVIEW", Some(ReasonCode::SecondaryCapture)),
        ("DERIVED\\SECONDARY\\SNAPSHOT", Some(ReasonCode::SecondaryCapture)),
        ("DERIVED\\SECONDARY\\OTHER\\CT_SOM5 PROT", Some(ReasonCode::SecondaryCapture)),
        ("DERIVED\\SECONDARY\\FUSION", Some(ReasonCode::SecondaryCapture)),
        ("DERIVED", None),
        ("", None),
    ] {
        assert_eq!(code(&[(tags::IMAGE_TYPE, Text(image_type))]), expected, "{image_type}");
    }
}

#[test]
fn every_text_of_an_image_is_read() {
    let shared = tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE;
    let per_frame = tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE;
    for (text, expected) in [
        ("Iodine map", Some(ReasonCode::MaterialMap)),
        ("Subtraction", Some(ReasonCode::MaterialMap)),
        ("Virtual Non Contrast", Some(ReasonCode::MaterialMap)),
        ("40 keV", Some(ReasonCode::MaterialMap)),
        ("碘图", Some(ReasonCode::MaterialMap)),
        ("Curved multiplanar reformatting", Some(ReasonCode::Derived)),
        ("Maximum intensity projection", Some(ReasonCode::Derived)),
        ("70 keV", None),
        ("Multiplanar reformatting", None),
        ("Lossy compression", None),
        ("eval obstruction\n125mls omni 22g lw ffd", None),
    ] {
        let meaning = || item_of(vec![(tags::CODE_MEANING, Text(text))]);
        let derivation = || vec![(tags::DERIVATION_DESCRIPTION, Text(text))];
        let comment = || (tags::FRAME_CONTENT_SEQUENCE, item_of(vec![(tags::FRAME_COMMENTS, Text(text))]));
        let label = || (tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, item_of(vec![(tags::LUT_EXPLANATION, Text(text))]));
        for elements in [
            vec![(tags::SERIES_DESCRIPTION, Text(text))],
            derivation(),
            vec![(tags::IMAGE_COMMENTS, Text(text))],
            vec![(tags::DERIVATION_CODE_SEQUENCE, meaning())],
            vec![label()],
            vec![groups(shared, vec![(tags::DERIVATION_IMAGE_SEQUENCE, item_of(derivation()))])],
            vec![groups(per_frame, vec![comment()])],
            vec![groups(per_frame, vec![label()])],
            vec![groups(
                per_frame,
                vec![(tags::DERIVATION_IMAGE_SEQUENCE, item_of(vec![(tags::DERIVATION_CODE_SEQUENCE, meaning())]))],
            )],
        ] {
            let place = elements[0].0;
            assert_eq!(code(&elements), expected, "{text} in {place}");
        }
    }
}

#[test]
fn what_speaks_of_the_study_or_the_protocol_is_not_read() {
    for tag in [tags::STUDY_DESCRIPTION, tags::PROTOCOL_NAME] {
        assert_eq!(code(&[(tag, Text("VNC 40 keV"))]), None, "{tag}");
    }
}

#[test]
fn energies_of_all_sources_count() {
    let kev = |value: f64| (tags::MONOENERGETIC_ENERGY_EQUIVALENT, Number(value));
    let characteristics = |value: f64| (tags::MULTIENERGY_CT_CHARACTERISTICS_SEQUENCE, item_of(vec![kev(value)]));
    let shared = |value| groups(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![characteristics(value)]);
    let frames = |values: &[f64]| {
        let items = values.iter().map(|value| vec![characteristics(*value)]).collect();
        (tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, Items(items))
    };
    let words = |text| (tags::SERIES_DESCRIPTION, Text(text));
    let vmi = |text| (tags::IMAGE_TYPE, Text(text));
    for (elements, taken) in [
        (vec![kev(40.0)], false),
        (vec![kev(70.0)], true),
        (vec![kev(59.9)], false),
        (vec![(tags::MULTIENERGY_CT_CHARACTERISTICS_SEQUENCE, Items(Vec::new()))], false),
        (vec![characteristics(40.0)], false),
        (vec![characteristics(70.0)], true),
        (vec![shared(190.0)], false),
        (vec![shared(65.0)], true),
        (vec![frames(&[70.0])], true),
        (vec![frames(&[70.0, 40.0]), (tags::NUMBER_OF_FRAMES, Text("2 "))], false),
        (vec![kev(40.0), words("Mono 70 keV")], false),
        (vec![kev(70.0), words("Mono 40 keV")], false),
        (vec![kev(70.0), words("Monoenergetic")], true),
        (vec![kev(70.0), vmi("DERIVED\\PRIMARY\\VOLUME\\VMI")], true),
        (vec![kev(70.0), vmi("DERIVED\\PRIMARY\\VOLUME\\VMI_40")], false),
        (vec![words("70 keV"), vmi("DERIVED\\PRIMARY\\VOLUME\\VMI")], true),
        (vec![words("Monoenergetic")], false),
    ] {
        let instance = instance(&elements);
        let judgement = instance.frames.iter().find_map(|frame| value_judgement(&instance, frame));
        assert_eq!(judgement.is_none(), taken, "{judgement:?}, {:?}", instance.values);
        assert!(judgement.is_none_or(|reason| reason.detail.contains("--allow material_map")));
        assert!(
            !taken || value_remark(&instance, &instance.frames[0]).is_some_and(|remark| remark.detail.contains("keV"))
        );
    }
    let plain = instance(&[]);
    assert_eq!(value_remark(&plain, &plain.frames[0]), None);
}

#[test]
fn codes_units_and_techniques_are_judged() {
    let unit = |code, meaning| {
        let unit = vec![(tags::CODE_VALUE, Text(code)), (tags::CODE_MEANING, Text(meaning))];
        vec![(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, item_of(unit))]
    };
    let mapping =
        |mappings: Vec<Vec<(Tag, Value<'static>)>>| vec![(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, Items(mappings))];
    let derivation = |code| vec![(tags::DERIVATION_CODE_SEQUENCE, item_of(vec![(tags::CODE_VALUE, Text(code))]))];
    let frame_type = |tag, value| {
        let item = vec![(tag, Text(value)), (tags::FRAME_TYPE, Text("ORIGINAL\\PRIMARY\\VOLUME\\NONE"))];
        vec![groups(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![(tags::CT_IMAGE_FRAME_TYPE_SEQUENCE, item_of(item))])]
    };
    let shape = |photometric| {
        vec![(tags::PRESENTATION_LUT_SHAPE, Text("INVERSE ")), (tags::PHOTOMETRIC_INTERPRETATION, Text(photometric))]
    };
    let (map, derived) = (Some(ReasonCode::MaterialMap), Some(ReasonCode::Derived));
    for (name, elements, expected) in [
        ("mg/mL", mapping(vec![unit("mg/mL", "mg/mL")]), map),
        ("ml/100ml", mapping(vec![unit("ml/(100.ml.min)", "blood flow")]), map),
        ("HU", mapping(vec![unit("[hnsf'U]", "Hounsfield unit")]), None),
        ("HU and another", mapping(vec![unit("g/cm3", "density"), unit("[hnsf'U]", "HU")]), None),
        ("subtraction", derivation("113062"), map),
        ("MIP", derivation("113078"), derived),
        ("MPR", derivation("113072"), None),
        ("lossy", derivation("113040"), None),
        ("technique", frame_type(tags::VOLUME_BASED_CALCULATION_TECHNIQUE, "MAX_IP"), derived),
        ("curved", frame_type(tags::VOLUMETRIC_PROPERTIES, "DISTORTED"), derived),
        ("volume", frame_type(tags::VOLUMETRIC_PROPERTIES, "VOLUME"), None),
        ("no technique", frame_type(tags::VOLUME_BASED_CALCULATION_TECHNIQUE, "NONE"), None),
        ("inverse", shape("MONOCHROME2 "), Some(ReasonCode::NotHounsfield)),
        ("inverse of an inverse", shape("MONOCHROME1 "), None),
    ] {
        assert_eq!(code(&elements), expected, "{name}");
    }
}

#[test]
fn long_texts_are_cut_and_refuse_no_file() {
    let long = format!("Iodine map {}", "x ".repeat(5_115));
    let image = code(&[(tags::IMAGE_COMMENTS, Text(&long))]);
    assert_eq!((image, long.len()), (Some(ReasonCode::MaterialMap), 10_241));
    let harmless = "portal venous phase ".repeat(500);
    let comments = vec![(tags::FRAME_COMMENTS, Text(&harmless))];
    let content = vec![(tags::FRAME_CONTENT_SEQUENCE, item_of(comments))];
    let long_code = vec![(tags::LONG_CODE_VALUE, Text(&harmless)), (tags::CODE_MEANING, Text(&harmless))];
    let derivation = vec![(tags::DERIVATION_CODE_SEQUENCE, item_of(long_code))];
    let shared = vec![(tags::DERIVATION_IMAGE_SEQUENCE, item_of(derivation))];
    let elements = [
        (tags::IMAGE_COMMENTS, Text(&harmless)),
        (tags::DERIVATION_DESCRIPTION, Text(&harmless)),
        groups(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, content),
        groups(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, shared),
    ];
    assert_eq!(code(&elements), None);
}

#[test]
fn judgements_name_the_words_and_nothing_else() {
    let reason = judged(&[(tags::SERIES_DESCRIPTION, Text("SMITH JOHN VNC 3.0"))]).unwrap();
    assert_eq!(
        reason.detail,
        "the header speaks of \"VNC\", virtual native images; --allow material_map overrides this"
    );
    let reason = judged(&[(tags::IMAGE_TYPE, Text("DERIVED\\PRIMARY\\AXIAL\\SMITH DE_IODINE"))]).unwrap();
    assert!(reason.detail.starts_with("image type IODINE: a map of a material; --allow"), "{reason}");
}
