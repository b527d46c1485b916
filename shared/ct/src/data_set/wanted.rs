//! Which attributes are kept.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::{mark_attributes, value_attributes};

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
    ) || mark_attributes::is_sequence(tag)
        || value_attributes::is_sequence(tag)
}

/// Attributes that are kept, wherever they occur.
pub(super) fn is_wanted(tag: Tag) -> bool {
    is_wanted_sequence(tag)
        || mark_attributes::is_attribute(tag)
        || value_attributes::is_attribute(tag)
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
