//! JPEG 2000 by the encoder of openjp2, and what that encoder does not write, made of what it does.
#![allow(unsafe_code, reason = "the port kept OpenJPEG's callbacks for writing")]

use std::ffi::c_void;

use openjp2::openjpeg as opj;
use openjp2::{Codec, OPJ_CODEC_FORMAT, Stream, opj_image, opj_image_comptparm};

use super::Shape;

/// Where packet headers stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headers {
    /// In front of their packets.
    Packets,
    /// Packed in the headers of their tile-parts (PPT), in so many markers.
    TileParts(usize),
    /// Packed in the main header (PPM), in so many markers.
    Main(usize),
}

/// How a codestream is built (ISO 15444-1 annexes A and B).
#[derive(Debug, Clone)]
pub struct Structure {
    /// Code-block style (table A.19): 1 bypass, 2 reset, 4 termination on each pass, 8 vertically causal, 16 predictable
    /// termination, 32 segmentation symbols.
    pub style: u8,
    pub reversible: bool,
    /// Start-of-packet and end-of-packet-header markers.
    pub sop: bool,
    pub eph: bool,
    /// Exponents of precinct width and height, from the largest resolution down.
    pub precincts: Vec<[u32; 2]>,
    /// 0 to 4: LRCP, RLCP, RPCL, PCRL, CPRL.
    pub progression: i32,
    /// Another progression from this resolution on (POC).
    pub change: Option<(u32, i32)>,
    pub resolutions: i32,
    pub layers: usize,
    /// Exponents of code-block width and height.
    pub block: [u32; 2],
    /// Columns and rows of a tile.
    pub tile: Option<[i32; 2]>,
    /// Where the image begins on the reference grid, and how far before that the first tile does.
    pub origin: [u32; 2],
    pub tile_before: [u32; 2],
    /// Tile-parts of each tile, as far as it has packets.
    pub parts: usize,
    /// The tile-parts of all tiles by turns.
    pub interleaved: bool,
    /// Lengths of packets and of tile-parts (PLT and TLM).
    pub lengths: bool,
    pub headers: Headers,
}

impl Structure {
    pub const PLAIN: Self = Self {
        style: 0,
        reversible: true,
        sop: false,
        eph: false,
        precincts: Vec::new(),
        progression: 0,
        change: None,
        resolutions: 4,
        layers: 1,
        block: [6, 6],
        tile: None,
        origin: [0, 0],
        tile_before: [0, 0],
        parts: 1,
        interleaved: false,
        lengths: false,
        headers: Headers::Packets,
    };
}

/// Encodes a gray picture.
pub fn encode(shape: Shape, values: &[i32], structure: &Structure) -> Vec<u8> {
    try_encode(shape, values, structure).unwrap_or_else(|| panic!("cannot encode {structure:?} of {shape:?}"))
}

/// Encodes a gray picture; `None` where the encoder has no room for its headers.
pub fn try_encode(shape: Shape, values: &[i32], structure: &Structure) -> Option<Vec<u8>> {
    // Packets are found by their markers, which go again where nobody asked for them.
    let rebuilt = structure.headers != Headers::Packets || structure.parts > 1;
    let mut parameters = parameters(structure);
    parameters.csty |= if rebuilt { 6 } else { 0 };
    // The encoder shifts signed samples of tiles, as OpenJPEG 2.5 does. Unsigned ones are coded as the same coefficients.
    let turned = shape.signed && structure.tile.is_some();
    let (shape, raised) = match turned {
        true => {
            (Shape { signed: false, ..shape }, values.iter().map(|value| value + (1 << (shape.bits - 1))).collect())
        }
        false => (shape, values.to_vec()),
    };
    let mut coded = compress(shape, &raised, structure, &mut parameters)?;
    if rebuilt {
        coded = rebuild(&coded, structure);
    }
    coded = name_progressions(&coded, structure);
    if turned {
        coded[42] |= 0x80;
    }
    Some(coded)
}

/// The progression that is written for one: this encoder cannot write RPCL, whose packets come as RLCP's do where there is one component,
/// and one layer or one precinct.
fn written(progression: i32) -> i32 {
    if progression == RPCL { RLCP } else { progression }
}

/// Names the progressions as they are meant.
fn name_progressions(coded: &[u8], structure: &Structure) -> Vec<u8> {
    let orders = [Some(structure.progression), structure.change.map(|(_, order)| order)];
    if orders.iter().flatten().all(|order| *order != RPCL) {
        return coded.to_vec();
    }
    let mut parts = Parts::read(coded);
    let headers = parts.tiles.iter_mut().flat_map(|part| &mut part.header);
    for segment in parts.main.iter_mut().chain(headers) {
        match segment.marker {
            COD => segment.bytes[3] = structure.progression as u8,
            POC => {
                let ends = segment.bytes[2..].chunks_exact_mut(7).map(|entry| &mut entry[6]);
                ends.zip(orders.into_iter().flatten()).for_each(|(end, order)| *end = order as u8);
            }
            _ => {}
        }
    }
    parts.write()
}

