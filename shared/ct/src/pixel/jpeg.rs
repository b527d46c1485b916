//! JPEG (ISO 10918-1) by libjpeg-turbo: baseline, extended, progressive and lossless, 2 to 16 bits.
//!
//! The library reports every error by a return code; it neither exits nor jumps out of a call.
#![allow(unsafe_code)] // The TurboJPEG functions are C.

use std::ffi::{CStr, c_int};

use bolus_study::{Reason, ReasonCode};
use turbojpeg_sys as turbo;

use super::limits::MAX_FRAME_PIXELS;
use super::markers::{Syntax, rewritten};
use super::reasons::pixel_data;
use super::samples::{Block, Coded, Samples};
use crate::PixelFormat;

/// The most scans of one image. Each costs a pass over the frame, and a few bytes can ask for one; real images have
/// about ten. Beyond it the image is refused.
const MAX_SCANS: c_int = 100;

/// The most memory that the library takes for one image beside the result, in megabytes.
const MAX_MEMORY_MB: c_int = 512;

struct Decompressor(turbo::tjhandle);

impl Decompressor {
    fn new() -> Result<Self, Reason> {
        // SAFETY: no arguments that could be wrong; a null handle is refused below.
        let handle = unsafe { turbo::tj3Init(turbo::TJINIT_TJINIT_DECOMPRESS as c_int) };
        if handle.is_null() {
            return Err(pixel_data("libjpeg-turbo cannot be started"));
        }
        let decompressor = Self(handle);
        decompressor.set(turbo::TJPARAM_TJPARAM_MAXPIXELS as c_int, MAX_FRAME_PIXELS as c_int)?;
        decompressor.set(turbo::TJPARAM_TJPARAM_SCANLIMIT as c_int, MAX_SCANS)?;
        decompressor.set(turbo::TJPARAM_TJPARAM_MAXMEMORY as c_int, MAX_MEMORY_MB)?;
        Ok(decompressor)
    }

    fn set(&self, parameter: c_int, value: c_int) -> Result<(), Reason> {
        // SAFETY: the handle is live; unknown parameters are refused by the library.
        let status = unsafe { turbo::tj3Set(self.0, parameter, value) };
        self.check(status)
    }

    fn get(&self, parameter: turbo::TJPARAM) -> c_int {
        // SAFETY: the handle is live.
        unsafe { turbo::tj3Get(self.0, parameter as c_int) }
    }

    /// Turns a status into a reason. A warning is one too: the library tells the first alone, and goes on with pixels
    /// of its own making.
    fn check(&self, status: c_int) -> Result<(), Reason> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the handle is live, and the library gives a terminated string that lives as long.
        let message = unsafe { CStr::from_ptr(turbo::tj3GetErrorStr(self.0)).to_string_lossy() };
        Err(pixel_data(format!("JPEG: {message}")))
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: the handle came from `tj3Init` and is destroyed once.
        unsafe { turbo::tj3Destroy(self.0) };
    }
}

/// Decodes a whole frame; colour comes as RGB.
///
/// A frame that the library refuses or warns of is decoded anew with its markers put right.
///
/// *Errors*: `PixelData` where the codestream is damaged or of another size than the header says,
/// `InconsistentAttribute` for other numbers of samples than 1 and 3.
pub(super) fn decode(frame: &[u8], format: &PixelFormat) -> Result<Block, Reason> {
    let first = decode_plain(frame, format);
    if first.is_ok() {
        return first;
    }
    let colour = format.samples_per_pixel > 1;
    let again = |drop_zeros| decode_plain(&rewritten(frame, Syntax::Jpeg, colour, drop_zeros)?, format).ok();
    again(false).or_else(|| again(true)).map_or(first, Ok)
}

/// Decodes a stream whose markers are where they should be.
fn decode_plain(frame: &[u8], format: &PixelFormat) -> Result<Block, Reason> {
    let decompressor = Decompressor::new()?;
    // SAFETY: pointer and length are those of a live slice.
    decompressor.check(unsafe { turbo::tj3DecompressHeader(decompressor.0, frame.as_ptr(), frame.len() as _) })?;
    let gray = decompressor.get(turbo::TJPARAM_TJPARAM_COLORSPACE) == turbo::TJCS_TJCS_GRAY as c_int;
    let pixel_format = match (format.samples_per_pixel, gray) {
        (1, true) => turbo::TJPF_TJPF_GRAY,
        (3, false) => turbo::TJPF_TJPF_RGB,
        (samples, _) => {
            let detail = format!("JPEG frame with {samples} samples per pixel, gray: {gray}");
            return Err(Reason::new(ReasonCode::InconsistentAttribute, detail));
        }
    };
    let columns = decompressor.get(turbo::TJPARAM_TJPARAM_JPEGWIDTH);
    let rows = decompressor.get(turbo::TJPARAM_TJPARAM_JPEGHEIGHT);
    if (usize::try_from(rows), usize::try_from(columns)) != (Ok(format.rows), Ok(format.columns)) {
        return Err(pixel_data(format!(
            "JPEG frame is {rows} x {columns}, expected {} x {}",
            format.rows, format.columns
        )));
    }
    let precision = decompressor.get(turbo::TJPARAM_TJPARAM_PRECISION);
    let count = format.rows * format.columns * usize::from(format.samples_per_pixel);
    let samples = read_samples(&decompressor, frame, precision, count, pixel_format as c_int)?;
    let coded = Some(Coded { precision: u32::try_from(precision).unwrap_or(16), signed: false });
    Ok(Block { y0: 0, x0: 0, height: format.rows, width: format.columns, samples, coded })
}

/// Decodes `count` samples, in the type that the library has for the precision.
fn read_samples(
    decompressor: &Decompressor,
    frame: &[u8],
    precision: c_int,
    count: usize,
    pixel_format: c_int,
) -> Result<Samples, Reason> {
    let (handle, source, length) = (decompressor.0, frame.as_ptr(), frame.len() as _);
    if precision <= 8 {
        let mut values = vec![0u8; count];
        // SAFETY: the header was read: with pitch 0 the library writes rows × columns × samples values, which is
        // `count`, compared with the header by the caller.
        decompressor
            .check(unsafe { turbo::tj3Decompress8(handle, source, length, values.as_mut_ptr(), 0, pixel_format) })?;
        return Ok(Samples::U8(values));
    }
    let mut values = vec![0u16; count];
    let target = values.as_mut_ptr();
    // SAFETY: as above; 12-bit samples are shorts of the size of `u16`.
    decompressor.check(unsafe {
        if precision <= 12 {
            turbo::tj3Decompress12(handle, source, length, target.cast(), 0, pixel_format)
        } else {
            turbo::tj3Decompress16(handle, source, length, target, 0, pixel_format)
        }
    })?;
    Ok(Samples::U16(values))
}
