//! The file meta group.

use dicom_dictionary_std::tags;

use crate::data_set::Fields;

/// The parts of the file meta group (PS3.10 section 7.1) that are used.
#[derive(Debug, Default)]
pub(super) struct Meta {
    pub sop_class_uid: Option<String>,
    pub sop_instance_uid: Option<String>,
    pub transfer_syntax_uid: Option<String>,
}

impl Meta {
    /// What `fields`, those of the group, say.
    pub fn of(fields: Fields<'_>) -> Self {
        Self {
            sop_class_uid: fields.text(tags::MEDIA_STORAGE_SOP_CLASS_UID),
            sop_instance_uid: fields.text(tags::MEDIA_STORAGE_SOP_INSTANCE_UID),
            transfer_syntax_uid: fields.text(tags::TRANSFER_SYNTAX_UID),
        }
    }
}
