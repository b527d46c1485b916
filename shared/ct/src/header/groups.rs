//! What functional groups hold of what their frames were converted from, and what images those are (PS3.3 section C.7.6.16).

use dicom_dictionary_std::tags;

use crate::data_set::Fields;

/// What a frame was converted from (PS3.3 section C.7.6.16.2.26).
pub(super) fn converted(group: Fields<'_>) -> Option<Fields<'_>> {
    group.items(tags::UNASSIGNED_PER_FRAME_CONVERTED_ATTRIBUTES_SEQUENCE).next()
}

/// What all frames were converted from, by the shared group (PS3.3 section C.7.6.16.2.25).
pub(super) fn shared_converted(group: Fields<'_>) -> Option<Fields<'_>> {
    group.items(tags::UNASSIGNED_SHARED_CONVERTED_ATTRIBUTES_SEQUENCE).next()
}

/// What image a frame is, by one of its groups: Frame Type, and what Image Type says more there. Empty where the group says nothing.
pub(super) fn type_of(group: Fields<'_>) -> Vec<String> {
    let frame_type = group.items(tags::CT_IMAGE_FRAME_TYPE_SEQUENCE).map(|item| item.codes(tags::FRAME_TYPE));
    let mut image_type = frame_type.into_iter().find(|values| !values.is_empty()).unwrap_or_default();
    let converted = [converted(group), shared_converted(group)];
    for other in converted.into_iter().flatten().chain([group]) {
        let more = other.codes(tags::IMAGE_TYPE);
        image_type.extend(more.into_iter().filter(|value| !image_type.contains(value)).collect::<Vec<_>>());
    }
    image_type
}
