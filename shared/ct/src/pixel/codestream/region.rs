//! Regions of interest (ISO 15444-1 annex H): samples whose bit-planes are coded above those of the background.
//!
//! openjp2, as OpenJPEG 2.5 does, counts the planes of a block without the shift where it looks for the bypass of the arithmetic
//! coder, and takes a background sample for one of the region where it fills the plane below the shift. Both give other pixels
//! and no error, so such streams are refused.

use bolus_study::Reason;

use super::super::reasons::pixel_data;
use super::style::Style;

const RGN: u16 = 0xFF5E;
const QCD: u16 = 0xFF5C;
const QCC: u16 = 0xFF5D;

/// What the markers RGN, QCD and QCC of a header say of regions, over all components.
#[derive(Debug, Clone, Default)]
pub(super) struct Region {
    /// The least shift; `None` without a region.
    shift: Option<u32>,
    /// The most bit-planes that a sample of the background can have.
    planes: u32,
}

impl Region {
    pub(super) fn take(&mut self, marker: u16, segment: &[u8]) {
        match (marker, segment) {
            (RGN, [_, _, shift]) => self.shift = Some(self.shift.unwrap_or(u32::MAX).min(u32::from(*shift))),
            (QCD, quantization) => self.planes = self.planes.max(planes(quantization)),
            (QCC, [_, quantization @ ..]) => self.planes = self.planes.max(planes(quantization)),
            _ => {}
        }
    }

    /// Whether the decoder tells region and background apart.
    ///
    /// *Errors*: `PixelData` where it does not.
    pub(super) fn check(&self, components: &[Style]) -> Result<(), Reason> {
        let Some(shift) = self.shift.filter(|shift| *shift > 0) else { return Ok(()) };
        if components.iter().any(Style::is_bypassed) {
            return Err(pixel_data(
                "a JPEG 2000 region of interest with bypass of the arithmetic coder is not decoded right",
            ));
        }
        if shift <= self.planes {
            let detail = format!(
                "a JPEG 2000 region of interest shifted by {shift} bits over a background of up to {} is not decoded right",
                self.planes
            );
            return Err(pixel_data(detail));
        }
        Ok(())
    }
}

/// The most bit-planes by exponents and guard bits (sections A.6.4 and E.1): Mb = G + exponent - 1.
fn planes(quantization: &[u8]) -> u32 {
    let Some((style, steps)) = quantization.split_first() else { return 0 };
    let size = if style & 0x1F == 0 { 1 } else { 2 };
    let exponent = steps.chunks_exact(size).filter_map(|step| step.first()).map(|high| u32::from(high >> 3)).max();
    (u32::from(style >> 5) + exponent.unwrap_or(0)).saturating_sub(1)
}
