//! What is kept of a data set (PS3.5 section 7): elements, items, and which attributes are wanted.

use bolus_study::Reason;
use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::marks;
use crate::values;

/// Why a walk stopped before the pixel data or the end.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stop {
    /// The bytes at hand must reach at least this offset.
    More(u64),
    /// The file ends inside the data set.
    Truncated,
    /// The bytes break the encoding.
    Bad(&'static str),
    /// The file is refused whatever follows.
    Refused(Reason),
}

/// An element's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// The bytes as stored.
    Bytes(Box<[u8]>),
    /// The items of a sequence.
    Items(Vec<DataSet>),
}

/// One kept element.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Element {
    /// The attribute.
    pub tag: Tag,
    /// The value representation as stated; zeros in implicit encoding.
    pub vr: [u8; 2],
    /// The value.
    pub value: Value,
}

impl Element {
    /// What it takes with all that is in it; the nesting of what is kept is bounded.
    pub fn kept_bytes(&self) -> usize {
        let inside = match &self.value {
            Value::Bytes(bytes) => bytes.len(),
            Value::Items(items) => items.iter().flat_map(|item| &item.elements).map(Self::kept_bytes).sum(),
        };
        size_of::<Self>() + inside
    }
}

/// The kept elements of a data set or of an item, each attribute once: where one is repeated, the first counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct DataSet {
    /// In file order.
    pub elements: Vec<Element>,
}

impl DataSet {
    /// The element of an attribute.
    pub fn element(&self, tag: Tag) -> Option<&Element> {
        self.elements.iter().find(|element| element.tag == tag)
    }
}

/// How elements are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Encoding {
    /// The value representation is written out.
    pub explicit: bool,
    /// Numbers are big endian.
    pub big: bool,
}

impl Encoding {
    /// Of file meta groups, of deflated data sets and of most files.
    pub const EXPLICIT: Self = Self { explicit: true, big: false };
    /// Of the default transfer syntax, and inside values of VR UN (PS3.5 section 6.2.2).
    pub const IMPLICIT: Self = Self { explicit: false, big: false };
}

/// Value representations with a 32-bit length (PS3.5 table 7.1-1).
pub(super) fn is_long_vr(vr: [u8; 2]) -> bool {
    matches!(&vr, b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT" | b"UV")
}

/// Value representations with a 16-bit length (PS3.5 table 7.1-2).
pub(super) fn is_short_vr(vr: [u8; 2]) -> bool {
    #[rustfmt::skip]
    let known = matches!(
        &vr,
        b"AE" | b"AS" | b"AT" | b"CS" | b"DA" | b"DS" | b"DT" | b"FL" | b"FD" | b"IS" | b"LO" | b"LT" | b"PN"
            | b"SH" | b"SL" | b"SS" | b"ST" | b"TM" | b"UI" | b"UL" | b"US"
    );
    known
}

/// Whether `vr` is a value representation of the standard.
pub(super) fn is_known_vr(vr: [u8; 2]) -> bool {
    is_long_vr(vr) || is_short_vr(vr)
}

/// Sequences that are looked into.
pub(super) fn is_wanted_sequence(tag: Tag) -> bool {
    matches!(
        tag,
        tags::PROCEDURE_CODE_SEQUENCE
            | tags::REQUEST_ATTRIBUTES_SEQUENCE
            | tags::REQUESTED_PROCEDURE_CODE_SEQUENCE
            | tags::CONTRAST_BOLUS_AGENT_SEQUENCE
            | tags::CONTRAST_BOLUS_ADMINISTRATION_ROUTE_SEQUENCE
            | tags::CONTRAST_ADMINISTRATION_PROFILE_SEQUENCE
            | tags::CONTRAST_BOLUS_INGREDIENT_CODE_SEQUENCE
            | tags::CONTRAST_BOLUS_USAGE_SEQUENCE
            | tags::DIRECTORY_RECORD_SEQUENCE
            | tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE
            | tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE
            | tags::PIXEL_MEASURES_SEQUENCE
            | tags::PLANE_POSITION_SEQUENCE
            | tags::PLANE_ORIENTATION_SEQUENCE
            | tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE
            | tags::CT_IMAGE_FRAME_TYPE_SEQUENCE
    ) || marks::is_sequence(tag)
        || values::is_sequence(tag)
}

/// Attributes that are kept, wherever they occur.
pub(super) fn is_wanted(tag: Tag) -> bool {
    is_wanted_sequence(tag)
        || marks::is_attribute(tag)
        || values::is_attribute(tag)
        || matches!(
            tag,
            tags::MEDIA_STORAGE_SOP_CLASS_UID
                | tags::MEDIA_STORAGE_SOP_INSTANCE_UID
                | tags::TRANSFER_SYNTAX_UID
                | tags::SPECIFIC_CHARACTER_SET
                | tags::IMAGE_TYPE
                | tags::SOP_CLASS_UID
                | tags::SOP_INSTANCE_UID
                | tags::MODALITY
                | tags::MANUFACTURER
                | tags::CODE_VALUE
                | tags::LONG_CODE_VALUE
                | tags::CODE_MEANING
                | tags::STUDY_DESCRIPTION
                | tags::SERIES_DESCRIPTION
                | tags::FRAME_TYPE
                | tags::PATIENT_ID
                | tags::CONTRAST_BOLUS_AGENT
                | tags::BODY_PART_EXAMINED
                | tags::SLICE_THICKNESS
                | tags::PROTOCOL_NAME
                | tags::CONTRAST_BOLUS_ROUTE
                | tags::CONTRAST_BOLUS_VOLUME
                | tags::CONTRAST_BOLUS_START_TIME
                | tags::CONTRAST_BOLUS_STOP_TIME
                | tags::CONTRAST_BOLUS_TOTAL_DOSE
                | tags::CONTRAST_FLOW_RATE
                | tags::CONTRAST_FLOW_DURATION
                | tags::CONTRAST_BOLUS_INGREDIENT
                | tags::GANTRY_DETECTOR_TILT
                | tags::CONVOLUTION_KERNEL
                | tags::CONTRAST_BOLUS_AGENT_ADMINISTERED
                | tags::CONTRAST_BOLUS_AGENT_DETECTED
                | tags::CONTRAST_BOLUS_AGENT_PHASE
                | tags::STUDY_INSTANCE_UID
                | tags::SERIES_INSTANCE_UID
                | tags::SERIES_NUMBER
                | tags::IMAGE_POSITION_PATIENT
                | tags::IMAGE_ORIENTATION_PATIENT
                | tags::FRAME_OF_REFERENCE_UID
                | tags::SAMPLES_PER_PIXEL
                | tags::PLANAR_CONFIGURATION
                | tags::PHOTOMETRIC_INTERPRETATION
                | tags::NUMBER_OF_FRAMES
                | tags::ROWS
                | tags::COLUMNS
                | tags::PIXEL_SPACING
                | tags::BITS_ALLOCATED
                | tags::BITS_STORED
                | tags::HIGH_BIT
                | tags::PIXEL_REPRESENTATION
                | tags::PIXEL_PADDING_VALUE
                | tags::PIXEL_PADDING_RANGE_LIMIT
                | tags::RESCALE_INTERCEPT
                | tags::RESCALE_SLOPE
                | tags::RESCALE_TYPE
                | tags::REQUESTED_PROCEDURE_DESCRIPTION
                | tags::SCHEDULED_PROCEDURE_STEP_DESCRIPTION
                | tags::PERFORMED_PROCEDURE_STEP_DESCRIPTION
        )
}
