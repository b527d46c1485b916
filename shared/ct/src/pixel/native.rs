//! Uncompressed samples.

use std::ops::Range;

use bolus_study::{PixelWindow, Reason, ReasonCode};

use super::frames::row_bits;
use super::samples::{Block, Samples};
use crate::PixelFormat;

/// Reads `window` of a frame from the bytes of its rows.
///
/// `rows` holds the rows `window.y0..window.y1` of frame `frame`, whole; 1-bit rows may start inside their first byte.
/// Planes of several samples are taken for whole frames only.
///
/// *Errors*: `InconsistentAttribute` where Bits Allocated is none of 1, 8, 16 and 32, or where 8-bit samples come as
/// big endian words, whose order the header does not tell.
pub(super) fn decode(
    format: &PixelFormat,
    frame: usize,
    window: PixelWindow,
    rows: &[u8],
    big_endian: bool,
) -> Result<Block, Reason> {
    let samples_per_pixel = usize::from(format.samples_per_pixel);
    let columns = window.x0 * samples_per_pixel..window.x1 * samples_per_pixel;
    let refused = |detail: String| Err(Reason::new(ReasonCode::InconsistentAttribute, detail));
    let row_bytes = row_bits(format) / 8;
    let cut = |bytes: usize| columns.start * bytes..columns.end * bytes;
    let samples = match (format.bits_allocated, big_endian) {
        (1, _) => Samples::U8(bits(format, frame, window, rows)),
        (8, true) => return refused("8-bit samples in a big endian transfer syntax".to_owned()),
        (8, false) => Samples::U8(cells(rows, row_bytes, cut(1), u8::from_le_bytes)),
        (16, false) => Samples::U16(cells(rows, row_bytes, cut(2), u16::from_le_bytes)),
        (16, true) => Samples::U16(cells(rows, row_bytes, cut(2), u16::from_be_bytes)),
        (32, false) => Samples::I32(cells(rows, row_bytes, cut(4), i32::from_le_bytes)),
        (32, true) => Samples::I32(cells(rows, row_bytes, cut(4), i32::from_be_bytes)),
        (other, _) => return refused(format!("bits allocated is {other}, expected 1, 8, 16 or 32")),
    };
    let planes = format.planar && samples_per_pixel > 1;
    let samples = if planes { samples.interleaved(samples_per_pixel) } else { samples };
    Ok(Block { y0: window.y0, x0: window.x0, height: window.height(), width: window.width(), samples, coded: None })
}

/// The cells of `N` bytes in the part `columns` of each row. Generic over `read`, so that the loop is copied for each
/// and becomes vector code.
fn cells<T, const N: usize>(
    rows: &[u8],
    row_bytes: usize,
    columns: Range<usize>,
    read: impl Fn([u8; N]) -> T,
) -> Vec<T> {
    let mut values = Vec::with_capacity(rows.len() / row_bytes * columns.len() / N);
    for row in rows.chunks_exact(row_bytes) {
        values.extend(row[columns.clone()].as_chunks::<N>().0.iter().map(|&cell| read(cell)));
    }
    values
}

/// 1-bit samples, the first pixel in the lowest bit; frames follow each other without padding (PS3.5 section 8.1.1).
fn bits(format: &PixelFormat, frame: usize, window: PixelWindow, rows: &[u8]) -> Vec<u8> {
    let row_bits = row_bits(format);
    let first = (frame * format.rows + window.y0) * row_bits % 8;
    let samples_per_pixel = usize::from(format.samples_per_pixel);
    let columns = window.x0 * samples_per_pixel..window.x1 * samples_per_pixel;
    (0..window.height())
        .flat_map(|row| columns.clone().map(move |column| first + row * row_bits + column))
        .map(|bit| rows.get(bit / 8).map_or(0, |byte| byte >> (bit % 8) & 1))
        .collect()
}
