//! Values and encodings as files have them, and what they mean.

use bolus_study::{Declared, Reason, ReasonCode};
use dicom_dictionary_std::uids;

use super::tests::{explicit, file_of, read_ranged, small_image};
use crate::pixel::stored_values;
use crate::series::tests::group;
use crate::{FrameInfo, Instance, Member};

/// The elements of `small_image` with `changed` in their places, and the rest of a CT image.
fn image(changed: &[(u16, u16, &[u8; 2], &[u8])]) -> Vec<u8> {
    let mut elements: Vec<(u16, u16, [u8; 2], Vec<u8>)> = vec![
        (0x0008, 0x0016, *b"UI", uids::CT_IMAGE_STORAGE.into()),
        (0x0008, 0x0060, *b"CS", b"CT".into()),
        (0x0018, 0x0050, *b"DS", b"5 ".into()),
        (0x0020, 0x000D, *b"UI", b"1.2.3.1\0".into()),
        (0x0020, 0x000E, *b"UI", b"1.2.3.2\0".into()),
        (0x0020, 0x0032, *b"DS", b"-10\\-20\\30".into()),
        (0x0020, 0x0037, *b"DS", b"1\\0\\0\\0\\1\\0 ".into()),
        (0x0028, 0x0002, *b"US", 1_u16.to_le_bytes().into()),
        (0x0028, 0x0004, *b"CS", b"MONOCHROME2 ".into()),
        (0x0028, 0x0010, *b"US", 2_u16.to_le_bytes().into()),
        (0x0028, 0x0011, *b"US", 2_u16.to_le_bytes().into()),
        (0x0028, 0x0030, *b"DS", b"0.5\\0.5 ".into()),
        (0x0028, 0x0100, *b"US", 16_u16.to_le_bytes().into()),
        (0x0028, 0x0101, *b"US", 16_u16.to_le_bytes().into()),
        (0x0028, 0x0103, *b"US", 0_u16.to_le_bytes().into()),
        (0x0028, 0x1052, *b"DS", b"-1024 ".into()),
        (0x0028, 0x1053, *b"DS", b"1 ".into()),
        (0x7FE0, 0x0010, *b"OW", PIXELS.into()),
    ];
    for (group, element, vr, value) in changed {
        elements.retain(|(g, e, ..)| (g, e) != (group, element));
        elements.push((*group, *element, **vr, value.to_vec()));
    }
    elements.sort_by_key(|(group, element, ..)| (*group, *element));
    elements.iter().flat_map(|(group, element, vr, value)| explicit(*group, *element, vr, value)).collect()
}

const PIXELS: &[u8] = &[1, 0, 2, 0, 3, 0, 4, 0];

fn read(data_set: &[u8]) -> Result<Instance, Reason> {
    let file = file_of(uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::CT_IMAGE_STORAGE, data_set);
    let instance = read_ranged(&file).0?;
    if instance.format.is_some() && instance.frames.len() == 1 {
        assert_eq!(stored_values(&file, &instance)?.bytes, PIXELS, "the pixels are the same in all of these");
    }
    Ok(instance)
}

fn frame(changed: &[(u16, u16, &[u8; 2], &[u8])]) -> FrameInfo {
    read(&image(changed)).unwrap().frames.remove(0)
}

#[test]
fn decimal_strings_are_read_as_meant_or_not_at_all() {
    let slope = |vr: &[u8; 2], value: &[u8]| frame(&[(0x0028, 0x1053, vr, value)]).rescale_slope;
    for (value, expected) in [
        (&b"1.5E+0"[..], Some(1.5)),
        (b"+1.5", Some(1.5)),
        (b" 1.5 \0", Some(1.5)),
        (b"1.50000000000000000000000", Some(1.5)),
        (b"1.5\\", Some(1.5)),
        (b"1.5\\1.5", Some(1.5)),
        (b"1,5 ", None),
        (b"1.5\\2 ", None),
        (b"NaN ", None),
        (b"inf ", None),
        (b"-Infinity ", None),
        (b"1e999 ", None),
        (b"0x10", None),
        (b"1.5HU ", None),
        (b"\\1.5", None),
        (b"    ", None),
        (b"", None),
        (b"\xFF\xFE", None),
    ] {
        assert_eq!(slope(b"DS", value), expected, "{}", value.escape_ascii());
    }
    assert_eq!(slope(b"UN", b"1.5 "), Some(1.5));
    assert_eq!(slope(b"UT", b"1.5 "), Some(1.5));
    assert_eq!(slope(b"FD", &1.5_f64.to_le_bytes()), Some(1.5));
    assert_eq!(slope(b"FD", &f64::NAN.to_le_bytes()), None);
    assert_eq!(slope(b"FL", &1.5_f32.to_le_bytes()), Some(1.5));
    assert_eq!(slope(b"SS", &(-3_i16).to_le_bytes()), Some(-3.0));
    assert_eq!(slope(b"SL", &(-3_i32).to_le_bytes()), Some(-3.0));
    assert_eq!(slope(b"SL", &[0, 0]), None);
    for value in
        [&b"0,5\\0,5 "[..], b"0.5,0.5 ", b"0.5 ", b"0.5\\ ", b"0.5\\0.5\\0.5 ", b"NaN\\0.5 ", b"-0.5\\0.5", b"0\\0 "]
    {
        let spacing = frame(&[(0x0028, 0x0030, b"DS", value)]).pixel_spacing_mm;
        assert_eq!(spacing, None, "{}", value.escape_ascii());
    }
    assert_eq!(frame(&[(0x0028, 0x0030, b"DS", b"0.5\\0.7\\")]).pixel_spacing_mm, Some([0.5, 0.7]));
}

