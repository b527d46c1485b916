//! JPEG 2000 (ISO 15444-1) and High-Throughput JPEG 2000 (ISO 15444-15) by openjp2, a port of OpenJPEG to Rust.
#![allow(unsafe_code)] // The port kept OpenJPEG's callbacks for reading.

use std::ffi::c_void;

use bolus_study::{PixelWindow, Reason};
use openjp2::openjpeg as opj;
use openjp2::{Codec, OPJ_CODEC_FORMAT, Stream};

use super::codestream::Codestream;
use super::reasons::pixel_data;
use super::samples::{Block, Coded, Samples};
use crate::PixelFormat;

/// The start of a codestream: SOC, then SIZ.
const CODESTREAM_START: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];

/// Decodes at least `window` of a frame.
///
/// Some are decoded whole: of High-Throughput frames the windowed path of openjp2, as of OpenJPEG 2.5, gives a picture of nothing,
/// and where the main header has the packet headers it takes those of other tiles.
///
/// *Errors*: `PixelData` where the codestream is damaged or of another size than the header says; `Truncated`;
/// `TooLarge` where it asks for more than an image of its size needs.
pub(super) fn decode(frame: &[u8], format: &PixelFormat, window: PixelWindow) -> Result<Block, Reason> {
    let start = frame
        .windows(CODESTREAM_START.len())
        .position(|bytes| bytes == CODESTREAM_START)
        .ok_or_else(|| pixel_data("no JPEG 2000 codestream"))?;
    let size = [format.rows, format.columns, usize::from(format.samples_per_pixel)];
    let codestream = Codestream::read(frame.get(start..).unwrap_or_default(), size)?;
    let whole = PixelWindow::whole(format.rows, format.columns);
    let window = if codestream.whole_only { whole } else { window };
    decode_codestream(&codestream, (window != whole).then_some(window), format)
        .ok_or_else(|| pixel_data("damaged JPEG 2000 codestream"))
}

/// Decodes a part of a frame, or all of it.
fn decode_codestream(codestream: &Codestream<'_>, part: Option<PixelWindow>, format: &PixelFormat) -> Option<Block> {
    let mut source = Source { bytes: &codestream.bytes, position: 0 };
    let mut stream = source.stream();
    let mut codec = Codec::new_decoder(OPJ_CODEC_FORMAT::OPJ_CODEC_J2K)?;
    let done = |status: i32| (status != 0).then_some(());
    done(codec.setup_decoder(&mut opj::opj_dparameters_t::default()))?;
    done(codec.decoder_set_strict_mode(1))?;
    let mut image = codec.read_header(&mut stream)?;
    let size = &codestream.size;
    if let Some(part) = part {
        let grid = |origin: usize, position: usize| i32::try_from(origin + position).ok();
        let (x0, y0) = (grid(size.x.start, part.x0)?, grid(size.y.start, part.y0)?);
        let (x1, y1) = (grid(size.x.start, part.x1)?, grid(size.y.start, part.y1)?);
        done(codec.set_decode_area(&mut image, x0, y0, x1, y1))?;
    }
    done(codec.decode(&mut stream, &mut image))?;
    let window = part.unwrap_or(PixelWindow::whole(format.rows, format.columns));
    let components = image.comps()?;
    let first = components.first()?;
    let coded = Some(Coded { precision: first.prec, signed: first.sgnd != 0 });
    let pixels = window.height() * window.width();
    let planes: Vec<&[i32]> = components.iter().filter_map(|component| component.data()).collect();
    if planes.len() != size.components || planes.iter().any(|plane| plane.len() != pixels) {
        return None;
    }
    let samples = Samples::I32(match planes.as_slice() {
        [only] => only.to_vec(),
        several => (0..pixels).flat_map(|pixel| several.iter().map(move |plane| plane[pixel])).collect(),
    });
    Some(Block { y0: window.y0, x0: window.x0, height: window.height(), width: window.width(), samples, coded })
}

/// Bytes that openjp2 reads through callbacks.
struct Source<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Source<'_> {
    /// A stream over `self`, which must outlive it and stay where it is.
    fn stream(&mut self) -> Stream {
        let mut stream = Stream::new_custom(self.bytes.len().clamp(64, 1 << 20), true);
        let length = self.bytes.len() as u64;
        let user_data: *mut c_void = std::ptr::from_mut(self).cast();
        let handle: *mut opj::opj_stream_t = std::ptr::from_mut(&mut stream).cast();
        // SAFETY: the stream is live; the callbacks take `user_data` for what it is, a `Source`.
        unsafe {
            opj::opj_stream_set_read_function(handle, Some(read));
            opj::opj_stream_set_skip_function(handle, Some(skip));
            opj::opj_stream_set_seek_function(handle, Some(seek));
            opj::opj_stream_set_user_data(handle, user_data, None);
            opj::opj_stream_set_user_data_length(handle, length);
        }
        stream
    }
}

/// Copies up to `count` bytes; `usize::MAX` at the end, as OpenJPEG asks.
unsafe extern "C" fn read(buffer: *mut c_void, count: usize, user_data: *mut c_void) -> usize {
    // SAFETY: `user_data` is the `Source` given to the stream, used by one thread.
    let source = unsafe { &mut *user_data.cast::<Source>() };
    let rest = source.bytes.get(source.position..).unwrap_or_default();
    let taken = rest.len().min(count);
    if taken == 0 {
        return usize::MAX;
    }
    // SAFETY: the caller's buffer has `count` bytes, and `taken` is no more; the two do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(rest.as_ptr(), buffer.cast::<u8>(), taken) };
    source.position += taken;
    taken
}

unsafe extern "C" fn skip(count: i64, user_data: *mut c_void) -> i64 {
    // SAFETY: as in `read`.
    let source = unsafe { &mut *user_data.cast::<Source>() };
    source.position = source.position.saturating_add_signed(count as isize).min(source.bytes.len());
    count
}

unsafe extern "C" fn seek(position: i64, user_data: *mut c_void) -> i32 {
    // SAFETY: as in `read`.
    let source = unsafe { &mut *user_data.cast::<Source>() };
    match usize::try_from(position) {
        Ok(position) if position <= source.bytes.len() => {
            source.position = position;
            1
        }
        _ => 0,
    }
}
