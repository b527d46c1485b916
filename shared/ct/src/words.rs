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
pub(crate) use memo::{body_parts_of_tag, is_projection, read_agent, read_contrast, read_route};

use std::collections::BTreeMap;
use std::sync::LazyLock;

use lexicon::Lexicon;
use tokens::tokens;

/// Phrases of projections and curved planes. Flat planes (axial, coronal, sagittal reformats) are left to the geometry.
static PROJECTIONS: LazyLock<Lexicon<()>> = LazyLock::new(|| {
    let phrases = ["mip", "mips", "minip", "minips", "vrt", "vr", "volume render*", "ray sum", "curved", "cpr", "ssd"];
    Lexicon::new([BTreeMap::from([((), phrases.map(str::to_owned).to_vec())])])
});

/// Whether `text` speaks of a projection or a curved plane.
fn reads_as_projection(text: &str) -> bool {
    !PROJECTIONS.hits(&tokens(text).list).is_empty()
}
