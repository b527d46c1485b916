//! Layouts of stored values that can be read, and those that contradict themselves.

use bolus_study::{Reason, ReasonCode};

use super::{MAX_FRAME_PIXELS, too_large};
use crate::{Instance, PixelFormat};

/// The format of an instance, checked.
///
/// *Errors*: `NoPixelData` where there is none, and those of [`check_layout`].
pub(super) fn checked_format(instance: &Instance) -> Result<&PixelFormat, Reason> {
    let no_image = || Reason::new(ReasonCode::NoPixelData, "the instance has no image");
    let format = instance.format.as_ref().ok_or_else(no_image)?;
    check_layout(format)?;
    Ok(format)
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
pub(crate) fn check_layout(format: &PixelFormat) -> Result<(), Reason> {
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
