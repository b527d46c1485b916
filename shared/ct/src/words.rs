//! Reads free-text descriptions: tokens, tables of phrases by language, and what the phrases mean together.

mod agents;
mod body;
mod contrast;
mod contrast_tables;
mod kinds;
mod lexicon;
mod memo;
mod statements;
#[cfg(test)]
mod table_tests;
mod tokens;
mod value_tables;
mod values;

pub(crate) use agents::Route;
pub(crate) use contrast::Reading;
pub use memo::body_parts_of_words;
pub(crate) use memo::{body_parts_of_tag, read_agent, read_contrast, read_description, read_image_type, read_route};
pub(crate) use statements::Level;
pub(crate) use values::{ValueKind, ValueWords};
