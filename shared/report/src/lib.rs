//! What people look at: the page of an evaluation with its charts, contact sheets, the overview of a run and maps of where the network
//! looks.
//!
//! Invariant: what comes from outside (names, UIDs, places, notes) becomes text and never markup: HTML and SVG are made by [`maud`],
//! which escapes what it is given. Invariant: a page holds all it shows, without scripts and without addresses of others. Whoever calls
//! hands over plain figures and grey values; this crate knows neither the network nor the lake.

mod error;
mod page;
mod picture;
mod words;

pub use error::PictureError;
pub use page::EvaluationPage;
pub use picture::{GreySlice, HeatSheet, HeatSlice, Overview, sheet_name, write_sheet};
pub use words::{
    NONE, RESEARCH_USE, account_words, classes, counted, level_notes, number, p_value, percent, signed, stacked,
};
