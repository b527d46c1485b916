//! Pictures: a contact sheet a labelled series, one overview of a run, and maps of where the network looks.

mod canvas;
mod colour;
mod heat;
mod name;
mod overview;
mod sheet;
mod slice;

pub use heat::HeatSheet;
pub use name::sheet_name;
pub use overview::Overview;
pub use sheet::write_sheet;
pub use slice::{GreySlice, HeatSlice};

#[cfg(test)]
mod tests;
