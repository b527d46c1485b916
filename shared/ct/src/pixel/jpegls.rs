//! JPEG-LS (ISO 14495-1) by CharLS, through the safe crate `charls`.

use bolus_study::Reason;
use charls::CharLS;

use super::pixel_data;
use super::samples::{Block, Coded, Samples};
use crate::PixelFormat;

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
/// The size in the codestream is compared with the header's before CharLS takes memory for it.
///
/// *Errors*: `PixelData`.
pub(super) fn decode(frame: &[u8], format: &PixelFormat) -> Result<Block, Reason> {
    let header = read_header(frame).ok_or_else(|| pixel_data("JPEG-LS headers cannot be read"))?;
    let samples_per_pixel = usize::from(format.samples_per_pixel);
    if (header.rows, header.columns, header.components) != (format.rows, format.columns, samples_per_pixel) {
        return Err(pixel_data(format!(
            "JPEG-LS frame is {} x {} x {}, expected {} x {} x {samples_per_pixel}",
            header.rows, header.columns, header.components, format.rows, format.columns
        )));
    }
    let bytes = CharLS::default().decode(frame).map_err(|error| pixel_data(format!("JPEG-LS: {error}")))?;
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

fn read_header(frame: &[u8]) -> Option<Header> {
    let mut rest = frame.strip_prefix(&[0xFF, 0xD8])?;
    let mut size = None;
    loop {
        let (&[0xFF, marker, high, low], _) = rest.split_first_chunk()? else { return None };
        let segment = rest.get(4..2 + usize::from(u16::from_be_bytes([high, low])))?;
        match (marker, segment) {
            (START_OF_FRAME, &[precision, y1, y0, x1, x0, components, ..]) => {
                size = Some((precision, u16::from_be_bytes([y1, y0]), u16::from_be_bytes([x1, x0]), components));
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
