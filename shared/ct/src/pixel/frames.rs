//! Where the bytes of a frame lie: in the file, and in what was read of it.

use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;

use bolus_study::{PixelWindow, Reason, ReasonCode};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;

use super::encapsulated::Fragments;
use super::{MAX_DECODED_BYTES, pixel_data, too_large, truncated};
use crate::{Instance, PixelFormat};

/// The bytes of the file to read for `window` of frame `frame`.
///
/// Native frames: exactly the rows `y0..y1`. Encapsulated frames: from the value of PixelData to the end of the file,
/// since only the items tell where a frame ends. Deflated data sets: the whole file. Empty where there are no pixels.
/// Never beyond `file_len`.
#[must_use]
pub fn frame_byte_range(instance: &Instance, frame: usize, window: PixelWindow, file_len: u64) -> Range<u64> {
    let (Some(location), Some(format)) = (&instance.pixels, &instance.format) else { return 0..0 };
    if location.deflated {
        return 0..file_len;
    }
    let start = location.offset.min(file_len);
    if location.encapsulated {
        return start..file_len;
    }
    let rows = rows_in_value(format, frame, window.y0..window.y1);
    let clamp = |position: usize| start.saturating_add(position as u64).min(file_len);
    clamp(rows.start)..clamp(rows.end)
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
}

impl<'a> PixelValue<'a> {
    /// Finds the value in `bytes`, which start at `range_start` of the file.
    ///
    /// *Errors*: `NoPixelData` where there is none, `Truncated` where the bytes end before it, and what inflating or
    /// reading items refuses.
    pub(super) fn open(instance: &Instance, bytes: &'a [u8], range_start: u64) -> Result<Self, Reason> {
        let location =
            instance.pixels.ok_or_else(|| Reason::new(ReasonCode::NoPixelData, "the instance has no pixel data"))?;
        if location.deflated {
            let bytes = Cow::Owned(inflated_value(bytes)?);
            return Ok(Self::Native { bytes, start: 0 });
        }
        let difference = |from: u64, to: u64| usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let value = bytes.get(difference(range_start, location.offset)..).unwrap_or_default();
        if location.encapsulated {
            return Fragments::read(value).map(Self::Encapsulated);
        }
        let start = difference(location.offset, range_start);
        let end = location.length.map_or(value.len(), |length| difference(start as u64, length).min(value.len()));
        Ok(Self::Native { bytes: Cow::Borrowed(&value[..end]), start })
    }

    /// The coded bytes of an encapsulated frame.
    pub(super) fn coded_frame(&self, frame: usize, frames: usize) -> Result<Cow<'a, [u8]>, Reason> {
        match self {
            Self::Native { .. } => Err(pixel_data("the transfer syntax asks for encapsulated frames, found none")),
            Self::Encapsulated(fragments) => fragments.frame(frame, frames),
        }
    }

    /// Native rows of a frame, with the bytes that [`rows_in_value`] names.
    pub(super) fn native_rows(
        &self,
        format: &PixelFormat,
        frame: usize,
        rows: Range<usize>,
    ) -> Result<Cow<'_, [u8]>, Reason> {
        match self {
            Self::Native { bytes, start } => {
                let wanted = rows_in_value(format, frame, rows);
                let found = || truncated(wanted.end, start.saturating_add(bytes.len()));
                let from = wanted.start.checked_sub(*start).ok_or_else(found)?;
                let to = wanted.end.checked_sub(*start).ok_or_else(found)?;
                bytes.get(from..to).map(Cow::Borrowed).ok_or_else(found)
            }
            Self::Encapsulated(fragments) => {
                let one_frame = PixelFormat { frames: 1, ..format.clone() };
                let coded = fragments.frame(frame, format.frames)?;
                let wanted = rows_in_value(&one_frame, 0, rows);
                let part = coded.get(wanted.clone()).ok_or_else(|| truncated(wanted.end, coded.len()))?;
                Ok(Cow::Owned(part.to_vec()))
            }
        }
    }
}

/// Inflates the data set of a whole file, explicit little endian within (PS3.5 section A.5), and takes the value of
/// PixelData out.
fn inflated_value(file: &[u8]) -> Result<Vec<u8>, Reason> {
    let data_set = inflate(data_set_of(file)?)?;
    let object = InMemDicomObject::read_dataset_with_ts(data_set.as_slice(), &EXPLICIT_VR_LITTLE_ENDIAN.erased())
        .map_err(|_| Reason::new(ReasonCode::BadDicom, "the inflated data set cannot be parsed"))?;
    let element = object
        .element(tags::PIXEL_DATA)
        .map_err(|_| Reason::new(ReasonCode::NoPixelData, "the inflated data set has no pixel data"))?;
    let value = element.to_bytes().map_err(|_| pixel_data("the inflated pixel data is not a plain value"))?;
    Ok(value.into_owned())
}

/// Inflates a raw deflate stream, up to [`MAX_DECODED_BYTES`].
pub(super) fn inflate(deflated: &[u8]) -> Result<Vec<u8>, Reason> {
    let mut inflated = Vec::new();
    flate2::read::DeflateDecoder::new(deflated)
        .take(MAX_DECODED_BYTES as u64 + 1)
        .read_to_end(&mut inflated)
        .map_err(|error| pixel_data(format!("deflate stream: {error}")))?;
    if inflated.len() > MAX_DECODED_BYTES {
        return Err(too_large("inflated data", inflated.len(), MAX_DECODED_BYTES));
    }
    Ok(inflated)
}

/// The bytes after the file meta group (PS3.10 section 7.1), which is never deflated.
fn data_set_of(file: &[u8]) -> Result<&[u8], Reason> {
    const PREAMBLE_AND_PREFIX: usize = 132;
    const LONG_LENGTH_VRS: [&[u8]; 6] = [b"OB", b"OW", b"OF", b"SQ", b"UT", b"UN"];
    let ended = || Reason::new(ReasonCode::Truncated, "the file ends in its meta group");
    let mut rest = file.get(PREAMBLE_AND_PREFIX..).ok_or_else(ended)?;
    while let [0x02, 0x00, _, _, vr @ .., _, _] = rest.get(..8).ok_or_else(ended)? {
        let (header, length) = if LONG_LENGTH_VRS.contains(&vr) {
            (12, rest.get(8..12).ok_or_else(ended)?)
        } else {
            (8, rest.get(6..8).ok_or_else(ended)?)
        };
        let length = length.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        rest = rest.get(header + length..).ok_or_else(ended)?;
    }
    Ok(rest)
}
