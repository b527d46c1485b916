//! What is decoded at most.

/// The largest frame that is decoded, in pixels. A larger one is refused as too large before any memory is taken:
/// CT frames have at most 4,096 × 4,096 pixels, and 2^26 32-bit samples are 256 MiB.
pub const MAX_FRAME_PIXELS: usize = 1 << 26;

/// The most bytes that one call keeps decoded or inflated. An instance beyond it is refused as too large.
pub const MAX_DECODED_BYTES: usize = 1 << 30;