#[allow(
    clippy::field_reassign_with_default,
    reason = "a type with a destructor cannot be built from the rest of another"
)]
fn parameters(structure: &Structure) -> opj::opj_cparameters_t {
    let mut parameters = opj::opj_cparameters_t::default();
    parameters.csty =
        i32::from(!structure.precincts.is_empty()) | i32::from(structure.sop) << 1 | i32::from(structure.eph) << 2;
    parameters.mode = structure.style.into();
    parameters.irreversible = (!structure.reversible).into();
    parameters.prog_order = written(structure.progression);
    parameters.numresolution = structure.resolutions;
    parameters.cblockw_init = 1 << structure.block[0];
    parameters.cblockh_init = 1 << structure.block[1];
    parameters.res_spec = structure.precincts.len() as i32;
    for (place, [width, height]) in structure.precincts.iter().enumerate() {
        parameters.prcw_init[place] = 1 << width;
        parameters.prch_init[place] = 1 << height;
    }
    parameters.cp_disto_alloc = 1;
    parameters.tcp_numlayers = structure.layers as i32;
    // The last layer has all that is left.
    for layer in 0..structure.layers {
        parameters.tcp_rates[layer] = if layer + 1 == structure.layers { 0.0 } else { 24.0 / (layer + 1) as f32 };
    }
    let [x, y] = structure.origin.map(|origin| origin as i32);
    (parameters.image_offset_x0, parameters.image_offset_y0) = (x, y);
    if let Some([width, height]) = structure.tile {
        parameters.tile_size_on = 1;
        (parameters.cp_tdx, parameters.cp_tdy) = (width, height);
        let [left, top] = structure.tile_before.map(|before| before as i32);
        (parameters.cp_tx0, parameters.cp_ty0) = ((x - left).max(0), (y - top).max(0));
    }
    if let Some((resolution, progression)) = structure.change {
        let ends = [(0, resolution, structure.progression), (resolution, structure.resolutions as u32, progression)];
        parameters.numpocs = 2;
        for (entry, (first, end, order)) in parameters.POC.iter_mut().zip(ends) {
            (entry.tile, entry.layno1, entry.compno1) = (1, structure.layers as u32, 1);
            (entry.resno0, entry.resno1, entry.prg1) = (first, end, written(order));
        }
    }
    parameters
}

fn compress(
    shape: Shape,
    values: &[i32],
    structure: &Structure,
    parameters: &mut opj::opj_cparameters_t,
) -> Option<Vec<u8>> {
    let [x0, y0] = structure.origin;
    let (w, h) = (shape.columns as u32, shape.rows as u32);
    let sgnd = shape.signed.into();
    let component = opj_image_comptparm { dx: 1, dy: 1, w, h, x0, y0, prec: shape.bits, bpp: shape.bits, sgnd };
    let mut image = opj_image::create(&[component], opj::OPJ_CLRSPC_GRAY).unwrap();
    (image.x0, image.y0, image.x1, image.y1) = (x0, y0, x0 + w, y0 + h);
    image.comps_mut().unwrap()[0].data_mut().unwrap().copy_from_slice(values);
    let mut sink = Sink::default();
    let mut stream = sink.stream();
    let mut codec = Codec::new_encoder(OPJ_CODEC_FORMAT::OPJ_CODEC_J2K).unwrap();
    let done = |status: i32, what: &str| assert!(status != 0, "{what}: {structure:?} of {shape:?}");
    done(codec.setup_encoder(parameters, &mut image), "set up");
    if structure.lengths {
        assert!(codec.encoder_set_extra_options(&["PLT=YES", "TLM=YES"]));
    }
    done(codec.start_compress(&mut image, &mut stream), "start");
    if codec.encode(&mut stream) == 0 {
        return None;
    }
    done(codec.end_compress(&mut stream), "end");
    drop(stream);
    Some(sink.bytes)
}

/// What openjp2 writes through callbacks.
#[derive(Default)]
struct Sink {
    bytes: Vec<u8>,
    position: usize,
}

impl Sink {
    /// A stream into `self`, which must outlive it and stay where it is.
    fn stream(&mut self) -> Stream {
        let mut stream = Stream::new_custom(1 << 16, false);
        let user_data: *mut c_void = std::ptr::from_mut(self).cast();
        let handle: *mut opj::opj_stream_t = std::ptr::from_mut(&mut stream).cast();
        // SAFETY: the stream is live; the callbacks take `user_data` for what it is, a `Sink`.
        unsafe {
            opj::opj_stream_set_write_function(handle, Some(write));
            opj::opj_stream_set_skip_function(handle, Some(skip));
            opj::opj_stream_set_seek_function(handle, Some(seek));
            opj::opj_stream_set_user_data(handle, user_data, None);
        }
        stream
    }
}

