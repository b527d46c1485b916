//! Where the bytes of a frame lie: in the file, and in what was read of it.

use std::borrow::Cow;
use std::ops::Range;

use bolus_study::{PixelWindow, Reason};

use super::encapsulated::{Fragments, joined};
use super::limits::MAX_DECODED_BYTES;
use super::reasons::{no_pixel_data, pixel_data, too_large, truncated};
use crate::deflated::Inflater;
use crate::{Instance, PixelFormat, PixelLocation};

/// A coded frame may be this many times as long as its samples, and [`CODED_SLACK_BYTES`] more: no codec makes noise
/// longer by more than an eighth, and fragments of one kilobyte add less than a hundredth.
const MOST_CODED_TIMES: u64 = 4;
/// For headers, comments and colour profiles of a codestream.
const CODED_SLACK_BYTES: u64 = 256 * 1024;

/// The bytes of the file to read for `window` of frame `frame`, as far as the header tells.
///
/// Native frames: exactly the rows `y0..y1`. Encapsulated frames: from the value of PixelData to the end of the file,
/// since only the items tell where a frame ends; [`super::FrameIndex`] knows better. Deflated data sets: the stream from
/// its start to where the rows must have come, or those of the one frame. Empty where there are no pixels. Never beyond `file_len`.
#[must_use]
pub fn frame_byte_range(instance: &Instance, frame: usize, window: PixelWindow, file_len: u64) -> Range<u64> {
    let (Some(location), Some(format)) = (&instance.pixels, &instance.format) else { return 0..0 };
    let rows = rows_in_value(format, frame, window.y0..window.y1);
    if let Some(stream) = location.deflated {
        let inflated = location.offset.saturating_add(inflated_whole(format, frame, window).end as u64);
        return stream.min(file_len)..stream.saturating_add(most_deflated(inflated)).min(file_len);
    }
    let start = location.offset.min(file_len);
    if location.encapsulated {
        return start..file_len;
    }
    let clamp = |position: usize| start.saturating_add(position as u64).min(file_len);
    clamp(rows.start)..clamp(rows.end)
}

/// The bytes of the value that are inflated for a window: those of the whole frame where there is no other, for only so it shows whether the data set
/// ends early, which headers tell of one that is not deflated. Such a file is cut, whichever rows are wanted.
fn inflated_whole(format: &PixelFormat, frame: usize, window: PixelWindow) -> Range<usize> {
    let rows = if format.frames == 1 { 0..format.rows } else { window.y0..window.y1 };
    rows_in_value(format, frame, rows)
}

/// The most bytes that a sound stream takes for `inflated` bytes: five for each stored block, which encoders make no
/// shorter than some kilobytes.
pub(super) fn most_deflated(inflated: u64) -> u64 {
    inflated.saturating_add(inflated / 64).saturating_add(64 * 1024)
}

/// The most bytes that the items of one encapsulated frame may have.
pub(super) fn most_coded(format: &PixelFormat) -> u64 {
    let samples = rows_in_value(&PixelFormat { frames: 1, ..format.clone() }, 0, 0..format.rows).end as u64;
    samples.saturating_mul(MOST_CODED_TIMES).saturating_add(CODED_SLACK_BYTES)
}

/// The bytes of native rows, counted from the start of the value; with 1-bit samples the bytes that they touch.
pub(super) fn rows_in_value(format: &PixelFormat, frame: usize, rows: Range<usize>) -> Range<usize> {
    let bits = row_bits(format);
    let first_row = frame.saturating_mul(format.rows);
    let start = first_row.saturating_add(rows.start).saturating_mul(bits) / 8;
    let end = first_row.saturating_add(rows.end).saturating_mul(bits).div_ceil(8);
    start..end.max(start)
}

/// Bits of one native row: rows follow each other without padding (PS3.5 section 8.1.1).
pub(super) fn row_bits(format: &PixelFormat) -> usize {
    format
        .columns
        .saturating_mul(usize::from(format.samples_per_pixel))
        .saturating_mul(usize::from(format.bits_allocated))
}

