//! JPEG 2000 (ISO 15444-1) and High-Throughput JPEG 2000 (ISO 15444-15) by openjp2, a port of OpenJPEG to Rust.
#![allow(unsafe_code)] // The port kept OpenJPEG's callbacks for reading.

use std::ffi::c_void;

use bolus_study::{PixelWindow, Reason};
use openjp2::openjpeg as opj;
use openjp2::{Codec, OPJ_CODEC_FORMAT, Stream};

use super::pixel_data;
use super::samples::{Block, Coded, Samples};
use crate::PixelFormat;

/// The start of a codestream: SOC, then SIZ.
const CODESTREAM_START: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];

/// The most tiles of a frame. openjp2 takes some kilobytes for each before it reads one.
const MAX_TILES: usize = 4096;

/// The fields of SIZ (ISO 15444-1 section A.5.1) that decide how much memory a decoder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    columns: usize,
    rows: usize,
    /// Where the image starts on the reference grid.
    x0: usize,
    y0: usize,
    tiles: usize,
    components: usize,
}

impl Size {
    fn read(codestream: &[u8]) -> Option<Self> {
        let word = |index: usize| -> Option<usize> {
            let start = 8 + index * 4;
            Some(u32::from_be_bytes(codestream.get(start..start + 4)?.try_into().ok()?) as usize)
        };
        let (x1, y1, x0, y0) = (word(0)?, word(1)?, word(2)?, word(3)?);
        let (tile_width, tile_height, tile_x0, tile_y0) = (word(4)?, word(5)?, word(6)?, word(7)?);
        let components = u16::from_be_bytes(codestream.get(40..42)?.try_into().ok()?);
        let across = x1.checked_sub(tile_x0)?.div_ceil(tile_width.max(1));
        let down = y1.checked_sub(tile_y0)?.div_ceil(tile_height.max(1));
        Some(Self {
            columns: x1.checked_sub(x0)?,
            rows: y1.checked_sub(y0)?,
            x0,
            y0,
            tiles: across.saturating_mul(down),
            components: components.into(),
        })
    }
}

/// Decodes `window` of a frame.
///
/// *Errors*: `PixelData` where the codestream is damaged or of another size than the header says.
pub(super) fn decode(frame: &[u8], format: &PixelFormat, window: PixelWindow) -> Result<Block, Reason> {
    let start = frame
        .windows(CODESTREAM_START.len())
        .position(|bytes| bytes == CODESTREAM_START)
        .ok_or_else(|| pixel_data("no JPEG 2000 codestream"))?;
    let codestream = frame.get(start..).unwrap_or_default();
    let size = Size::read(codestream).ok_or_else(|| pixel_data("JPEG 2000 header cannot be read"))?;
    let samples_per_pixel = usize::from(format.samples_per_pixel);
    if (size.rows, size.columns, size.components) != (format.rows, format.columns, samples_per_pixel) {
        return Err(pixel_data(format!(
            "JPEG 2000 frame is {} x {} x {}, expected {} x {} x {samples_per_pixel}",
            size.rows, size.columns, size.components, format.rows, format.columns
        )));
    }
    if size.tiles > MAX_TILES {
        return Err(pixel_data(format!("JPEG 2000 frame of {} tiles, at most {MAX_TILES} are allowed", size.tiles)));
    }
    decode_codestream(codestream, size, format, window).ok_or_else(|| pixel_data("damaged JPEG 2000 codestream"))
}

fn decode_codestream(codestream: &[u8], size: Size, format: &PixelFormat, window: PixelWindow) -> Option<Block> {
    let mut source = Source { bytes: codestream, position: 0 };
    let mut stream = source.stream();
    let mut codec = Codec::new_decoder(OPJ_CODEC_FORMAT::OPJ_CODEC_J2K)?;
    let done = |status: i32| (status != 0).then_some(());
    done(codec.setup_decoder(&mut opj::opj_dparameters_t::default()))?;
    done(codec.decoder_set_strict_mode(1))?;
    let mut image = codec.read_header(&mut stream)?;
    if window != PixelWindow::whole(format.rows, format.columns) {
        let grid = |origin: usize, position: usize| i32::try_from(origin + position).ok();
        let (x0, y0) = (grid(size.x0, window.x0)?, grid(size.y0, window.y0)?);
        let (x1, y1) = (grid(size.x0, window.x1)?, grid(size.y0, window.y1)?);
        done(codec.set_decode_area(&mut image, x0, y0, x1, y1))?;
    }
    done(codec.decode(&mut stream, &mut image))?;
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
