//! Deflated image frames (PS3.5 section A.4.13): a raw deflate stream of native samples each.

use bolus_study::{PixelWindow, Reason};

use super::frames::{inflate, rows_in_value};
use super::native;
use super::reasons::truncated;
use super::samples::Block;
use crate::PixelFormat;

/// Inflates a frame down to the last row of `window`, and never further.
///
/// *Errors*: `PixelData` where the stream is damaged, `Truncated` where it ends early.
pub(super) fn decode(coded: &[u8], format: &PixelFormat, window: PixelWindow) -> Result<Block, Reason> {
    let rows = rows_in_value(format, 0, window.y0..window.y1);
    let samples = inflate(coded, rows.end)?;
    let part = samples.get(rows.clone()).ok_or_else(|| truncated(rows.end, samples.len()))?;
    native::decode(format, 0, window, part, false)
}