/// The value of PixelData, or the part of it that was read.
#[derive(Debug)]
pub(super) enum PixelValue<'a> {
    /// Uncompressed samples from byte `start` of the value on.
    Native { bytes: Cow<'a, [u8]>, start: usize },
    /// All items.
    Encapsulated(Fragments<'a>),
    /// The coded bytes of the one frame that is asked for.
    Coded(Cow<'a, [u8]>),
}

impl<'a> PixelValue<'a> {
    /// Finds the value in `bytes`, which start at `range_start` of the file.
    ///
    /// *Errors*: `NoPixelData` where there is none, `Truncated` where the bytes end before it, and what inflating or
    /// reading items refuses.
    pub(super) fn open(instance: &Instance, bytes: &'a [u8], range_start: u64) -> Result<Self, Reason> {
        let location = location_of(instance)?;
        let from = |offset: u64| bytes.get(distance(range_start, offset)..).unwrap_or_default();
        if let Some(stream) = location.deflated {
            let all_rows = |format: &PixelFormat| 0..format.frames.saturating_mul(format.rows);
            let rows = instance.format.as_ref().map_or(0..0, |format| rows_in_value(format, 0, all_rows(format)));
            return Self::inflated(Inflater::new(), from(stream), &location, rows);
        }
        let value = from(location.offset);
        if location.encapsulated {
            return Fragments::read(value).map(Self::Encapsulated);
        }
        let start = distance(location.offset, range_start);
        let end = location.length.map_or(value.len(), |length| distance(start as u64, length).min(value.len()));
        Ok(Self::Native { bytes: Cow::Borrowed(&value[..end]), start })
    }

    /// As [`PixelValue::open`], for `window` of `frame` alone: of a deflated data set of several frames nothing else is inflated.
    pub(super) fn open_window(
        instance: &Instance,
        frame: usize,
        window: PixelWindow,
        bytes: &'a [u8],
        range_start: u64,
    ) -> Result<Self, Reason> {
        let location = location_of(instance)?;
        let (Some(stream), Some(format)) = (location.deflated, &instance.format) else {
            return Self::open(instance, bytes, range_start);
        };
        let stream = bytes.get(distance(range_start, stream)..).unwrap_or_default();
        Self::inflated(Inflater::new(), stream, &location, inflated_whole(format, frame, window))
    }

    /// Bytes `rows` of the value of a deflated data set; `stream` is the stream from where `inflater` stands.
    pub(super) fn inflated(
        inflater: Inflater,
        stream: &[u8],
        location: &PixelLocation,
        rows: Range<usize>,
    ) -> Result<Self, Reason> {
        let start = rows.start;
        Ok(Self::Native { bytes: Cow::Owned(inflated_rows(inflater, stream, location, rows)?), start })
    }

    /// The frame whose items, and nothing else, are `items`.
    pub(super) fn of_items(items: &'a [u8]) -> Result<Self, Reason> {
        joined(items).map(Self::Coded)
    }

    /// The coded bytes of an encapsulated frame.
    pub(super) fn coded_frame(&self, frame: usize, frames: usize) -> Result<Cow<'_, [u8]>, Reason> {
        match self {
            Self::Native { .. } => Err(not_encapsulated()),
            Self::Encapsulated(fragments) => fragments.frame(frame, frames),
            Self::Coded(bytes) => Ok(Cow::Borrowed(bytes)),
        }
    }

    /// Native rows of a frame, with the bytes that [`rows_in_value`] names.
    pub(super) fn native_rows(
        &self,
        format: &PixelFormat,
        frame: usize,
        rows: Range<usize>,
    ) -> Result<Cow<'_, [u8]>, Reason> {
        if let Self::Native { bytes, start } = self {
            let wanted = rows_in_value(format, frame, rows);
            let found = || truncated(wanted.end, start.saturating_add(bytes.len()));
            let from = wanted.start.checked_sub(*start).ok_or_else(found)?;
            let to = wanted.end.checked_sub(*start).ok_or_else(found)?;
            return bytes.get(from..to).map(Cow::Borrowed).ok_or_else(found);
        }
        let one_frame = PixelFormat { frames: 1, ..format.clone() };
        let coded = self.coded_frame(frame, format.frames)?;
        let wanted = rows_in_value(&one_frame, 0, rows);
        let part = coded.get(wanted.clone()).ok_or_else(|| truncated(wanted.end, coded.len()))?;
        Ok(Cow::Owned(part.to_vec()))
    }
}

/// That native pixel data are where the transfer syntax has coded frames.
pub(super) fn not_encapsulated() -> Reason {
    pixel_data("the transfer syntax asks for encapsulated frames, found none")
}

/// Where the pixel data lies.
///
/// *Errors*: `NoPixelData` where there is none, `PixelData` for frames that are encapsulated in a deflated data set,
/// which no transfer syntax has.
pub(super) fn location_of(instance: &Instance) -> Result<PixelLocation, Reason> {
    let location = instance.pixels.ok_or_else(no_pixel_data)?;
    if location.deflated.is_some() && location.encapsulated {
        return Err(pixel_data("encapsulated frames inside a deflated data set"));
    }
    Ok(location)
}

fn distance(from: u64, to: u64) -> usize {
    usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX)
}

/// Bytes `rows` of the value of PixelData of a deflated data set, explicit little endian within (PS3.5 section A.5).
/// `stream` is the stream from where `inflater` stands. What comes before the rows is not held.
///
/// *Errors*: `TooLarge` beyond [`MAX_DECODED_BYTES`]; `PixelData` where the stream is broken; `Truncated` where it ends
/// before the value does.
fn inflated_rows(
    mut inflater: Inflater,
    stream: &[u8],
    location: &PixelLocation,
    rows: Range<usize>,
) -> Result<Vec<u8>, Reason> {
    if rows.len() > MAX_DECODED_BYTES {
        return Err(too_large("inflated pixel data in bytes", rows.len(), MAX_DECODED_BYTES));
    }
    if let Some(length) = location.length.filter(|length| *length < rows.end as u64) {
        return Err(truncated(rows.end, usize::try_from(length).unwrap_or(usize::MAX)));
    }
    let start = location.offset.saturating_add(rows.start as u64);
    let end = location.offset.saturating_add(rows.end as u64);
    let first = inflater.consumed();
    inflater.drop_before(start);
    while inflater.end() < end && !inflater.has_ended() {
        let rest = stream.get(distance(first, inflater.consumed())..).unwrap_or_default();
        inflater.step(rest, true).map_err(|_| pixel_data("the deflated data set does not inflate"))?;
    }
    let reached = distance(location.offset, inflater.end());
    let mut held = inflater.into_held();
    if held.len() < rows.len() {
        return Err(truncated(rows.end, reached));
    }
    held.truncate(rows.len());
    Ok(held)
}

/// Inflates a raw deflate stream, up to `most` bytes: what comes behind them is not needed.
pub(super) fn inflate(deflated: &[u8], most: usize) -> Result<Vec<u8>, Reason> {
    let mut inflater = Inflater::new();
    while inflater.end() < most as u64 && !inflater.has_ended() {
        let rest = deflated.get(distance(0, inflater.consumed())..).unwrap_or_default();
        inflater.step(rest, true).map_err(|_| pixel_data("the deflate stream of a frame is broken"))?;
    }
    Ok(inflater.into_held())
}