#[test]
fn a_number_of_frames_that_is_none_says_nothing() {
    let of = |vr: &[u8; 2], value: &[u8]| read(&image(&[(0x0028, 0x0008, vr, value)]));
    for value in [&b"1 "[..], b" 1", b"01", b"1.0 ", b"", b"  ", b"0 ", b"-1", b"NONE", b"1\\2 ", b"1\0"] {
        assert_eq!(of(b"IS", value).unwrap().frames.len(), 1, "{}", value.escape_ascii());
    }
    assert_eq!(of(b"US", &1_u16.to_le_bytes()).unwrap().frames.len(), 1);
    for value in [&b"99999999999999999999"[..], b"65537 ", b"1e30"] {
        assert_eq!(of(b"IS", value).unwrap_err().code, ReasonCode::TooLarge, "{}", value.escape_ascii());
    }
    // Two frames' pixels: nobody knows how many frames there are.
    let two = [PIXELS, PIXELS].concat();
    let instance = read(&image(&[(0x0028, 0x0008, b"IS", b"0 "), (0x7FE0, 0x0010, b"OW", &two)])).unwrap();
    assert_eq!((instance.format, instance.missing_attributes), (None, vec!["NumberOfFrames".to_owned()]));
}

#[test]
fn codes_are_capitals_without_padding() {
    let instance = read(&image(&[
        (0x0008, 0x0008, b"CS", b"original\\primary\\localizer "),
        (0x0008, 0x0060, b"CS", b" ct\0"),
        (0x0028, 0x0004, b"CS", b"monochrome2\0"),
    ]));
    let instance = instance.unwrap();
    assert_eq!(instance.modality.as_deref(), Some("CT"));
    assert_eq!(instance.frames[0].image_type, ["ORIGINAL", "PRIMARY", "LOCALIZER"]);
    assert_eq!(instance.format.unwrap().photometric, "MONOCHROME2");
}

fn declared(charset: &[u8], description: &[u8]) -> Declared {
    let pad = |text: &[u8]| if text.len().is_multiple_of(2) { text.to_vec() } else { [text, b" "].concat() };
    let (charset, description) = (pad(charset), pad(description));
    let changed = [(0x0008, 0x0005, b"CS", &charset[..]), (0x0008, 0x103E, b"LO", &description[..])];
    let instance = read(&image(&changed)).unwrap();
    group(vec![Member { object: 0, folder: String::new(), instance }]).remove(0).declared.verdict
}

#[test]
fn the_declared_character_set_decides_what_a_description_says() {
    let plain_scan = b"\xC6\xBD\xC9\xA8";
    assert_eq!(declared(b"GB18030", plain_scan), Declared::No);
    assert_eq!(declared(b"GB18030\\ISO 2022 IR 58", plain_scan), Declared::No);
    assert_eq!(declared(b"ISO_IR 192", "平扫".as_bytes()), Declared::No);
    assert_eq!(declared(b"\\ISO 2022 IR 58", b"\x1B$)A\xC6\xBD\xC9\xA8"), Declared::No);
    assert_eq!(declared(b"ISO_IR 100", plain_scan), Declared::Absent);
    assert_eq!(declared(b"ISO_IR 192", plain_scan), Declared::Absent);
}

/// Private elements before PixelData, in the encodings that files have.
fn with_private(element: &[u8]) -> Vec<u8> {
    let mut set = image(&[]);
    let at = set.len() - 12 - PIXELS.len();
    set.splice(at..at, element.iter().copied());
    set
}

