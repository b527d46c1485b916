//! One frame, or a window of it, by whatever codec the transfer syntax names.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bolus_study::{PixelWindow, Reason, ReasonCode};

use super::codec::Codec;
use super::frames::PixelValue;
use super::reasons::pixel_data;
use super::samples::{Block, Samples};
use super::{deflate, jpeg, jpeg2000, jpegls, jpegxl, native, rle};
use crate::PixelFormat;

/// Decodes at least `window` of frame `frame`.
///
/// A panic of a decoder written in Rust is caught here and becomes a reason: openjp2 states OpenJPEG's invariants as
/// assertions, and a damaged codestream can break one. Nothing outlives the call, so no broken state is seen again.
///
/// *Errors*: `PixelData`, `Truncated`, `InconsistentAttribute`.
pub(super) fn decode_frame(
    codec: Codec,
    format: &PixelFormat,
    value: &PixelValue<'_>,
    frame: usize,
    window: PixelWindow,
) -> Result<Block, Reason> {
    let block = catch_unwind(AssertUnwindSafe(|| decode_uncaught(codec, format, value, frame, window)))
        .unwrap_or_else(|_| Err(pixel_data("the decoder panicked")))?;
    let expected = block.height * block.width * usize::from(format.samples_per_pixel);
    if block.samples.len() != expected {
        return Err(pixel_data(format!("expected {expected} samples, the decoder gave {}", block.samples.len())));
    }
    Ok(block)
}

fn decode_uncaught(
    codec: Codec,
    format: &PixelFormat,
    value: &PixelValue<'_>,
    frame: usize,
    window: PixelWindow,
) -> Result<Block, Reason> {
    if codec.is_native() {
        let rows = value.native_rows(format, frame, window.y0..window.y1)?;
        return native::decode(format, frame, window, &rows, codec == Codec::BigEndian);
    }
    let coded = value.coded_frame(frame, format.frames)?;
    match codec {
        Codec::Jpeg => jpeg::decode(&coded, format),
        Codec::JpegLs => jpegls::decode(&coded, format),
        Codec::Jpeg2000 => jpeg2000::decode(&coded, format, window),
        Codec::Rle => decode_rle(&coded, format, window),
        Codec::JpegXl => jpegxl::decode(&coded, format, window),
        // Native codecs returned above.
        Codec::DeflatedFrame | Codec::LittleEndian | Codec::BigEndian => deflate::decode(&coded, format, window),
    }
}

/// Decodes the rows up to the window's end; each byte plane stops there.
fn decode_rle(coded: &[u8], format: &PixelFormat, window: PixelWindow) -> Result<Block, Reason> {
    let pixels = window.y1 * format.columns;
    let (samples, bits) = (usize::from(format.samples_per_pixel), format.bits_allocated);
    let unpack = |bytes| rle::decode(coded, pixels, samples, bytes);
    let samples = match bits {
        8 => Samples::U8(unpack(1)?),
        16 => Samples::U16(unpack(2)?.as_chunks::<2>().0.iter().map(|&cell| u16::from_le_bytes(cell)).collect()),
        32 => Samples::I32(unpack(4)?.as_chunks::<4>().0.iter().map(|&cell| i32::from_le_bytes(cell)).collect()),
        other => {
            return Err(Reason::new(
                ReasonCode::InconsistentAttribute,
                format!("bits allocated is {other}, expected 8, 16 or 32 with RLE"),
            ));
        }
    };
    Ok(Block { y0: 0, x0: 0, height: window.y1, width: format.columns, samples, coded: None })
}
