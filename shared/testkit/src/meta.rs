//! File meta groups that other readers take.

use dicom_dictionary_std::uids;
use dicom_object::meta::FileMetaTableBuilder;

/// The data set of `file` behind a file meta group of our own, which says `transfer_syntax`: dicom-object reads no group with control
/// characters or too many of them in a title. None where the file ends in its group.
#[must_use]
pub fn with_own_meta(file: &[u8], transfer_syntax: &str) -> Option<Vec<u8>> {
    let mut at = if file.get(128..132)? == b"DICM" { 132 } else { 0 };
    while file.get(at..at + 2)? == [2, 0] {
        // The attributes of group 0002 have no other value representations with a long length (PS3.6 table 7-1).
        let is_long = matches!(file.get(at + 4..at + 6)?, b"OB" | b"UN");
        at += match is_long {
            true => 12 + u32::from_le_bytes(file.get(at + 8..at + 12)?.try_into().ok()?) as usize,
            false => 8 + usize::from(u16::from_le_bytes(file.get(at + 6..at + 8)?.try_into().ok()?)),
        };
    }
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(transfer_syntax)
        .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
        .media_storage_sop_instance_uid("2.25.1");
    let mut whole = [&[0; 128][..], b"DICM"].concat();
    meta.build().ok()?.write(&mut whole).ok()?;
    whole.extend(file.get(at..)?);
    Some(whole)
}
