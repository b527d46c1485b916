//! Layouts of stored values that can be read, and those that contradict themselves.

use bolus_study::{Reason, ReasonCode};

use super::codec::Codec;
use super::frames::{location_of, not_encapsulated};
use super::limits::MAX_FRAME_PIXELS;
use super::reasons::{no_pixel_data, too_large};
use crate::{Instance, PixelFormat};

/// The format of an instance, checked.
///
/// *Errors*: `NoPixelData` without pixel data, `MissingAttribute` where an attribute of their layout is, and those of
/// [`check_layout`].
pub(crate) fn checked_format(instance: &Instance) -> Result<&PixelFormat, Reason> {
    if instance.pixels.is_none() {
        return Err(no_pixel_data());
    }
    let missing = || Reason::new(ReasonCode::MissingAttribute, instance.missing_attributes.join(", "));
    let format = instance.format.as_ref().ok_or_else(missing)?;
    check_layout(format)?;
    Ok(format)
}

/// Checks as far as the header tells that the frames can be decoded: by their layout, a decoder for the transfer syntax, pixel data in the form that
/// it asks for, and as long as native frames are.
///
/// # Errors
/// Those of [`checked_format`]; `TransferSyntax`; `PixelData` for another form; `InconsistentAttribute` for too few bytes.
pub(crate) fn check_decodable(instance: &Instance) -> Result<(), Reason> {
    let format = checked_format(instance)?;
    let codec = Codec::of(&instance.transfer_syntax_uid)?;
    let location = location_of(instance)?;
    if !codec.is_native() && !location.encapsulated {
        return Err(not_encapsulated());
    }
    let needed = native_bytes(format);
    if let Some(found) = location.length.filter(|found| *found < needed) {
        let detail = format!("pixel data of {found} bytes, {needed} needed for the stated rows, columns and frames");
        return Err(Reason::new(ReasonCode::InconsistentAttribute, detail));
    }
    Ok(())
}

/// The fewest bytes of native frames: colour may be coded with fewer samples than are stated (YBR_FULL_422).
fn native_bytes(format: &PixelFormat) -> u64 {
    let pixels = (format.rows as u64).saturating_mul(format.columns as u64).saturating_mul(format.frames as u64);
    pixels.saturating_mul(u64::from(format.bits_allocated)).div_ceil(8)
}

/// Checks that a layout says how its cells are read (PS3.5 section 8.1.1) and that a frame is not too large.
///
/// High Bit may lie above Bits Stored - 1: values were allowed to be left-aligned before 2008. Any other contradiction
/// leaves open which bits are the value, so it is refused and never bent into something that can be read.
///
/// # Errors
/// `InconsistentAttribute` for a dimension of zero, Bits Allocated other than 1, 8, 16 and 32, Bits Stored of zero or
/// above it, High Bit outside the cell or below Bits Stored - 1, and Pixel Representation other than 0 and 1;
/// `TooLarge`.
fn check_layout(format: &PixelFormat) -> Result<(), Reason> {
    let refused = |detail: String| Err(Reason::new(ReasonCode::InconsistentAttribute, detail));
    let samples = usize::from(format.samples_per_pixel);
    if format.rows == 0 || format.columns == 0 || format.frames == 0 || samples == 0 {
        let PixelFormat { frames, rows, columns, .. } = format;
        return refused(format!("{frames} frames of {rows} x {columns} x {samples} samples"));
    }
    let (allocated, stored, high) = (format.bits_allocated, format.bits_stored, format.high_bit);
    if !matches!(allocated, 1 | 8 | 16 | 32) {
        return refused(format!("bits allocated is {allocated}, expected 1, 8, 16 or 32"));
    }
    if stored == 0 || stored > allocated {
        return refused(format!("bits stored is {stored} of {allocated} bits allocated"));
    }
    if high >= allocated || high + 1 < stored {
        return refused(format!("high bit is {high} with {stored} bits stored of {allocated} allocated"));
    }
    if format.pixel_representation > 1 {
        return refused(format!("pixel representation is {}, expected 0 or 1", format.pixel_representation));
    }
    let frame_samples = format.rows.saturating_mul(format.columns).saturating_mul(samples);
    if frame_samples > MAX_FRAME_PIXELS {
        return Err(too_large("samples in a frame", frame_samples, MAX_FRAME_PIXELS));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixel::test_files::format;

    #[test]
    fn layouts_that_contradict_themselves_are_refused() {
        for allocated in 0..40 {
            for stored in 0..40 {
                for high in 0..40 {
                    let possible = [1, 8, 16, 32].contains(&allocated)
                        && (1..=allocated).contains(&stored)
                        && (stored - 1..allocated).contains(&high);
                    let found = check_layout(&format(allocated, stored, high, false));
                    assert_eq!(found.is_ok(), possible, "{allocated} {stored} {high}");
                    assert!(found.err().is_none_or(|reason| reason.code == ReasonCode::InconsistentAttribute));
                }
            }
        }
        let third = PixelFormat { pixel_representation: 2, ..format(16, 12, 11, false) };
        assert_eq!(check_layout(&third).unwrap_err().code, ReasonCode::InconsistentAttribute);
    }
}
