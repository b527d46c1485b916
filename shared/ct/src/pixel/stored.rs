//! Stored values of whole instances, as independent decoders give them.

use bolus_study::{PixelWindow, Reason};
use sha2::{Digest, Sha256};

use super::codec::Codec;
use super::decode::decode_frame;
use super::frames::PixelValue;
use super::index::FrameIndex;
use super::layout::checked_format;
use super::limits::MAX_DECODED_BYTES;
use super::reasons::too_large;
use super::samples::{Block, Normaliser, Samples};
use crate::{Instance, PixelFormat};

/// All stored values of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPixels {
    /// The integer type: `uint8`, `int8`, `uint16`, `int16`, `uint32` or `int32`.
    pub dtype: &'static str,
    /// `[frames, rows, columns, samples]`, without the axes of frames and of samples where there is one of them.
    pub shape: Vec<usize>,
    /// The values in the order of `shape`, the last axis fastest, least significant byte first.
    pub bytes: Vec<u8>,
}

impl StoredPixels {
    /// SHA-256 of `bytes`, lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.bytes))
    }
}

/// Decodes every frame of a whole file to stored values.
///
/// Unused bits are dropped and signs extended. Colour comes as RGB, interleaved by pixel; palette indices stay
/// indices; 1-bit samples become one byte each. No Modality LUT is applied.
///
/// *Errors*: `TransferSyntax` without a decoder, `TooLarge` beyond the limits of this module, and `NoPixelData`,
/// `PixelData`, `Truncated` or `InconsistentAttribute` as the pixel data deserves.
pub fn stored_values(file: &[u8], instance: &Instance) -> Result<StoredPixels, Reason> {
    let format = checked_format(instance)?;
    let cells = format.rows * format.columns * usize::from(format.samples_per_pixel);
    let total = cells.saturating_mul(format.frames).saturating_mul(cell_bytes(format));
    if total > MAX_DECODED_BYTES {
        return Err(too_large("decoded pixel data in bytes", total, MAX_DECODED_BYTES));
    }
    let mut bytes = Vec::new();
    for_each_frame(file, instance, |frame| bytes.extend_from_slice(frame))?;
    let samples = usize::from(format.samples_per_pixel);
    let mut shape = vec![format.frames, format.rows, format.columns, samples];
    if samples == 1 {
        shape.pop();
    }
    if format.frames == 1 {
        shape.remove(0);
    }
    Ok(StoredPixels { dtype: dtype(format), shape, bytes })
}

/// SHA-256 of what [`stored_values`] gives, one frame in memory at a time, lower-case hexadecimal.
///
/// *Errors*: as [`stored_values`], save that the number of frames has no limit.
pub fn stored_digest(file: &[u8], instance: &Instance) -> Result<String, Reason> {
    let mut digest = Sha256::new();
    for_each_frame(file, instance, |frame| digest.update(frame))?;
    Ok(hex::encode(digest.finalize()))
}

/// Decodes frame `frame` as [`stored_values`] does, from the bytes that `index` names for the whole frame. `out` is
/// cleared first.
///
/// *Errors*: as [`stored_values`].
pub fn stored_frame(
    instance: &Instance,
    index: &FrameIndex,
    frame: usize,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    let format = checked_format(instance)?;
    let codec = Codec::of(&instance.transfer_syntax_uid)?;
    let value = index.open(instance, frame, PixelWindow::whole(format.rows, format.columns), bytes)?;
    write_frame(codec, format, &value, frame, out)
}

fn for_each_frame(file: &[u8], instance: &Instance, mut sink: impl FnMut(&[u8])) -> Result<(), Reason> {
    let format = checked_format(instance)?;
    let codec = Codec::of(&instance.transfer_syntax_uid)?;
    let value = PixelValue::open(instance, file, 0)?;
    let mut bytes = Vec::new();
    for frame in 0..format.frames {
        write_frame(codec, format, &value, frame, &mut bytes)?;
        sink(&bytes);
    }
    Ok(())
}

fn write_frame(
    codec: Codec,
    format: &PixelFormat,
    value: &PixelValue<'_>,
    frame: usize,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    let block = decode_frame(codec, format, value, frame, PixelWindow::whole(format.rows, format.columns))?;
    out.clear();
    write_cells(&block, format, out);
    if has_luminance(format, codec) {
        out.as_chunks_mut::<3>().0.iter_mut().for_each(luminance_to_rgb);
    }
    Ok(())
}

fn cell_bytes(format: &PixelFormat) -> usize {
    usize::from(format.bits_allocated.div_ceil(8))
}

fn dtype(format: &PixelFormat) -> &'static str {
    match (cell_bytes(format), format.signed) {
        (1, false) => "uint8",
        (1, true) => "int8",
        (2, false) => "uint16",
        (2, true) => "int16",
        (_, false) => "uint32",
        (_, true) => "int32",
    }
}

/// Writes stored values in cells of Bits Allocated.
fn write_cells(block: &Block, format: &PixelFormat, out: &mut Vec<u8>) {
    let rule = Normaliser::of(format, block.coded);
    match &block.samples {
        Samples::U8(values) => write_each(values, u32::from, rule, cell_bytes(format), out),
        Samples::U16(values) => write_each(values, u32::from, rule, cell_bytes(format), out),
        Samples::I32(values) => write_each(values, |value| value as u32, rule, cell_bytes(format), out),
    }
}

fn write_each<T: Copy>(values: &[T], bits: impl Fn(T) -> u32, rule: Normaliser, cell: usize, out: &mut Vec<u8>) {
    out.reserve(values.len() * cell);
    let stored = values.iter().map(|&value| rule.narrow(bits(value)).to_le_bytes());
    match cell {
        1 => out.extend(stored.map(|[low, ..]| low)),
        2 => out.extend(stored.flat_map(|[low, high, ..]| [low, high])),
        _ => out.extend(stored.flatten()),
    }
}

/// Whether the decoded samples are luminance and chrominance. JPEG and JPEG XL frames come as RGB from the
/// decoder, JPEG 2000 frames do where the codestream carries its own transform (YBR_RCT, YBR_ICT).
fn has_luminance(format: &PixelFormat, codec: Codec) -> bool {
    format.photometric.starts_with("YBR_FULL")
        && format.samples_per_pixel == 3
        && format.bits_allocated == 8
        && !matches!(codec, Codec::Jpeg | Codec::JpegXl)
}

/// YBR_FULL to RGB (PS3.3 section C.7.6.3.1.2), in single precision and rounded half up, as pydicom does.
fn luminance_to_rgb(pixel: &mut [u8; 3]) {
    let [y, blue, red] = pixel.map(f32::from);
    let (blue, red) = (blue - 128.0, red - 128.0);
    let green = y - (0.114 * 1.772 / 0.587) * blue - (0.299 * 1.402 / 0.587) * red;
    *pixel = [y + 1.402 * red, green, y + 1.772 * blue].map(|value| (value + 0.5).floor().clamp(0.0, 255.0) as u8);
}
