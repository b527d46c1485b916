//! Reads the header of one DICOM instance from the first bytes of its file.

mod build;
mod frames;
mod groups;
mod marks;
mod meta;
mod prefix;
mod reader;
mod says;

#[cfg(test)]
mod bound_tests;
#[cfg(test)]
mod odd_tests;
#[cfg(test)]
pub(crate) mod tests;

pub use prefix::{HeaderRead, read_header};
pub use reader::{FIRST_READ_BYTES, HeaderReader, HeaderStep};
