//! Reads free-text descriptions: a small phrase matcher, and the tables of what the phrases mean.

mod body;
mod contrast;
mod phrases;

pub(crate) use body::{body_parts_of_tag, body_parts_of_words};
pub(crate) use contrast::{Level, read_contrast};

use std::sync::LazyLock;

use phrases::{PhraseTable, tokens};

/// Phrases of images made from other images. Planes (coronal, sagittal) are left to the geometry.
static REFORMATS: LazyLock<PhraseTable<()>> = LazyLock::new(|| {
    PhraseTable::new(&[(
        (),
        "mpr|mprs|mip|mips|minip|minips|reformat*|reformation*|vrt|vr|volume render*|ray sum|curved|cpr|ssd",
    )])
});

/// Whether `text` speaks of a reformat or a projection.
pub(crate) fn is_reformat(text: &str) -> bool {
    !REFORMATS.matches(&tokens(text)).is_empty()
}
