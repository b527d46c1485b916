//! The labelled set: which series show intravenous contrast, as somebody who knows has said.
//!
//! One row a series, as CSV with a header or as the text columns of a table. Columns, in any order and case: `series_uid` and
//! `contrast` (both required), `stack`, `patient`, `body_part`, `split` and `site` (all optional); others are passed over. A row without
//! `stack` is of the series as a whole, and of each of its stacks that has no row of its own.

mod error;
mod read;
mod set;
mod split;

pub use error::{TruthError, TruthProblem};
pub use set::{LabelledSeries, LabelledSet, TruthKey};
pub use split::Split;

#[cfg(test)]
mod tests;
