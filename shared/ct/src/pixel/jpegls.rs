//! JPEG-LS (ISO 14495-1) by CharLS, through the transfer syntax registry of dicom-rs.

use bolus_study::Reason;
use dicom_dictionary_std::uids;

use super::markers::{Syntax, rewritten};
use super::reasons::pixel_data;
use super::registry;
use super::samples::{Block, Coded, Samples};
use crate::PixelFormat;

const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
const START_OF_FRAME: u8 = 0xF7;
const START_OF_SCAN: u8 = 0xDA;

/// What the markers before the first scan tell.
struct Header {
    precision: u32,
    rows: usize,
    columns: usize,
    components: usize,
    /// Whether each component has a scan of its own.
    planar: bool,
}

/// Decodes a whole frame.
///
/// A frame that CharLS does not take is decoded anew with its markers put right. One that ends without a marker is
/// never given to it as it is: CharLS 2.4 looks for a bit behind the end of its data, for ever.
///
/// *Errors*: `PixelData`.
pub(super) fn decode(frame: &[u8], format: &PixelFormat) -> Result<Block, Reason> {
    let used = frame.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let ended = frame.get(..used).is_some_and(|stream| stream.ends_with(&END_OF_IMAGE));
    let first = if ended { decode_plain(frame, format) } else { Err(pixel_data("JPEG-LS frame does not end")) };
    if first.is_ok() {
        return first;
    }
    let colour = format.samples_per_pixel > 1;
    let again = |drop_zeros| decode_plain(&rewritten(frame, Syntax::JpegLs, colour, drop_zeros)?, format).ok();
    again(false).or_else(|| again(true)).map_or(first, Ok)
}

/// Decodes a stream whose markers are where they should be. The size in it is compared with the header's before CharLS
/// takes memory for it.
fn decode_plain(frame: &[u8], format: &PixelFormat) -> Result<Block, Reason> {
    let header = read_header(frame).ok_or_else(|| pixel_data("JPEG-LS headers cannot be read"))?;
    let samples_per_pixel = usize::from(format.samples_per_pixel);
    if (header.rows, header.columns, header.components) != (format.rows, format.columns, samples_per_pixel) {
        return Err(pixel_data(format!(
            "JPEG-LS frame is {} x {} x {}, expected {} x {} x {samples_per_pixel}",
            header.rows, header.columns, header.components, format.rows, format.columns
        )));
    }
    let bytes = registry::decode(uids::JPEGLS_LOSSLESS, frame, format)?;
    let mut samples = if header.precision <= 8 {
        Samples::U8(bytes)
    } else {
        Samples::U16(bytes.as_chunks::<2>().0.iter().map(|&cell| u16::from_ne_bytes(cell)).collect())
    };
    if header.planar {
        samples = samples.interleaved(samples_per_pixel);
    }
    let coded = Some(Coded { precision: header.precision, signed: false });
    Ok(Block { y0: 0, x0: 0, height: format.rows, width: format.columns, samples, coded })
}

/// Reads up to the first scan; `None` where there is not exactly one frame header before it.
fn read_header(frame: &[u8]) -> Option<Header> {
    let mut rest = frame.strip_prefix(&[0xFF, 0xD8])?;
    let mut size = None;
    loop {
        // Any number of fill bytes may stand before a marker (ISO 10918-1 section B.1.1.2).
        while let [0xFF, 0xFF, ..] = rest {
            rest = &rest[1..];
        }
        let (&[0xFF, marker, high, low], _) = rest.split_first_chunk()? else { return None };
        let segment = rest.get(4..2 + usize::from(u16::from_be_bytes([high, low])))?;
        match (marker, segment) {
            (START_OF_FRAME, &[precision, y1, y0, x1, x0, components, ..]) => {
                let found = (precision, u16::from_be_bytes([y1, y0]), u16::from_be_bytes([x1, x0]), components);
                if size.replace(found).is_some() {
                    return None;
                }
            }
            (START_OF_SCAN, &[in_scan, ..]) => {
                let (precision, rows, columns, components) = size?;
                return Some(Header {
                    precision: precision.into(),
                    rows: rows.into(),
                    columns: columns.into(),
                    components: components.into(),
                    planar: in_scan < components,
                });
            }
            _ => {}
        }
        rest = rest.get(4 + segment.len()..)?;
    }
}
