//! The headers of a JPEG 2000 codestream (ISO 15444-1 annex A): what a decoder will have to build, before it does.
//!
//! A few bytes can ask for millions of precincts. All sizes follow from the markers SIZ, COD, COC and POC, of the main
//! header and of the tile-parts, so they are read here and added up. What writers get wrong about the end of a stream
//! without harm to a pixel is put right on the way: a missing EOC, and a last tile-part whose length counts EOC.

use std::borrow::Cow;

use bolus_study::{Reason, ReasonCode};

use super::reasons::{pixel_data, too_large};
use cost::Cost;
use size::Size;
use styles::Styles;

mod cost;
mod region;
mod size;
mod style;
mod styles;

const SOC: u16 = 0xFF4F;
const SIZ: u16 = 0xFF51;
const SOT: u16 = 0xFF90;
const SOD: u16 = 0xFF93;
const EOC: u16 = 0xFFD9;
/// Markers of part 2 for transforms over several components: MCT, MCC, MCO and CBD. No transfer syntax that is decoded
/// here allows them.
const PART_2: [u16; 4] = [0xFF74, 0xFF75, 0xFF77, 0xFF78];
/// Markers that stand alone, without a length.
const ALONE: std::ops::RangeInclusive<u16> = 0xFF30..=0xFF3F;

const SOT_BYTES: usize = 12;

/// The most components: DICOM images have 1, 3 or 4 samples per pixel (PS3.3 section C.7.6.3.1.1).
const MAX_COMPONENTS: usize = 4;

/// The most tiles. A decoder takes some kilobytes for each before it reads one.
const MAX_TILES: usize = 4096;

/// A codestream that may be decoded.
#[derive(Debug)]
pub(super) struct Codestream<'a> {
    pub(super) size: Size,
    /// Whether it has to be decoded whole. Code-blocks of High-Throughput JPEG 2000 (ISO 15444-15) are written elsewhere than the decoder's
    /// windowed path reads, and packet headers in the main header are not passed over with the tiles outside of a window.
    pub(super) whole_only: bool,
    /// From SOC to EOC.
    pub(super) bytes: Cow<'a, [u8]>,
}

impl<'a> Codestream<'a> {
    /// Reads the headers of a stream of `rows` × `columns` × `components`, from SOC on.
    ///
    /// *Errors*: `PixelData` where a header is damaged, of part 2 or of another size; `Truncated`; `TooLarge` where
    /// tiles, precincts, code-blocks or packets are more than an image of that size needs.
    pub(super) fn read(bytes: &'a [u8], [rows, columns, components]: [usize; 3]) -> Result<Self, Reason> {
        let mut reader = Reader { bytes, position: 2 };
        let (marker, segment) = reader.segment()?;
        let size = (marker == SIZ).then(|| Size::read(segment)).flatten();
        let size = size.ok_or_else(|| pixel_data("JPEG 2000 image size (SIZ) cannot be read"))?;
        if (size.rows(), size.columns(), size.components) != (rows, columns, components) {
            return Err(pixel_data(format!(
                "JPEG 2000 frame is {} x {} x {}, expected {rows} x {columns} x {components}",
                size.rows(),
                size.columns(),
                size.components
            )));
        }
        if components > MAX_COMPONENTS {
            return Err(too_large("components of a JPEG 2000 frame", components, MAX_COMPONENTS));
        }
        if size.tiles() > MAX_TILES {
            return Err(too_large("tiles of a JPEG 2000 frame", size.tiles(), MAX_TILES));
        }
        let main = reader.header(Styles::new(components), SOT)?;
        let main = main.complete().ok_or_else(|| pixel_data("JPEG 2000 coding style (COD) is missing"))?;
        let parts = TileParts::read(&mut reader, &main, size.tiles())?;
        if main.packed_headers && parts.is_split {
            return Err(pixel_data(
                "JPEG 2000 packet headers in the main header (PPM) for tiles of several tile-parts are not decoded right",
            ));
        }
        let mut cost = Cost::new(&size);
        for index in 0..size.tiles() {
            cost.add_tile(&size.tile(index), parts.styles(index).unwrap_or(&main));
        }
        cost.check()?;
        let styles = parts.styles.iter().flatten().chain([&main]);
        styles.clone().try_for_each(|styles| styles.region.check(&styles.components))?;
        let high_throughput = styles.flat_map(|styles| &styles.components).any(|style| style.is_high_throughput());
        Ok(Self { size, whole_only: high_throughput || main.packed_headers, bytes: parts.bytes })
    }
}

/// The tile-parts of a stream.
#[derive(Debug)]
struct TileParts<'a> {
    /// By tile, where its headers differ from the main one.
    styles: Vec<Option<Styles>>,
    /// Whether a tile has several.
    is_split: bool,
    /// The stream, put right and cut off behind EOC.
    bytes: Cow<'a, [u8]>,
}

impl<'a> TileParts<'a> {
    fn styles(&self, tile: usize) -> Option<&Styles> {
        self.styles.get(tile)?.as_ref()
    }