unsafe extern "C" fn write(buffer: *mut c_void, count: usize, user_data: *mut c_void) -> usize {
    // SAFETY: `user_data` is the `Sink` given to the stream, used by one thread; the caller's buffer has `count` bytes.
    let (sink, bytes) = unsafe { (&mut *user_data.cast::<Sink>(), std::slice::from_raw_parts(buffer.cast(), count)) };
    let end = sink.position + count;
    sink.bytes.resize(sink.bytes.len().max(end), 0);
    sink.bytes[sink.position..end].copy_from_slice(bytes);
    sink.position = end;
    count
}

unsafe extern "C" fn skip(count: i64, user_data: *mut c_void) -> i64 {
    // SAFETY: as in `write`.
    let sink = unsafe { &mut *user_data.cast::<Sink>() };
    sink.position = sink.position.saturating_add_signed(count as isize);
    count
}

unsafe extern "C" fn seek(position: i64, user_data: *mut c_void) -> i32 {
    // SAFETY: as in `write`.
    let sink = unsafe { &mut *user_data.cast::<Sink>() };
    sink.position = position as usize;
    1
}

const RLCP: i32 = 1;
const RPCL: i32 = 2;
const COD: u16 = 0xFF52;
const POC: u16 = 0xFF5F;
const TLM: u16 = 0xFF55;
const PLT: u16 = 0xFF58;
const PPM: u16 = 0xFF60;
const PPT: u16 = 0xFF61;
const SOT: u16 = 0xFF90;
const SOP: [u8; 2] = [0xFF, 0x91];
const EPH: [u8; 2] = [0xFF, 0x92];
const SOD: u16 = 0xFF93;
const EOC: u16 = 0xFFD9;

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(bytes[at..at + 2].try_into().unwrap())
}

/// A marker segment: marker and all that follows it, its length among that.
#[derive(Clone)]
pub struct Segment {
    pub marker: u16,
    pub bytes: Vec<u8>,
}

impl Segment {
    pub fn new(marker: u16, content: &[u8]) -> Self {
        let length = (content.len() as u16 + 2).to_be_bytes();
        Self { marker, bytes: [&length[..], content].concat() }
    }
}

/// A codestream in its parts.
pub struct Parts {
    /// The segments of the main header.
    pub main: Vec<Segment>,
    pub tiles: Vec<TilePart>,
}

/// A tile-part: its number, index and count, the segments of its header without SOT and SOD, and its data.
#[derive(Clone)]
pub struct TilePart {
    pub tile: u16,
    pub index: [u8; 2],
    pub header: Vec<Segment>,
    pub data: Vec<u8>,
}

impl Parts {
    pub fn read(coded: &[u8]) -> Self {
        let mut at = 2;
        let segments = |at: &mut usize, last: u16| {
            let mut found = Vec::new();
            while word(coded, *at) != last {
                let end = *at + 2 + usize::from(word(coded, *at + 2));
                found.push(Segment { marker: word(coded, *at), bytes: coded[*at + 2..end].to_vec() });
                *at = end;
            }
            found
        };
        let main = segments(&mut at, SOT);
        let mut tiles = Vec::new();
        while word(coded, at) == SOT {
            let start = at;
            let length = u32::from_be_bytes(coded[at + 6..at + 10].try_into().unwrap()) as usize;
            at += 12;
            let header = segments(&mut at, SOD);
            let (tile, index) = (word(coded, start + 4), [coded[start + 10], coded[start + 11]]);
            tiles.push(TilePart { tile, index, header, data: coded[at + 2..start + length].to_vec() });
            at = start + length;
        }
        assert_eq!(word(coded, at), EOC);
        Self { main, tiles }
    }

    pub fn write(&self) -> Vec<u8> {
        let mut coded = vec![0xFF, 0x4F];
        let put = |coded: &mut Vec<u8>, segments: &[Segment]| {
            for Segment { marker, bytes } in segments {
                coded.extend(marker.to_be_bytes());
                coded.extend(bytes);
            }
        };
        put(&mut coded, &self.main);
        for part in &self.tiles {
            let header: usize = part.header.iter().map(|segment| 2 + segment.bytes.len()).sum();
            let length = (12 + header + 2 + part.data.len()) as u32;
            let [index, count] = part.index;
            let tile = part.tile.to_be_bytes();
            put(&mut coded, &[Segment::new(SOT, &[&tile[..], &length.to_be_bytes(), &[index, count]].concat())]);
            put(&mut coded, &part.header);
            coded.extend(SOD.to_be_bytes());
            coded.extend(&part.data);
        }
        coded.extend(EOC.to_be_bytes());
        coded
    }
}

