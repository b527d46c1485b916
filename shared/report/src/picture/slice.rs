//! Slices as pictures show them.

/// A slice of the network's input in grey.
#[derive(Debug, Clone, Copy)]
pub struct GreySlice<'a> {
    /// Index among the scored slices.
    pub slice: usize,
    /// Grey values, `[row, column]` row-major.
    pub pixels: &'a [u8],
    /// Columns of a row.
    pub columns: usize,
}

/// A slice and where the network looks in it.
#[derive(Debug, Clone, Copy)]
pub struct HeatSlice<'a> {
    /// Why it was taken, where that is worth a word: `highest`, `lowest`; else empty.
    pub chosen: &'a str,
    /// Position along the slice normal, in millimetres.
    pub z_mm: f64,
    /// The slice's own probability.
    pub probability: f32,
    /// The network's input, `[row, column]`, 0..1.
    pub pixels: &'a [f32],
    /// The fall of the logit at each patch; `None` where covering changes nothing.
    pub patch_drops: &'a [Option<f32>],
    /// The fall of the logit for each pixel, `[row, column]`; negative where it rises.
    pub pixel_drops: &'a [f32],
}