    /// Walks from the first SOT to the end.
    fn read(reader: &mut Reader<'a>, main: &Styles, tiles: usize) -> Result<Self, Reason> {
        let mut styles = vec![None; tiles];
        let mut counts = vec![(0, 0); tiles];
        loop {
            let start = reader.position;
            let part = reader.tile_part(tiles)?;
            let known = styles[part.tile].take().unwrap_or_else(|| Styles::inherited(main));
            let tile = reader.header(known, SOD)?;
            styles[part.tile] = tile.complete();
            let (seen, total) = &mut counts[part.tile];
            // A decoder that keeps an index of tile-parts by their stated number must not be told two of them.
            if part.index != *seen || (part.total != 0 && *total != 0 && part.total != *total) {
                return Err(pixel_data(format!("tile-parts of tile {} are out of order", part.tile)));
            }
            (*seen, *total) = (*seen + 1, part.total.max(*total));
            let end = match part.length {
                0 => reader.end_of_data(),
                length => start + length,
            };
            match reader.after(end) {
                After::TilePart if end >= reader.position => reader.position = end,
                After::End { eoc } if eoc >= reader.position => {
                    let length = u32::try_from(eoc - start).unwrap_or_default();
                    let is_split = counts.iter().any(|(seen, _)| *seen > 1);
                    return Ok(Self {
                        styles,
                        is_split,
                        bytes: reader.ended(eoc, (end > eoc).then_some((start, length))),
                    });
                }
                After::Missing => {
                    let detail = format!("JPEG 2000 tile-part to byte {end}, found {}", reader.bytes.len());
                    return Err(Reason::new(ReasonCode::Truncated, detail));
                }
                _ => return Err(pixel_data("JPEG 2000 tile-part lengths are wrong")),
            }
        }
    }
}

/// The fields of SOT (ISO 15444-1 section A.4.2).
struct TilePart {
    tile: usize,
    /// From the start of SOT; 0 for up to the end.
    length: usize,
    index: usize,
    /// Of the tile; 0 where not told.
    total: usize,
}

/// What lies behind a tile-part.
enum After {
    TilePart,
    /// The end, with EOC at `eoc` or to be put there.
    End {
        eoc: usize,
    },
    /// Fewer bytes than stated.
    Missing,
    Junk,
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    fn word(&self, position: usize) -> Option<u16> {
        self.bytes.get(position..position + 2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// The marker here and its segment, without the length; steps behind it.
    fn segment(&mut self) -> Result<(u16, &'a [u8]), Reason> {
        let ended = || Reason::new(ReasonCode::Truncated, "JPEG 2000 header ends early");
        let marker = self.word(self.position).ok_or_else(ended)?;
        if marker < 0xFF00 {
            return Err(pixel_data(format!("expected a JPEG 2000 marker, found {marker:#06x}")));
        }
        if matches!(marker, SOD | EOC | SOC) || ALONE.contains(&marker) {
            self.position += 2;
            return Ok((marker, &[]));
        }
        let length = usize::from(self.word(self.position + 2).ok_or_else(ended)?);
        let segment = self.bytes.get(self.position + 4..self.position + 2 + length.max(2)).ok_or_else(ended)?;
        self.position += 2 + length.max(2);
        Ok((marker, segment))
    }

    /// Reads segments up to `last`: SOT, in front of which it stops, or SOD, behind which it does.
    fn header(&mut self, mut styles: Styles, last: u16) -> Result<Styles, Reason> {
        loop {
            let start = self.position;
            let (marker, segment) = self.segment()?;
            if marker == last {
                self.position = if last == SOT { start } else { self.position };
                return Ok(styles);
            }
            if matches!(marker, SOT | SOD | EOC | SOC | SIZ) || PART_2.contains(&marker) {
                return Err(pixel_data(format!("JPEG 2000 marker {marker:#06x} where it may not stand")));
            }
            styles
                .take(marker, segment)
                .ok_or_else(|| pixel_data(format!("JPEG 2000 marker {marker:#06x} cannot be read")))?;
        }
    }

    fn tile_part(&mut self, tiles: usize) -> Result<TilePart, Reason> {
        match self.segment()? {
            (SOT, &[t1, t0, p3, p2, p1, p0, index, total]) => {
                let tile = usize::from(u16::from_be_bytes([t1, t0]));
                let length = u32::from_be_bytes([p3, p2, p1, p0]) as usize;
                if tile >= tiles || (length != 0 && length < SOT_BYTES + 2) {
                    return Err(pixel_data(format!("tile {tile} of {tiles} with {length} bytes")));
                }
                Ok(TilePart { tile, length, index: index.into(), total: total.into() })
            }
            (marker, _) => Err(pixel_data(format!("expected a JPEG 2000 tile-part, found {marker:#06x}"))),
        }
    }

    /// Where the data from here on end: no marker occurs in them, so at the first EOC, else before trailing zeros.
    fn end_of_data(&self) -> usize {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let eoc = rest.windows(2).position(|bytes| bytes == EOC.to_be_bytes());
        let used = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        self.position + eoc.unwrap_or(used)
    }

    fn after(&self, end: usize) -> After {
        match self.word(end) {
            Some(SOT) => After::TilePart,
            Some(EOC) => After::End { eoc: end },
            _ if end > self.bytes.len() => After::Missing,
            _ if self.bytes[end..].iter().any(|byte| *byte != 0) => After::Junk,
            // No data end with a marker: EOC was counted.
            _ if end >= 2 && self.word(end - 2) == Some(EOC) => After::End { eoc: end - 2 },
            _ => After::End { eoc: end },
        }
    }

    /// The bytes up to `eoc` and EOC behind them, with `length` put right in the SOT at `start`.
    fn ended(&self, eoc: usize, length: Option<(usize, u32)>) -> Cow<'a, [u8]> {
        if length.is_none() && self.word(eoc) == Some(EOC) {
            return Cow::Borrowed(self.bytes.get(..eoc + 2).unwrap_or_default());
        }
        let mut bytes = self.bytes.get(..eoc).unwrap_or_default().to_vec();
        if let Some((start, length)) = length
            && let Some(field) = bytes.get_mut(start + 6..start + 10)
        {
            field.copy_from_slice(&length.to_be_bytes());
        }
        bytes.extend(EOC.to_be_bytes());
        Cow::Owned(bytes)
    }
}
