//! Stored values to Hounsfield units.

use bolus_study::{PixelWindow, Reason, ReasonCode};

use super::codec::Codec;
use super::decode::decode_frame;
use super::frames::PixelValue;
use super::index::FrameIndex;
use super::layout::checked_format;
use super::samples::{Block, Normaliser, Samples};
use crate::{Instance, PixelFormat};

/// Decodes `window` of frame `frame` to Hounsfield units.
///
/// `bytes` are those of [`super::frame_byte_range`], the first of them at `range_start` of the file; more may be given.
/// `out` is cleared and receives `window.height() × window.width()` values, `[y, x]`, row-major.
///
/// HU = stored value × Rescale Slope + Rescale Intercept of the frame, computed in double precision. Pixel Padding
/// Value, or the range from it to Pixel Padding Range Limit, becomes `air_hu`. The photometric interpretation changes
/// nothing: MONOCHROME1 concerns presentation, which comes after the Modality LUT (PS3.4 section N.2).
///
/// *Errors*: `MissingAttribute` without slope or intercept; `InconsistentAttribute` where the instance has several
/// samples per pixel, or the frame or the window lies outside the image; `TransferSyntax` without a decoder;
/// `NoPixelData`, `PixelData`, `Truncated` and `TooLarge` as the pixel data deserves. `out` is then unspecified.
pub fn decode_window_hu(
    instance: &Instance,
    frame: usize,
    window: PixelWindow,
    bytes: &[u8],
    range_start: u64,
    air_hu: f32,
    out: &mut Vec<f32>,
) -> Result<(), Reason> {
    decode_opened(
        instance,
        frame,
        window,
        || PixelValue::open_window(instance, frame, window, bytes, range_start),
        air_hu,
        out,
    )
}

/// As [`decode_window_hu`], with the bytes that `index` names: those of [`FrameIndex::byte_range`], no others.
///
/// *Errors*: as [`decode_window_hu`].
pub fn decode_indexed_hu(
    instance: &Instance,
    index: &FrameIndex,
    frame: usize,
    window: PixelWindow,
    bytes: &[u8],
    air_hu: f32,
    out: &mut Vec<f32>,
) -> Result<(), Reason> {
    decode_opened(instance, frame, window, || index.open(instance, frame, window, bytes), air_hu, out)
}

fn decode_opened<'a>(
    instance: &Instance,
    frame: usize,
    window: PixelWindow,
    open: impl FnOnce() -> Result<PixelValue<'a>, Reason>,
    air_hu: f32,
    out: &mut Vec<f32>,
) -> Result<(), Reason> {
    let format = checked_format(instance)?;
    check_request(format, frame, window)?;
    let codec = Codec::of(&instance.transfer_syntax_uid)?;
    let rescale = rescale_of(instance, frame)?;
    let value = open()?;
    let block = decode_frame(codec, format, &value, frame, window)?;
    let scale = Scale { rescale, padding: padding_range(format), air_hu };
    out.clear();
    write_hu(&block, window, Normaliser::of(format, block.coded), &scale, out);
    Ok(())
}

fn check_request(format: &PixelFormat, frame: usize, window: PixelWindow) -> Result<(), Reason> {
    let refused = |detail: String| Err(Reason::new(ReasonCode::InconsistentAttribute, detail));
    if format.samples_per_pixel != 1 {
        return refused(format!("expected 1 sample per pixel, found {}", format.samples_per_pixel));
    }
    if frame >= format.frames {
        return refused(format!("frame {frame} of {}", format.frames));
    }
    let inside = window.y0 <= window.y1 && window.y1 <= format.rows && window.x0 <= window.x1;
    if !inside || window.x1 > format.columns || window.height() == 0 || window.width() == 0 {
        return refused(format!("window {window:?} of an image of {} x {}", format.rows, format.columns));
    }
    Ok(())
}

