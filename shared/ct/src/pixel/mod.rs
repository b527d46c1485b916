//! Pixel data: bytes of a file to stored values and to Hounsfield units.
//!
//! Order of operations: find the frame's bytes, decode them, keep Bits Stored bits and extend the sign (PS3.5 section
//! 8.1.1), then rescale (the Modality LUT, PS3.3 section C.11.1). The Modality LUT comes before presentation, so
//! MONOCHROME1 does not change Hounsfield units. Nothing here reads a colour table or a window.
//!
//! Codecs, chosen by measurement on one 512 × 512 slice of 16 bits, milliseconds of processor time from bytes to HU on
//! two hyper-threads that others kept busy (`examples/decode_speed.rs` repeats it; "window" is the centred 55 % × 55 %):
//!
//! | codec | by | whole | window | others tried |
//! |---|---|---|---|---|
//! | none | this module | 0.13 | 0.04 | |
//! | RLE | this module | 0.44 | 0.28 | |
//! | JPEG lossless | libjpeg-turbo | 1.6 | 1.5 | jpeg-decoder, twice the time |
//! | JPEG baseline, extended, progressive | libjpeg-turbo | 1 to 2.8 | 0.9 to 2.5 | jpeg-decoder: no 12 bits |
//! | JPEG-LS | CharLS, through dicom-rs | 3.8 | 3.7 | |
//! | JPEG 2000 | openjp2 | 27 | 25 | OpenJPEG in C and hayro-jpeg2000, the same within a tenth |
//!
//! Measured later on a busier machine, so by their ratio to JPEG 2000 (45 whole, 43 by the window): HTJ2K 8 and 7 (always
//! whole, the rest is HU), JPEG XL by jxl-oxide 7 and 5 at effort 1, 28 and 23 at effort 7.
//!
//! JPEG 2000 is the slow one. Nine tenths of its time go into the bit-plane decoder of the code-blocks. A centred window
//! gains nothing while it touches every block of 64 × 64 (55 % of the sides of a 512 × 512 frame) and half the time
//! once it misses the outer ones (45 %: 13 ms). openjp2 is a port of OpenJPEG to Rust: where the C library aborts the
//! process on an assertion it panics, which is caught here.

mod codec;
mod codestream;
mod decode;
mod deflate;
mod encapsulated;
mod frames;
mod hu;
mod index;
mod jpeg;
mod jpeg2000;
mod jpegls;
mod jpegxl;
mod layout;
mod limits;
mod markers;
mod native;
mod reasons;
mod registry;
mod rle;
mod samples;
mod stored;

#[cfg(test)]
mod test_files;

pub use frames::frame_byte_range;
pub use hu::{decode_indexed_hu, decode_window_hu};
pub use index::{FrameIndex, FrameIndexer, IndexStep};
pub(crate) use layout::{check_decodable, checked_format};
pub use limits::{MAX_DECODED_BYTES, MAX_FRAME_PIXELS};
pub(crate) use reasons::no_pixel_data;
pub use stored::{StoredPixels, stored_digest, stored_frame, stored_values};
