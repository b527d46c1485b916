//! Enhanced CT files with the functional groups that a test gives them.

use bolus_study::Reason;
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};

use crate::header::tests::{explicit, file_of};
use crate::series::Series;
use crate::series::tests::group_checked;
use crate::{HeaderRead, Instance, Member, read_header};

pub const FRAMES: usize = 8;

pub fn bytes(tag: Tag, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    explicit(tag.0, tag.1, vr, value)
}

pub fn text(tag: Tag, vr: &[u8; 2], value: &str) -> Vec<u8> {
    bytes(tag, vr, format!("{value}{}", if value.len() % 2 == 1 { " " } else { "" }).as_bytes())
}

pub fn number(tag: Tag, value: u16) -> Vec<u8> {
    bytes(tag, b"US", &value.to_le_bytes())
}

pub fn real(tag: Tag, value: f64) -> Vec<u8> {
    bytes(tag, b"FD", &value.to_le_bytes())
}

pub fn sequence(tag: Tag, items: &[Vec<u8>]) -> Vec<u8> {
    let item = |item: &Vec<u8>| {
        let length = (item.len() as u32).to_le_bytes();
        [&[0xFE, 0xFF, 0x00, 0xE0], &length[..], item].concat()
    };
    bytes(tag, b"SQ", &items.iter().flat_map(item).collect::<Vec<u8>>())
}

/// A macro of one item that holds `elements`.
pub fn group(tag: Tag, elements: &[Vec<u8>]) -> Vec<u8> {
    sequence(tag, &[elements.concat()])
}

pub fn frame_type(values: &str) -> Vec<u8> {
    group(tags::CT_IMAGE_FRAME_TYPE_SEQUENCE, &[text(tags::FRAME_TYPE, b"CS", values)])
}

pub fn content(elements: &[Vec<u8>]) -> Vec<u8> {
    group(tags::FRAME_CONTENT_SEQUENCE, elements)
}

pub fn rescale(unit: &str) -> Vec<u8> {
    group(
        tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
        &[
            text(tags::RESCALE_INTERCEPT, b"DS", "-1024"),
            text(tags::RESCALE_SLOPE, b"DS", "1"),
            text(tags::RESCALE_TYPE, b"LO", unit),
        ],
    )
}

pub fn energy(kev: f64) -> Vec<u8> {
    group(tags::MULTIENERGY_CT_CHARACTERISTICS_SEQUENCE, &[real(tags::MONOENERGETIC_ENERGY_EQUIVALENT, kev)])
}

pub fn converted(elements: &[Vec<u8>]) -> Vec<u8> {
    group(tags::UNASSIGNED_PER_FRAME_CONVERTED_ATTRIBUTES_SEQUENCE, elements)
}

pub fn shared_converted(elements: &[Vec<u8>]) -> Vec<u8> {
    group(tags::UNASSIGNED_SHARED_CONVERTED_ATTRIBUTES_SEQUENCE, elements)
}

pub fn usage_of(agent: u16, administered: &str, phase: &str) -> Vec<u8> {
    [
        number(tags::CONTRAST_BOLUS_AGENT_NUMBER, agent),
        text(tags::CONTRAST_BOLUS_AGENT_ADMINISTERED, b"CS", administered),
        text(tags::CONTRAST_BOLUS_AGENT_PHASE, b"CS", phase),
    ]
    .concat()
}

pub fn usage(administered: &str, phase: &str) -> Vec<u8> {
    sequence(tags::CONTRAST_BOLUS_USAGE_SEQUENCE, &[usage_of(1, administered, phase)])
}

pub fn native() -> Vec<u8> {
    usage("NO", "PRE_CONTRAST")
}

pub fn venous() -> Vec<u8> {
    usage("YES", "VENOUS")
}

/// A frame at `z` with `more` in its functional group, behind a private element.
pub fn frame(z: f64, more: &[Vec<u8>]) -> Vec<u8> {
    let private = [explicit(0x0021, 0x0010, b"LO", b"ODD MAKER "), explicit(0x0021, 0x1001, b"UN", &[7; 300])];
    let place = text(tags::IMAGE_POSITION_PATIENT, b"DS", &format!("0\\0\\{z}"));
    [&private[..], &[group(tags::PLANE_POSITION_SEQUENCE, &[place])], more].concat().concat()
}

