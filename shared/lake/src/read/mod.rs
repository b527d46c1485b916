//! Rows of the table as structs: Arrow in, structs out, and an error for a row that says what no row can.
//!
//! The SQL texts here are constants. What a caller chooses by becomes an expression ([`filter::RowFilter`]), and the rows that it
//! chooses the view `chosen` beside `labels`.

mod batch;
pub(crate) mod counts;
pub(crate) mod failures;
pub(crate) mod filter;
pub(crate) mod labels;
pub(crate) mod newest;
pub(crate) mod places;
pub(crate) mod rows;
pub(crate) mod slices;
