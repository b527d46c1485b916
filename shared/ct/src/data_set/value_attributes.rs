//! The attributes that speak of the pixel values beside Image Type and Rescale Type: what is not listed here is not kept.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// Texts of an image, of a frame or of a mapping that are read for words.
pub(crate) const TEXTS: [Tag; 6] = [
    tags::SERIES_DESCRIPTION,
    tags::DERIVATION_DESCRIPTION,
    tags::IMAGE_COMMENTS,
    tags::FRAME_COMMENTS,
    tags::LUT_LABEL,
    tags::LUT_EXPLANATION,
];

/// Attributes that are written like Image Type (PS3.3 sections C.8.16.2.1.2 and C.8.16.2.1.3).
pub(crate) const TYPES: [Tag; 2] = [tags::VOLUMETRIC_PROPERTIES, tags::VOLUME_BASED_CALCULATION_TECHNIQUE];

/// Items that are read as if they stood in the data set itself: the functional groups of all frames, and what these and those of
/// one frame may hold. One frame's are asked by themselves.
pub(crate) const NESTED: [Tag; 6] = [
    tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::DERIVATION_IMAGE_SEQUENCE,
    tags::FRAME_CONTENT_SEQUENCE,
    tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
    tags::MULTIENERGY_CT_CHARACTERISTICS_SEQUENCE,
    tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE,
];

/// Sequences of codes.
pub(crate) const CODES: [Tag; 2] = [tags::DERIVATION_CODE_SEQUENCE, tags::MEASUREMENT_UNITS_CODE_SEQUENCE];

/// Single attributes.
pub(crate) const ATTRIBUTES: [Tag; 2] = [tags::MONOENERGETIC_ENERGY_EQUIVALENT, tags::PRESENTATION_LUT_SHAPE];

/// Whether `tag` is a sequence that is looked into for what it says of values.
pub(crate) fn is_sequence(tag: Tag) -> bool {
    NESTED.contains(&tag) || CODES.contains(&tag)
}

/// The attributes of a functional group that are asked for what they say of values, save those of its Frame Content Sequence, of which
/// only Frame Comments (0020,9158) are.
pub(crate) fn asked_of_groups() -> impl Iterator<Item = Tag> {
    let all = TEXTS.into_iter().chain(TYPES).chain(ATTRIBUTES).chain(NESTED).chain(CODES);
    all.filter(|tag| *tag != tags::FRAME_CONTENT_SEQUENCE)
}

/// Whether `tag` is an attribute that is asked for what it says of values.
pub(crate) fn is_attribute(tag: Tag) -> bool {
    TEXTS.contains(&tag) || TYPES.contains(&tag) || ATTRIBUTES.contains(&tag)
}

/// Whether of a long value of `tag` the start is kept, so that the file is not refused for it: Image Comments may have 10,240
/// characters (PS3.5 section 6.2, LT), and Long Code Value any number.
pub(crate) fn is_cut(tag: Tag) -> bool {
    let of_codes = [tags::LONG_CODE_VALUE, tags::CODE_MEANING];
    (is_attribute(tag) && tag != tags::SERIES_DESCRIPTION) || of_codes.contains(&tag)
}
