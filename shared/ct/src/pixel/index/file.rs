//! What is known of a file before its frames are found.

use crate::PixelLocation;

/// What is known of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct File {
    pub location: PixelLocation,
    pub frames: usize,
    pub most_coded: u64,
    pub file_len: u64,
}
