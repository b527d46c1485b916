//! Deflated image frames (PS3.5 section A.4.13): a raw deflate stream of native samples each.

use std::io::Read;

use bolus_study::{PixelWindow, Reason};

use super::frames::rows_in_value;
use super::samples::Block;
use super::{native, pixel_data, truncated};
use crate::PixelFormat;

/// Inflates a frame down to the last row of `window`, and never further.
///
/// *Errors*: `PixelData` where the stream is damaged, `Truncated` where it ends early.
pub(super) fn decode(coded: &[u8], format: &PixelFormat, window: PixelWindow) -> Result<Block, Reason> {
    let rows = rows_in_value(format, 0, window.y0..window.y1);
    let mut samples = Vec::new();
    flate2::read::DeflateDecoder::new(coded)
        .take(rows.end as u64)
        .read_to_end(&mut samples)
        .map_err(|error| pixel_data(format!("deflated frame: {error}")))?;
    let part = samples.get(rows.clone()).ok_or_else(|| truncated(rows.end, samples.len()))?;
    native::decode(format, 0, window, part, false)
}
