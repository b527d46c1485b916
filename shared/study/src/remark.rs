//! What is told of a series beside its outcome.

use serde::{Deserialize, Serialize};

use crate::codes::codes;

codes! {
    /// A closed list of remarks, so that they can be counted and queried.
    RemarkCode {
        /// The images were made from other images, in a way that keeps their Hounsfield units.
        Derived => "derived",
        /// The label rests on few slices.
        FewSlices => "few_slices",
        /// Positions without a source slice near enough were not scored.
        Gaps => "gaps",
        /// Virtual monoenergetic images of an energy that the method can be used on.
        Monoenergetic => "monoenergetic",
        /// A refusal that the user overrode.
        Allowed => "allowed",
        /// The image is not quite what a patient's looks like in Hounsfield units, so that the class is left open.
        Doubtful => "doubtful",
        /// Pages of the series that are no part of the labelled stack.
        LeftoverPages => "leftover_pages",
        /// Different slices have one SOP Instance UID.
        SharedUid => "shared_uid",
    }
}

/// Something that a reader of the row should know, and that stopped nothing. Never patient identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// The countable part.
    pub code: RemarkCode,
    /// The particulars, lower case, without a final period.
    pub detail: String,
}

impl Remark {
    /// Joins a code with its particulars.
    pub fn new(code: RemarkCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}
