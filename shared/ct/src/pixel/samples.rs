//! Decoded samples and their normalisation to stored values.

use crate::PixelFormat;

/// Samples of a rectangle of a frame, interleaved by pixel, row-major.
#[derive(Debug)]
pub(super) struct Block {
    /// First row and column of the frame that the block holds.
    pub(super) y0: usize,
    pub(super) x0: usize,
    /// Rows and columns in the block.
    pub(super) height: usize,
    pub(super) width: usize,
    /// `height × width × samples per pixel` samples.
    pub(super) samples: Samples,
    /// What the codec says of its samples; `None` where they are whole cells of Bits Allocated.
    pub(super) coded: Option<Coded>,
}

/// Depth and sign that a codestream declares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coded {
    pub(super) precision: u32,
    pub(super) signed: bool,
}

/// Samples in the width that the decoder gives.
#[derive(Debug)]
pub(super) enum Samples {
    U8(Vec<u8>),
    U16(Vec<u16>),
    /// 32-bit cells, or the values of a codec that gives integers.
    I32(Vec<i32>),
}

impl Samples {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::U16(values) => values.len(),
            Self::I32(values) => values.len(),
        }
    }

    /// Planes of samples to samples interleaved by pixel.
    pub(super) fn interleaved(self, samples_per_pixel: usize) -> Self {
        match self {
            Self::U8(values) => Self::U8(interleave(&values, samples_per_pixel)),
            Self::U16(values) => Self::U16(interleave(&values, samples_per_pixel)),
            Self::I32(values) => Self::I32(interleave(&values, samples_per_pixel)),
        }
    }
}

fn interleave<T: Copy>(values: &[T], samples_per_pixel: usize) -> Vec<T> {
    let plane = values.len() / samples_per_pixel;
    (0..plane).flat_map(|pixel| values.iter().skip(pixel).step_by(plane).take(samples_per_pixel)).copied().collect()
}

/// Turns a sample's bits into a stored value: drops unused bits, extends the sign.
#[derive(Debug, Clone, Copy)]
pub(super) struct Normaliser {
    /// Bits below the value, dropped first.
    drop_low: u32,
    /// Bits above the value, out of 32.
    unused_high: u32,
    signed: bool,
}

impl Normaliser {
    /// The rule for `format` and what the codestream declares.
    ///
    /// Codecs align values to bit 0 whatever High Bit says. A codestream that declares a smaller depth than Bits
    /// Stored holds that many bits; its sign bit is its own highest one. A codestream whose values are signed
    /// already only loses bits above Bits Stored.
    pub(super) fn of(format: &PixelFormat, coded: Option<Coded>) -> Self {
        let stored = u32::from(format.bits_stored).clamp(1, 32);
        let (bits, drop_low) = match coded {
            None => (stored, (u32::from(format.high_bit) + 1).saturating_sub(stored).min(31)),
            Some(coded) if coded.signed => (stored, 0),
            Some(coded) => (stored.min(coded.precision.clamp(1, 32)), 0),
        };
        Self { drop_low, unused_high: 32 - bits, signed: format.signed }
    }

    /// The stored value of a signed instance, or of one whose values fit 31 bits.
    #[inline]
    pub(super) fn narrow(self, sample: u32) -> i32 {
        if self.signed { self.narrow_signed(sample) } else { self.narrow_unsigned(sample) }
    }

    /// [`Self::narrow`] of signed values, without a branch for each.
    #[inline]
    pub(super) fn narrow_signed(self, sample: u32) -> i32 {
        (((sample >> self.drop_low) << self.unused_high) as i32) >> self.unused_high
    }

    /// [`Self::narrow`] of unsigned values, without a branch for each.
    #[inline]
    pub(super) fn narrow_unsigned(self, sample: u32) -> i32 {
        (((sample >> self.drop_low) << self.unused_high) >> self.unused_high) as i32
    }

    /// Bits of a stored value.
    pub(super) fn bits(self) -> u32 {
        32 - self.unused_high
    }

    /// Whether values are two's complement.
    pub(super) fn is_signed(self) -> bool {
        self.signed
    }

    /// The stored value of any instance.
    #[inline]
    pub(super) fn wide(self, sample: u32) -> i64 {
        let narrow = self.narrow(sample);
        if self.signed { i64::from(narrow) } else { i64::from(narrow as u32) }
    }

    /// Whether [`Self::narrow`] holds every value.
    pub(super) fn fits_narrow(self) -> bool {
        self.signed || self.unused_high > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixel::test_files::format;

    #[test]
    fn drops_overlay_bits_and_extends_the_sign() {
        let signed = Normaliser::of(&format(16, 12, 11, true), None);
        assert_eq!(signed.narrow(0xF801), -2047);
        let unsigned = Normaliser::of(&format(16, 12, 11, false), None);
        assert_eq!(unsigned.narrow(0xF801), 0x801);
        let left_aligned = Normaliser::of(&format(16, 12, 15, false), None);
        assert_eq!(left_aligned.narrow(0x8010), 0x801);
    }

    #[test]
    fn unsigned_codestream_of_signed_instance_is_extended_from_its_own_depth() {
        let rule = Normaliser::of(&format(16, 13, 12, true), Some(Coded { precision: 13, signed: false }));
        assert_eq!(rule.narrow(0x1FFF), -1);
        let shallow = Normaliser::of(&format(16, 16, 15, true), Some(Coded { precision: 12, signed: false }));
        assert_eq!(shallow.narrow(0xFFF), -1);
    }

    #[test]
    fn thirty_two_bits_are_kept_whole() {
        let rule = Normaliser::of(&format(32, 32, 31, false), None);
        assert!(!rule.fits_narrow());
        assert_eq!(rule.wide(u32::MAX), 4_294_967_295);
    }
}
