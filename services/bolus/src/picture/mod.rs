//! Pictures: a contact sheet a labelled series, one overview of a run, and maps of where the network looks.

mod canvas;
mod colour;
mod heat;
mod name;
mod overview;
mod sheet;

pub use heat::HeatSheet;
pub use name::sheet_name;
pub use overview::Overview;
pub use sheet::{class_colour, write_sheet};
