//! Small inputs that ask for much: refused by name, and before memory is taken for them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "an allocator that counts is unsafe by its trait")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use bolus_study::{PixelWindow, ReasonCode};
use dicom_dictionary_std::uids;
use support::{Shape, jpeg, vector, whole, window};

/// Counts what Rust code takes, openjp2 included.
struct Counting;

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let taken = TAKEN.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(taken, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        TAKEN.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test runs at a time: what the others take would be counted.
fn alone() -> MutexGuard<'static, ()> {
    static MEASURING: Mutex<()> = Mutex::new(());
    MEASURING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What comes of decoding a file whole and by a window, and the most memory taken beyond the file.
fn outcome(file: &[u8], shape: Shape) -> ([Option<ReasonCode>; 2], usize) {
    let before = TAKEN.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let all = whole(file).err().map(|reason| reason.code);
    let part = PixelWindow { y0: 0, y1: shape.rows.div_ceil(2), x0: 0, x1: shape.columns.div_ceil(2) };
    let part = window(file, part).err().map(|reason| reason.code);
    ([all, part], PEAK.load(Ordering::Relaxed) - before)
}

/// Asserts that a file is refused for `code` with no more than `limit` bytes taken.
fn refused(file: &[u8], shape: Shape, code: ReasonCode, limit: usize, what: &str) {
    let (codes, taken) = outcome(file, shape);
    assert_eq!(codes, [Some(code); 2], "{what}");
    assert!(taken <= limit, "{what}: {taken} bytes taken, at most {limit} allowed");
}

const KB: usize = 1 << 10;
const MB: usize = 1 << 20;

/// A codestream of headers and one empty tile-part.
struct Headers {
    size: [u32; 2],
    tile: [u32; 2],
    layers: u16,
    progression: u8,
    levels: u8,
    block: [u8; 2],
    /// Exponents of precinct sides, both in one byte.
    precincts: Vec<u8>,
    /// Segments behind COD in the main header, and in the tile-part's.
    main: Vec<u8>,
    tile_part: Vec<u8>,
}

impl Default for Headers {
    fn default() -> Self {
        Self {
            size: [32, 32],
            tile: [u32::MAX / 2; 2],
            layers: 1,
            progression: 0,
            levels: 0,
            block: [4, 4],
            precincts: Vec::new(),
            main: Vec::new(),
            tile_part: Vec::new(),
        }
    }
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&[0xFF, marker], &length[..], content].concat()
}

impl Headers {
    fn style(&self) -> Vec<u8> {
        [&[self.levels, self.block[0], self.block[1], 0, 1], &self.precincts[..]].concat()
    }

    fn bytes(&self) -> Vec<u8> {
        let grid = [self.size[1], self.size[0], 0, 0, self.tile[1], self.tile[0], 0, 0];
        let grid: Vec<u8> = grid.into_iter().flat_map(u32::to_be_bytes).collect();
        let coding = u8::from(!self.precincts.is_empty());
        let [layers1, layers0] = self.layers.to_be_bytes();
        let bands = vec![0x48; 1 + 3 * usize::from(self.levels)];
        let tile_part = [&self.tile_part[..], &[0xFF, 0x93]].concat();
        let length = (12 + tile_part.len() as u32).to_be_bytes();
        [
            vec![0xFF, 0x4F],
            segment(0x51, &[&[0, 0], &grid[..], &[0, 1, 15, 1, 1]].concat()),
            segment(0x52, &[&[coding, self.progression, layers1, layers0, 0], &self.style()[..]].concat()),
            segment(0x5C, &[&[0x40], &bands[..]].concat()),
            self.main.clone(),
            segment(0x90, &[&[0, 0], &length[..], &[0, 1]].concat()),
            tile_part,
            vec![0xFF, 0xD9],
        ]
        .concat()
    }

    fn shape(&self) -> Shape {
        Shape::gray(self.size[0] as usize, self.size[1] as usize, 16, false)
    }

    fn refused(&self, code: ReasonCode, what: &str) {
        let coded = self.bytes();
        assert!(coded.len() < 2 * KB, "{what}: {} bytes", coded.len());
        for syntax in [uids::JPEG2000_LOSSLESS, uids::HTJ2K] {
            let file = self.shape().encapsulated(syntax, vec![coded.clone()]);
            refused(&file, self.shape(), code, MB, what);
        }
    }
}

#[test]
fn precincts_and_blocks_have_a_budget() {
    let _alone = alone();
    let large = || Headers { size: [8000, 8000], ..Headers::default() };
    let many = ReasonCode::TooLarge;
    Headers { precincts: vec![0x00], ..large() }.refused(many, "precincts of 1 x 1");
    Headers { precincts: vec![0x0F], ..large() }.refused(many, "precincts of 1 row");
    Headers { levels: 5, precincts: vec![0x00, 0x11, 0x11, 0x11, 0x11, 0x11], ..large() }.refused(many, "small bands");
    Headers { block: [0, 0], ..large() }.refused(many, "blocks of 4 x 4");
    Headers { tile: [125, 125], precincts: vec![0x00], ..large() }.refused(many, "precincts of 1 x 1 in tiles");
    let own = |marker, head: &[u8]| {
        let style = Headers { precincts: vec![0x00], ..large() }.style();
        segment(marker, &[head, &style[..]].concat())
    };
    Headers { main: own(0x53, &[0, 1]), ..large() }.refused(many, "COC");
    Headers { tile_part: own(0x52, &[1, 0, 0, 1, 0]), ..large() }.refused(many, "COD of a tile");
    Headers { tile_part: own(0x53, &[0, 1]), ..large() }.refused(many, "COC of a tile");
}

