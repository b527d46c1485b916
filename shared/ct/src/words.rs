//! Reads free-text descriptions: tokens, tables of phrases by language, and what the phrases mean together.

mod agents;
mod body;
mod contrast;
mod kinds;
mod lexicon;
mod memo;
mod statements;
#[cfg(test)]
mod table_tests;
mod tokens;

pub(crate) use agents::Route;
pub(crate) use contrast::{Level, Reading};
pub use memo::body_parts_of_words;
pub(crate) use memo::{body_parts_of_tag, is_reformat, read_agent, read_contrast, read_route};

use std::collections::BTreeMap;
use std::sync::LazyLock;

use lexicon::Lexicon;
use tokens::tokens;

/// Phrases of images made from other images. Planes (coronal, sagittal) are left to the geometry.
static REFORMATS: LazyLock<Lexicon<()>> = LazyLock::new(|| {
    let phrases = [
        "mpr",
        "mprs",
        "mip",
        "mips",
        "minip",
        "minips",
        "reformat*",
        "reformation*",
        "vrt",
        "vr",
        "volume render*",
        "ray sum",
        "curved",
        "cpr",
        "ssd",
    ];
    Lexicon::new([BTreeMap::from([((), phrases.map(str::to_owned).to_vec())])])
});

/// Whether `text` speaks of a reformat or a projection.
fn reads_as_reformat(text: &str) -> bool {
    !REFORMATS.hits(&tokens(text).list).is_empty()
}