/// The packets of a tile-part's data, each with its header (EPH at its end) and its body. No other data look like a marker.
fn packets(data: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let find = |from: usize, marker: [u8; 2]| {
        data[from..].windows(2).position(|pair| pair == marker).map(|found| from + found)
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at < data.len() {
        assert_eq!(data[at..at + 2], SOP);
        let body = find(at, EPH).unwrap() + 2;
        let end = find(body, SOP).unwrap_or(data.len());
        found.push((data[at + 6..body].to_vec(), data[body..end].to_vec()));
        at = end;
    }
    found
}

/// Parts the tiles, moves the packet headers to where `structure` wants them, and drops the markers that it does not want.
fn rebuild(coded: &[u8], structure: &Structure) -> Vec<u8> {
    let mut parts = Parts::read(coded);
    for cod in parts.main.iter_mut().filter(|segment| segment.marker == COD) {
        cod.bytes[2] &= !6;
        cod.bytes[2] |= u8::from(structure.sop) << 1 | u8::from(structure.eph) << 2;
    }
    // The lengths are no longer what they say.
    parts.main.retain(|segment| segment.marker != TLM);
    parts.tiles = parted(&parts.tiles, structure.parts);
    if structure.interleaved {
        parts.tiles.sort_by_key(|part| part.index[0]);
    }
    let mut of_main = Vec::new();
    let mut numbers: std::collections::BTreeMap<u16, u16> = std::collections::BTreeMap::new();
    for part in &mut parts.tiles {
        let (mut headers, mut data, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        let number = numbers.entry(part.tile).or_default();
        for (header, body) in packets(&part.data) {
            let start = data.len();
            let header = if structure.eph { &header } else { &header[..header.len() - 2] };
            if structure.sop {
                data.extend([&SOP[..], &[0, 4], &number.to_be_bytes()].concat());
            }
            match structure.headers {
                Headers::Packets => data.extend(header),
                _ => headers.extend(header),
            }
            data.extend(body);
            lengths.extend(varying((data.len() - start) as u32));
            *number = number.wrapping_add(1);
        }
        part.data = data;
        if structure.lengths {
            part.header.extend(split(PLT, &lengths, 1, 0));
        }
        match structure.headers {
            Headers::Packets => {}
            // Numbered on over the parts of a tile, which every reader of the standard takes.
            Headers::TileParts(count) => {
                let first = usize::from(part.index[0]) * count;
                part.header.extend(split(PPT, &headers, count, first));
            }
            Headers::Main(_) => {
                of_main.extend((headers.len() as u32).to_be_bytes());
                of_main.extend(headers);
            }
        }
    }
    if let Headers::Main(count) = structure.headers {
        parts.main.extend(split(PPM, &of_main, count, 0));
    }
    parts.write()
}

/// The tiles in up to `count` parts each, between packets.
fn parted(tiles: &[TilePart], count: usize) -> Vec<TilePart> {
    let mut whole: std::collections::BTreeMap<u16, (Vec<Segment>, Vec<Vec<u8>>)> = std::collections::BTreeMap::new();
    for part in tiles {
        let (header, packed) = whole.entry(part.tile).or_default();
        header.extend(part.header.iter().filter(|segment| segment.marker != PLT).cloned());
        let with_start = |(header, body): (Vec<u8>, Vec<u8>)| [&SOP[..], &[0, 4, 0, 0], &header, &body].concat();
        packed.extend(packets(&part.data).into_iter().map(with_start));
    }
    let mut parted = Vec::new();
    for (tile, (header, packed)) in whole {
        let pieces: Vec<Vec<u8>> =
            packed.chunks(packed.len().div_ceil(count).max(1)).map(<[Vec<u8>]>::concat).collect();
        let total = pieces.len() as u8;
        parted.extend(pieces.into_iter().enumerate().map(|(index, data)| {
            let header = if index == 0 { header.clone() } else { Vec::new() };
            TilePart { tile, index: [index as u8, total], header, data }
        }));
    }
    parted
}

/// A number in groups of seven bits (ISO 15444-1 table A.36).
fn varying(number: u32) -> Vec<u8> {
    let groups = (32 - number.leading_zeros()).div_ceil(7).max(1);
    (0..groups).rev().map(|group| (number >> (7 * group)) as u8 & 0x7F | if group > 0 { 0x80 } else { 0 }).collect()
}

/// Up to `count` segments that hold `bytes` together, numbered from `first` on.
fn split(marker: u16, bytes: &[u8], count: usize, first: usize) -> Vec<Segment> {
    let pieces = bytes.chunks(bytes.len().div_ceil(count).clamp(1, 60_000)).enumerate();
    pieces.map(|(number, piece)| Segment::new(marker, &[&[(first + number) as u8], piece].concat())).collect()
}