/// Slope and intercept of a frame.
fn rescale_of(instance: &Instance, frame: usize) -> Result<(f64, f64), Reason> {
    let missing = |name: &str| Reason::new(ReasonCode::MissingAttribute, name.to_owned());
    let info = instance.frames.get(frame).ok_or_else(|| missing("functional groups of the frame"))?;
    let slope = info.rescale_slope.ok_or_else(|| missing("RescaleSlope"))?;
    let intercept = info.rescale_intercept.ok_or_else(|| missing("RescaleIntercept"))?;
    Ok((slope, intercept))
}

/// The stored values that stand for no measurement, both ends included; an empty range where there are none.
///
/// Writers give a padding value as they fill its cell: beyond Bits Stored, or negative for unsigned pixels. What the
/// cell's pixel becomes, it becomes too. A range that does not stay whole on the way keeps the values that it names.
fn padding_range(format: &PixelFormat) -> (i64, i64) {
    let Some(padding) = format.padding else { return (1, 0) };
    let (bits, allocated) = (u32::from(format.bits_stored), u32::from(format.bits_allocated));
    let values = if format.signed { -(1i64 << (bits - 1))..1 << (bits - 1) } else { 0..1 << bits };
    let as_cell = |value: i32| {
        let mask = u32::MAX >> (32 - allocated);
        if format.signed { i64::from(value) } else { i64::from(value as u32 & mask) }
    };
    let rule = Normaliser::of(format, None);
    let as_pixel = |cell: i64| if values.contains(&cell) { cell } else { rule.wide(cell as u32) };
    let (one, other) = (as_cell(padding), as_cell(format.padding_limit.unwrap_or(padding)));
    let (low, high) = (one.min(other), one.max(other));
    let (first, last) = (as_pixel(low), as_pixel(high));
    if last - first == high - low { (first, last) } else { (low.max(values.start), high.min(values.end - 1)) }
}

#[derive(Debug, Clone, Copy)]
struct Scale {
    rescale: (f64, f64),
    padding: (i64, i64),
    air_hu: f32,
}

impl Scale {
    #[inline]
    fn wide(&self, value: i64) -> f32 {
        let (low, high) = self.padding;
        if value >= low && value <= high {
            self.air_hu
        } else {
            (value as f64 * self.rescale.0 + self.rescale.1) as f32
        }
    }

    /// The padding range cut to 32 bits.
    fn narrow_padding(&self) -> (i32, i32) {
        let narrow = |value: i64| i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX });
        (narrow(self.padding.0), narrow(self.padding.1))
    }

    /// Slope and intercept in single precision, where rescaling by them is exact for every value of `bits` bits: then
    /// double precision gives the same and costs twice the time.
    fn exact(&self, bits: u32) -> Option<(f32, f32)> {
        let (slope, intercept) = self.rescale;
        let largest = slope.abs() * f64::from(1u32.checked_shl(bits)?) + intercept.abs();
        let whole = slope.fract() == 0.0 && intercept.fract() == 0.0;
        (whole && largest <= f64::from(1u32 << f32::MANTISSA_DIGITS)).then_some((slope as f32, intercept as f32))
    }
}

fn write_hu(block: &Block, window: PixelWindow, rule: Normaliser, scale: &Scale, out: &mut Vec<f32>) {
    match &block.samples {
        Samples::U8(values) => write_narrow(block, values, window, u32::from, rule, scale, out),
        Samples::U16(values) => write_narrow(block, values, window, u32::from, rule, scale, out),
        Samples::I32(values) if rule.fits_narrow() => {
            write_narrow(block, values, window, |sample| sample as u32, rule, scale, out);
        }
        Samples::I32(values) => {
            write_rows(block, values, window, out, |sample| scale.wide(rule.wide(sample as u32)));
        }
    }
}