#[test]
fn private_elements_of_any_kind_do_not_hide_the_pixels() {
    let tag = [0x01, 0x20, 0x10, 0x10];
    let item = [0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF];
    let (item_end, end) = ([0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0], [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    let unknown = [&tag[..], b"UN\0\0\xFF\xFF\xFF\xFF"].concat();
    let implicit_value = [0x08, 0, 0x16, 0, 4, 0, 0, 0, b'1', b'.', b'2', 0];
    let explicit_value = explicit(0x0008, 0x0016, b"UI", b"1.2\0");
    let implicit_un = [&unknown[..], &item, &implicit_value, &item_end, &end].concat();
    let nested: Vec<u8> = [
        &unknown[..],
        &item,
        &[0x01, 0x20, 0x20, 0x10, 0xFF, 0xFF, 0xFF, 0xFF],
        &item,
        &implicit_value,
        &item_end,
        &end,
        &item_end,
        &end,
    ]
    .concat();
    for (what, element) in [
        ("UN of undefined length, implicit inside", implicit_un),
        ("UN in UN", nested),
        ("explicit inside, against CP-246", [&unknown[..], &item, &explicit_value, &item_end, &end].concat()),
        ("no items", [&unknown[..], &end].concat()),
        ("no delimiter of the item", [&unknown[..], &item, &implicit_value, &end].concat()),
        ("VR ?? with a short length", [&tag[..], b"??\x04\0abcd"].concat()),
        ("VR of blanks", [&tag[..], b"  \x04\0abcd"].concat()),
        ("VR in small letters", [&tag[..], b"un\x04\0abcd"].concat()),
        ("VR that does not exist, short", [&tag[..], b"ZZ\x04\0abcd"].concat()),
        ("VR that does not exist, long", [&tag[..], b"ZZ\0\0\x04\0\0\0abcd"].concat()),
        ("implicit", [&tag[..], b"\x04\0\0\0abcd"].concat()),
        ("implicit, a sequence", [&tag[..], &[0xFF; 4], &item, &implicit_value, &item_end, &end].concat()),
        ("a stray delimiter", end.to_vec()),
        ("two odd ones", [&tag[..], b"??\x04\0abcd", &[0x01, 0x20, 0x11, 0x10], b"??\x02\0ab"].concat()),
    ] {
        let instance = read(&with_private(&element)).unwrap_or_else(|reason| panic!("{what}: {reason}"));
        assert!(instance.missing_attributes.is_empty(), "{what}");
    }
    // Nothing fits: the encoding is broken, and the file is not called cut.
    let reason = read(&with_private(&[&tag[..], b"??\xF0\xFFabcdefgh"].concat())).unwrap_err();
    assert_eq!(reason.code, ReasonCode::BadDicom, "{reason}");
}

#[test]
fn functional_groups_and_the_data_set_are_read_together() {
    let item =
        |content: &[u8]| [&[0xFE, 0xFF, 0x00, 0xE0], &(content.len() as u32).to_le_bytes()[..], content].concat();
    let sequence = |group, element, content: &[u8]| explicit(group, element, b"SQ", &item(content));
    let place =
        |z: &str| sequence(0x0020, 0x9113, &explicit(0x0020, 0x0032, b"DS", format!("-10\\-20\\{z}").as_bytes()));
    let items = |places: &[&str]| places.iter().flat_map(|z| item(&place(z))).collect::<Vec<u8>>();
    let pixels = PIXELS.repeat(2);
    let with = |items: &[u8]| {
        image(&[(0x0028, 0x0008, b"IS", b"2 "), (0x5200, 0x9230, b"SQ", items), (0x7FE0, 0x0010, b"OW", &pixels)])
    };
    let positions = |items: &[u8]| {
        let frames = read(&with(items)).unwrap().frames;
        frames.iter().map(|frame| frame.position_mm.map(|place| place[2])).collect::<Vec<_>>()
    };
    assert_eq!(positions(&items(&["30", "35"])), [Some(30.0), Some(35.0)]);
    let frames = read(&with(&items(&["30", "35"]))).unwrap().frames;
    assert_eq!(
        (frames[1].rescale_slope, frames[1].pixel_spacing_mm),
        (Some(1.0), Some([0.5, 0.5])),
        "from the data set"
    );
    assert_eq!(positions(&items(&["30", "35", "40"])), [None, None], "more items than frames");
    assert_eq!(read(&with(&items(&["30"]))).unwrap_err().code, ReasonCode::InconsistentAttribute);
    // An item that breaks inside costs itself: those behind keep their places.
    let broken = [item(&explicit(0x0020, 0x9113, b"SQ", &[1; 12])), item(&place("35"))].concat();
    assert_eq!(positions(&broken), [None, Some(35.0)]);
    assert_eq!(positions(&[item(b"\x20\0\x32\0DS\xFF\0"), item(&place("35"))].concat()), [None, Some(35.0)]);
    let none = image(&[(0x0028, 0x0008, b"IS", b"2 "), (0x7FE0, 0x0010, b"OW", &pixels)]);
    assert!(read(&none).unwrap().frames.iter().all(|frame| frame.position_mm.is_none()), "one place, two frames");
}

#[test]
fn a_data_set_called_deflated_may_be_plain() {
    let file = file_of(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, uids::CT_IMAGE_STORAGE, &small_image());
    let instance = read_ranged(&file).0.unwrap();
    assert_eq!(instance.transfer_syntax_uid, uids::EXPLICIT_VR_LITTLE_ENDIAN);
    assert_eq!(instance.pixels.unwrap().deflated, None);
}