/// An Enhanced CT file.
#[derive(Clone)]
pub struct Enhanced {
    pub class: &'static str,
    pub image_type: &'static str,
    pub top: Vec<u8>,
    /// More of the shared group than the geometry.
    pub shared: Vec<u8>,
    pub frames: Vec<Vec<u8>>,
}

impl Enhanced {
    pub fn of(frames: Vec<Vec<u8>>) -> Self {
        let class = uids::ENHANCED_CT_IMAGE_STORAGE;
        let image_type = "ORIGINAL\\PRIMARY\\VOLUME\\NONE";
        Self { class, image_type, top: Vec::new(), shared: rescale("HU"), frames }
    }

    pub fn file(&self) -> Vec<u8> {
        let mut set = text(tags::IMAGE_TYPE, b"CS", self.image_type);
        set.extend(text(tags::SOP_CLASS_UID, b"UI", self.class));
        set.extend(text(tags::SOP_INSTANCE_UID, b"UI", "1.2.3.44"));
        set.extend(text(tags::MODALITY, b"CS", "CT"));
        set.extend(&self.top);
        set.extend(text(tags::SERIES_INSTANCE_UID, b"UI", "1.2.3.22"));
        set.extend(text(tags::PHOTOMETRIC_INTERPRETATION, b"CS", "MONOCHROME2"));
        set.extend(text(tags::NUMBER_OF_FRAMES, b"IS", &self.frames.len().to_string()));
        for (tag, value) in [
            (tags::SAMPLES_PER_PIXEL, 1),
            (tags::ROWS, 2),
            (tags::COLUMNS, 2),
            (tags::BITS_ALLOCATED, 16),
            (tags::BITS_STORED, 16),
            (tags::PIXEL_REPRESENTATION, 0),
        ] {
            set.extend(number(tag, value));
        }
        let measures = [text(tags::PIXEL_SPACING, b"DS", "0.5\\0.5"), text(tags::SLICE_THICKNESS, b"DS", "5")];
        let plane = text(tags::IMAGE_ORIENTATION_PATIENT, b"DS", "1\\0\\0\\0\\1\\0");
        let shared = [
            group(tags::PIXEL_MEASURES_SEQUENCE, &measures),
            group(tags::PLANE_ORIENTATION_SEQUENCE, &[plane]),
            self.shared.clone(),
        ];
        set.extend(sequence(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, &[shared.concat()]));
        set.extend(sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, &self.frames));
        set.extend(bytes(tags::PIXEL_DATA, b"OW", &vec![0; 8 * self.frames.len()]));
        file_of(uids::EXPLICIT_VR_LITTLE_ENDIAN, self.class, &set)
    }

    pub fn read(&self) -> Result<Instance, Reason> {
        let file = self.file();
        match read_header(&file, file.len() as u64)? {
            HeaderRead::Instance(instance) => Ok(*instance),
            HeaderRead::NeedMore { .. } => panic!("all is there"),
        }
    }

    pub fn stacks(&self) -> Vec<Series> {
        group_checked(vec![Member { object: 0, folder: String::new(), instance: self.read().unwrap() }])
    }
}

/// Eight frames 5 mm apart, each with what `more` gives for its place.
pub fn pass(more: impl Fn(usize) -> Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    (0..FRAMES).map(|index| frame(5.0 * index as f64, &more(index))).collect()
}

/// Two passes at the same positions, in several orders of their frames.
pub fn two_passes(first: &[Vec<u8>], second: &[Vec<u8>]) -> [Vec<Vec<u8>>; 3] {
    let (a, b) = (pass(|_| first.to_vec()), pass(|_| second.to_vec()));
    let turns = a.iter().zip(&b).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    let behind = [a.clone(), b.clone()].concat();
    let mixed = [3, 12, 8, 0, 15, 5, 10, 1, 14, 6, 11, 2, 9, 13, 4, 7].map(|index| behind[index].clone()).to_vec();
    [turns, behind, mixed]
}
