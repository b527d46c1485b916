//! Pictures of what was labelled: a contact sheet a series and one overview of a run.

mod canvas;
mod overview;
mod sheet;

pub use overview::Overview;
pub use sheet::write_sheet;
