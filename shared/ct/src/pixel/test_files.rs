//! What the tests of this module share.

use crate::PixelFormat;

/// A format of one small single-sample frame.
pub(super) fn format(bits_allocated: u16, bits_stored: u16, high_bit: u16, signed: bool) -> PixelFormat {
    PixelFormat {
        rows: 2,
        columns: 2,
        frames: 1,
        samples_per_pixel: 1,
        photometric: "MONOCHROME2".to_owned(),
        planar: false,
        bits_allocated,
        bits_stored,
        high_bit,
        pixel_representation: signed.into(),
        signed,
        padding: None,
        padding_limit: None,
    }
}
