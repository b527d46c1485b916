//! The attributes that may tell one pass from another, and those beside them that are asked for in single frames.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// Whether `tag` is a sequence that holds marks, or the values and the contrast of a frame.
pub(super) fn is_sequence(tag: Tag) -> bool {
    matches!(
        tag,
        tags::FRAME_CONTENT_SEQUENCE
            | tags::CARDIAC_SYNCHRONIZATION_SEQUENCE
            | tags::CT_RECONSTRUCTION_SEQUENCE
            | tags::CTX_RAY_DETAILS_SEQUENCE
            | tags::RESPIRATORY_SYNCHRONIZATION_SEQUENCE
            | tags::TEMPORAL_POSITION_SEQUENCE
            | tags::IRRADIATION_EVENT_IDENTIFICATION_SEQUENCE
            | tags::CT_ACQUISITION_DETAILS_SEQUENCE
            | tags::DIMENSION_INDEX_SEQUENCE
            | tags::MULTIENERGY_CT_CHARACTERISTICS_SEQUENCE
            | tags::UNASSIGNED_SHARED_CONVERTED_ATTRIBUTES_SEQUENCE
            | tags::UNASSIGNED_PER_FRAME_CONVERTED_ATTRIBUTES_SEQUENCE
    )
}

/// Whether `tag` is an attribute that is a mark, or tells one or a frame's values.
pub(super) fn is_attribute(tag: Tag) -> bool {
    matches!(
        tag,
        tags::STACK_ID
            | tags::TEMPORAL_POSITION_INDEX
            | tags::TEMPORAL_POSITION_IDENTIFIER
            | tags::ACQUISITION_NUMBER
            | tags::FRAME_ACQUISITION_NUMBER
            | tags::IRRADIATION_EVENT_UID
            | tags::ACQUISITION_DATE_TIME
            | tags::ACQUISITION_DATE
            | tags::ACQUISITION_TIME
            | tags::FRAME_ACQUISITION_DATE_TIME
            | tags::CONTENT_DATE
            | tags::CONTENT_TIME
            | tags::NOMINAL_PERCENTAGE_OF_CARDIAC_PHASE
            | tags::NOMINAL_PERCENTAGE_OF_RESPIRATORY_PHASE
            | tags::TRIGGER_TIME
            | tags::NOMINAL_CARDIAC_TRIGGER_DELAY_TIME
            | tags::ACTUAL_CARDIAC_TRIGGER_DELAY_TIME
            | tags::NOMINAL_RESPIRATORY_TRIGGER_DELAY_TIME
            | tags::ACTUAL_RESPIRATORY_TRIGGER_DELAY_TIME
            | tags::FRAME_REFERENCE_DATE_TIME
            | tags::TEMPORAL_POSITION_TIME_OFFSET
            | tags::DIMENSION_INDEX_POINTER
            | tags::DIMENSION_INDEX_VALUES
            | tags::MONOENERGETIC_ENERGY_EQUIVALENT
            | tags::CONTRAST_BOLUS_AGENT_NUMBER
            | tags::KVP
            | tags::FILTER_TYPE
            | tags::INSTANCE_NUMBER
    )
}