#[test]
fn tiles_and_packets_have_a_budget() {
    let _alone = alone();
    let many = ReasonCode::TooLarge;
    Headers { tile: [1, 1], size: [512, 512], ..Headers::default() }.refused(many, "tiles of 1 x 1");
    for progression in 0..5 {
        let layered = Headers {
            size: [2048, 2048],
            layers: u16::MAX,
            progression,
            levels: 5,
            precincts: vec![0x44, 0x55, 0x55, 0x55, 0x66, 0x77],
            ..Headers::default()
        };
        layered.refused(many, "layers times precincts");
        let entry = [0, 0, 0xFF, 0xFF, 33, 1, progression];
        let changing =
            Headers { layers: 9000, main: segment(0x5F, &entry.repeat(32)), levels: 5, ..Headers::default() };
        changing.refused(many, "changes of progression");
        let places =
            Headers { size: [4096, 4096], progression, levels: 10, precincts: vec![0; 11], ..Headers::default() };
        places.refused(ReasonCode::PixelData, "bands without precincts");
    }
}

#[test]
fn what_the_budget_lets_pass_stays_small() {
    let _alone = alone();
    let dense = [
        Headers { precincts: vec![0x00], ..Headers::default() },
        Headers { size: [512, 512], block: [0, 0], precincts: vec![0x22], ..Headers::default() },
        Headers { size: [512, 512], tile: [8, 8], ..Headers::default() },
        Headers { size: [512, 512], layers: 20_000, levels: 5, ..Headers::default() },
    ];
    for headers in dense {
        let file = headers.shape().encapsulated(uids::JPEG2000_LOSSLESS, vec![headers.bytes()]);
        let (codes, taken) = outcome(&file, headers.shape());
        assert!(taken <= 64 * MB, "{:?} {} precincts {:?}: {taken} bytes", codes, headers.size[0], headers.precincts);
    }
}

#[test]
fn sizes_in_the_codestream_are_compared_first() {
    let _alone = alone();
    let small = Shape::gray(32, 32, 16, false);
    let headers = Headers { size: [60_000, 60_000], ..Headers::default() };
    let file = small.encapsulated(uids::JPEG2000, vec![headers.bytes()]);
    refused(&file, small, ReasonCode::PixelData, MB, "JPEG 2000 of 60000 x 60000");

    let eight = Shape::gray(60, 60, 8, false);
    let lossy = jpeg::Structure { lossless: None, progressive: true, arithmetic: false, restart_rows: 0 };
    let patched = |coded: Vec<u8>, frame: u8| {
        let at = coded.windows(2).position(|pair| pair == [0xFF, frame]).unwrap();
        let mut coded = coded;
        coded[at + 5..at + 9].copy_from_slice(&[0xF0, 0, 0xF0, 0]);
        coded
    };
    let coded = patched(jpeg::encode(eight, &eight.picture(), lossy).unwrap(), 0xC2);
    refused(&eight.encapsulated(uids::JPEG_EXTENDED12_BIT, vec![coded]), eight, ReasonCode::PixelData, MB, "JPEG");
    let coded = patched(jpeg::encode_ls(eight, &eight.picture(), 0), 0xF7);
    refused(&eight.encapsulated(uids::JPEGLS_LOSSLESS, vec![coded]), eight, ReasonCode::PixelData, MB, "JPEG-LS");

    let (_, coded) = vector("300x280-16.jxl");
    refused(&small.encapsulated(uids::JPEGXL, vec![coded]), small, ReasonCode::PixelData, MB, "JPEG XL");
    // A size header of 2^30 x 2^30, in the codestream's own bits.
    let coded = vec![0xFF, 0x0A, 0xF8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];
    let file = small.encapsulated(uids::JPEGXL, vec![coded]);
    let (codes, taken) = outcome(&file, small);
    assert!(codes.iter().all(Option::is_some) && taken <= MB, "{codes:?} {taken}");
}

#[test]
fn a_deflated_frame_is_inflated_no_further_than_its_pixels() {
    let _alone = alone();
    let shape = Shape::gray(64, 64, 16, false);
    let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..256 {
        deflated.write_all(&vec![0; MB]).unwrap();
    }
    let file = shape.encapsulated("1.2.840.10008.1.2.8.1", vec![deflated.finish().unwrap()]);
    let (codes, taken) = outcome(&file, shape);
    assert_eq!(codes, [None, None]);
    assert!(taken <= 2 * file.len() + MB, "{taken} bytes for a file of {}", file.len());
}

#[test]
fn scans_of_a_progressive_jpeg_have_a_limit() {
    let _alone = alone();
    let shape = Shape::gray(64, 64, 8, false);
    let lossy = jpeg::Structure { lossless: None, progressive: true, arithmetic: false, restart_rows: 0 };
    let coded = jpeg::encode(shape, &shape.picture(), lossy).unwrap();
    let first = coded.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    let second = first + 2 + coded[first + 2..].windows(2).position(|pair| pair[0] == 0xFF && pair[1] >= 0xC0).unwrap();
    let bomb = [&coded[..second], &coded[first..second].repeat(2000), &[0xFF, 0xD9]].concat();
    refused(&shape.encapsulated(uids::JPEG_EXTENDED12_BIT, vec![bomb]), shape, ReasonCode::PixelData, MB, "2001 scans");
}

#[test]
fn damaged_codestreams_stay_in_bounds() {
    let _alone = alone();
    let (shape, coded) = vector("layers-tiles.j2k");
    let mut worst = 0;
    for position in 2..coded.len().min(260) {
        for value in [0, 0xFF] {
            let mut damaged = coded.clone();
            damaged[position] = value;
            let file = shape.encapsulated(uids::JPEG2000_LOSSLESS, vec![damaged]);
            worst = worst.max(outcome(&file, shape).1);
        }
    }
    assert!(worst <= 32 * MB, "{worst} bytes");
}