/// Writes values that fit 32 bits. Sign and precision are looked at once, and what the loops use is copied into them:
/// behind a reference the compiler reads it again for every pixel, which takes three times as long.
fn write_narrow<T: Copy>(
    block: &Block,
    values: &[T],
    window: PixelWindow,
    bits: impl Fn(T) -> u32 + Copy,
    rule: Normaliser,
    scale: &Scale,
    out: &mut Vec<f32>,
) {
    let ((low, high), air_hu) = (scale.narrow_padding(), scale.air_hu);
    let (slope, intercept) = scale.rescale;
    let or_air = move |value: i32, hu: f32| if (value >= low) & (value <= high) { air_hu } else { hu };
    let double = move |value: i32| or_air(value, (f64::from(value) * slope + intercept) as f32);
    match (rule.is_signed(), scale.exact(rule.bits())) {
        (true, Some((slope, intercept))) => write_rows(block, values, window, out, move |sample| {
            let value = rule.narrow_signed(bits(sample));
            or_air(value, value as f32 * slope + intercept)
        }),
        (false, Some((slope, intercept))) => write_rows(block, values, window, out, move |sample| {
            let value = rule.narrow_unsigned(bits(sample));
            or_air(value, value as f32 * slope + intercept)
        }),
        (true, None) => write_rows(block, values, window, out, move |s| double(rule.narrow_signed(bits(s)))),
        (false, None) => write_rows(block, values, window, out, move |s| double(rule.narrow_unsigned(bits(s)))),
    }
}

/// Maps the window's part of `values`, which holds at least the window.
fn write_rows<T: Copy>(block: &Block, values: &[T], window: PixelWindow, out: &mut Vec<f32>, hu: impl Fn(T) -> f32) {
    let columns = window.x0 - block.x0..window.x1 - block.x0;
    let rows = values.chunks_exact(block.width).skip(window.y0 - block.y0).take(window.height());
    out.resize(window.height() * window.width(), 0.0);
    for (to, row) in out.chunks_exact_mut(window.width()).zip(rows) {
        to.iter_mut().zip(&row[columns.clone()]).for_each(|(to, &sample)| *to = hu(sample));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixel::test_files::format;

    fn range(format: PixelFormat, padding: i32, padding_limit: Option<i32>) -> (i64, i64) {
        padding_range(&PixelFormat { padding: Some(padding), padding_limit, ..format })
    }

    #[test]
    fn padding_is_a_range_of_stored_values() {
        let with = |signed, padding, limit| range(format(16, 16, 15, signed), padding, limit);
        assert_eq!(with(true, -2000, None), (-2000, -2000));
        assert_eq!(with(true, -1000, Some(-2000)), (-2000, -1000));
        assert_eq!(with(false, -2000, None), (63536, 63536));
        let none = padding_range(&PixelFormat { padding_limit: Some(5), ..format(16, 16, 15, true) });
        assert!(none.0 > none.1);
    }

    #[test]
    fn padding_is_cut_to_bits_stored_like_its_cell() {
        for signed in [false, true] {
            for (stored, high) in [(12, 11), (12, 15), (10, 9), (16, 15)] {
                let format = format(16, stored, high, signed);
                let rule = Normaliser::of(&format, None);
                // Left-aligned cells are told by their value; a padding value that is one already stays it.
                for cell in (0..1u32 << 16).filter(|cell| high + 1 == stored || *cell >= 1 << 15) {
                    let stated = if signed { i32::from(cell as u16 as i16) } else { cell as i32 };
                    let expected = rule.wide(cell);
                    let fits = signed && high + 1 > stored && stated >= -(1 << (stored - 1));
                    assert!(fits || range(format.clone(), stated, None) == (expected, expected), "{cell:#x} {stored}");
                }
            }
        }
    }

    #[test]
    fn a_padding_range_never_grows_over_values_that_it_does_not_name() {
        let signed = format(16, 12, 11, true);
        assert_eq!(range(signed.clone(), -32768, Some(-1025)), (-2048, -1025));
        assert_eq!(range(signed, -2000, Some(-1025)), (-2000, -1025));
        let unsigned = format(16, 12, 11, false);
        assert_eq!(range(unsigned.clone(), 0, Some(-1)), (0, 4095));
        assert_eq!(range(unsigned, -2000, Some(-1990)), (2096, 2106));
    }
}
