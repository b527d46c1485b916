//! Files that are no part of any series.

use bolus_study::Reason;

/// A file that is no part of any series.
#[derive(Debug, Clone, PartialEq)]
pub struct FileRefusal {
    /// The file, or the member of an archive.
    pub uri: String,
    /// Its entity tag, where it could be listed.
    pub etag: String,
    /// Why.
    pub reason: Reason,
}
