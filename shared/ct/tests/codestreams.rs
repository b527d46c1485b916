//! A window is the crop of the whole for every structure of a JPEG 2000 codestream, and what is coded without loss comes back
//! as it was.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bolus_study::{PixelWindow, ReasonCode};
use dicom_dictionary_std::uids;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use support::jpeg2000::{Headers, Parts, Segment, Structure, encode, try_encode};
use support::{Shape, check, fragments, whole, window, window_of};

const SIZ: u16 = 0xFF51;
const RGN: u16 = 0xFF5E;
const QCD: u16 = 0xFF5C;

/// Four windows of a frame.
fn windows() -> impl Strategy<Value = [[f64; 4]; 4]> {
    let part = || prop_oneof![Just(0.0), 0.0..1.0f64, Just(1.0)];
    let one = move || [part(), part(), part(), part()];
    [one(), one(), one(), one()]
}

fn shapes() -> impl Strategy<Value = Shape> {
    (24..110usize, 24..110usize, 8..=16u32, any::<bool>())
        .prop_map(|(rows, columns, bits, signed)| Shape::gray(rows, columns, bits, signed))
}

fn headers() -> impl Strategy<Value = Headers> {
    prop_oneof![
        2 => Just(Headers::Packets),
        1 => (1..4usize).prop_map(Headers::TileParts),
        1 => (1..4usize).prop_map(Headers::Main),
    ]
}

/// Code-block styles. The encoder writes beyond its buffers for small blocks, and for passes that end by themselves (bypass, termination
/// on each pass, predictable termination): those have their pictures below.
fn styles() -> impl Strategy<Value = u8> {
    [any::<bool>(), any::<bool>(), any::<bool>()]
        .prop_map(|[reset, causal, symbols]| u8::from(reset) << 1 | u8::from(causal) << 3 | u8::from(symbols) << 5)
}

/// How code-blocks are coded and what they lie in.
fn blocks() -> impl Strategy<Value = Structure> {
    let precincts = prop::collection::vec([5..8u32, 5..8u32], 0..3);
    let tile = prop::option::of([32..90i32, 32..90i32]);
    let origin = prop_oneof![2 => Just([0, 0]), 1 => [0..40u32, 0..40u32]];
    (styles(), any::<bool>(), precincts, [4..7u32, 4..7u32], tile, origin, [0..15u32, 0..15u32]).prop_map(
        |(style, reversible, precincts, block, tile, origin, tile_before)| Structure {
            style,
            reversible,
            precincts,
            block,
            tile,
            origin,
            tile_before,
            ..Structure::PLAIN
        },
    )
}

/// How packets follow each other, and where their headers stand.
fn structures() -> impl Strategy<Value = Structure> {
    let marks = [any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()];
    let change = prop::option::weighted(0.3, (any::<u32>(), 0..5i32));
    (blocks(), marks, 0..5i32, change, 1..7i32, 1..4usize, 1..5usize, headers()).prop_map(
        |(blocks, [sop, eph, lengths, interleaved], progression, change, resolutions, layers, parts, headers)| {
            Structure {
                sop,
                eph,
                progression,
                change,
                resolutions,
                layers,
                parts,
                // Which part is whose is told by their order where headers are packed in the main header.
                interleaved: interleaved && !matches!(headers, Headers::Main(_)),
                lengths,
                headers,
                ..blocks
            }
        },
    )
}

/// The structure as far as the encoder writes it right: no more resolutions than the smallest tile has samples for, changes of progression
/// for one tile alone, RPCL with one layer or one precinct, and the irreversible transform without tiles.
fn fitting(structure: Structure, shape: Shape) -> Structure {
    let smallest = |length: usize, axis: usize| {
        let Some(tile) = structure.tile.map(|tile| tile[axis] as usize) else { return length };
        let start = structure.origin[axis] as usize;
        let before = start.min(structure.tile_before[axis] as usize);
        let first = length.min(tile - before);
        let last = (before + length - 1) % tile + 1;
        if first == length { length } else { first.min(last) }
    };
    let side = smallest(shape.columns, 0).min(smallest(shape.rows, 1)).min(shape.rows).min(shape.columns);
    let resolutions = structure.resolutions.min(side.ilog2() as i32).max(1);
    let change = structure.change.filter(|_| resolutions > 1 && structure.tile.is_none());
    let change = change.map(|(at, order)| (1 + at % (resolutions as u32 - 1), order));
    let plain = structure.tile.is_none() && structure.origin == [0, 0];
    let reversible = structure.reversible || !plain || shape.rows.min(shape.columns) < 2 << resolutions;
    let is_rpcl = structure.progression == 2 || change.is_some_and(|(_, order)| order == 2);
    let layers = if is_rpcl && !structure.precincts.is_empty() { 1 } else { structure.layers };
    Structure { resolutions, change, reversible, layers, ..structure }
}

/// Asserts that each window is the crop of the whole to one grey level: the irreversible transform is of floating point, and a window's
/// rounds its own way.
fn near(file: &[u8], shape: Shape, windows: &[PixelWindow], what: &str) {
    let values = whole(file).unwrap_or_else(|reason| panic!("{what}: {reason:?}"));
    for part in windows {
        let crop = (part.y0..part.y1).flat_map(|y| &values[y * shape.columns + part.x0..y * shape.columns + part.x1]);
        let found = window(file, *part).unwrap_or_else(|reason| panic!("{what} {part:?}: {reason:?}"));
        let most = found.iter().zip(crop).map(|(found, crop)| found.abs_diff(*crop)).max();
        assert!(found.len() == part.height() * part.width() && most <= Some(1), "{what} {part:?}: {most:?}");
    }
}

/// Packet headers in the main header are refused for tiles in several parts, whose headers the decoder mistakes, and for some others by
/// the decoder itself. What is not refused must be right.
fn is_refused(file: &[u8]) -> bool {
    whole(file).is_err_and(|reason| reason.code == ReasonCode::PixelData)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        // The encoder is a port of C that keeps within its buffers as a rule only: which pictures it is given must not change.
        rng_seed: RngSeed::Fixed(2000),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_structure(shape in shapes(), structure in structures(), parts in windows(), pieces in 1..4usize) {
        let structure = fitting(structure, shape);
        let values = shape.picture();
        let coded = try_encode(shape, &values, &structure);
        prop_assume!(coded.is_some());
        let coded = coded.unwrap_or_default();
        let file = shape.encapsulated(uids::JPEG2000, fragments(&coded, pieces));
        let what = format!("{shape:?} {structure:?}");
        let windows = parts.map(|part| window_of(shape, part));
        if matches!(structure.headers, Headers::Main(_)) && is_refused(&file) {
            return Ok(());
        }
        if structure.reversible {
            check(&file, shape, Some(&values), &windows, &what);
        } else {
            near(&file, shape, &windows, &what);
        }
    }

    /// Regions of interest (maxshift, ISO 15444-1 annex H): samples of a region are coded in planes above those of the others.
    #[test]
    fn region_of_interest(
        rows in 24..90usize,
        columns in 24..90usize,
        bits in 8..=12u32,
        style in styles(),
        region in [0.0..1.0f64, 0.0..1.0f64, 0.0..1.0f64, 0.0..1.0f64],
        parts in windows(),
    ) {
        let shape = Shape::gray(rows, columns, bits, true);
        let region = window_of(shape, region);
        let values = shape.picture();
        // The encoder has two guard bits: the background has up to `bits` + 1 planes.
        let file = raised(shape, region, bits + 2, style);
        let windows = parts.map(|part| window_of(shape, part));
        check(&file, shape, Some(&values), &windows, &format!("{shape:?} {region:?} {style}"));
    }
}

/// A file whose samples in `region` are coded `shift` planes above the others. Without a wavelet transform coefficients are samples, so
/// that the encoder can be given raised ones, and the headers are put right behind it.
fn raised(shape: Shape, region: PixelWindow, shift: u32, style: u8) -> Vec<u8> {
    let place = |at: usize| (at / shape.columns, at % shape.columns);
    let inside = |(y, x): (usize, usize)| (region.y0..region.y1).contains(&y) && (region.x0..region.x1).contains(&x);
    let raise = |(at, value): (usize, i32)| if inside(place(at)) { value << shift } else { value };
    let values: Vec<i32> = shape.picture().into_iter().enumerate().map(raise).collect();
    let structure = Structure { style, resolutions: 1, ..Structure::PLAIN };
    let mut stream = Parts::read(&encode(Shape { bits: shape.bits + shift, ..shape }, &values, &structure));
    for segment in &mut stream.main {
        match segment.marker {
            SIZ => segment.bytes[38] = 0x80 | (shape.bits as u8 - 1),
            QCD => segment.bytes[3] -= (shift as u8) << 3,
            _ => {}
        }
    }
    stream.main.push(Segment::new(RGN, &[0, 0, shift as u8]));
    shape.encapsulated(uids::JPEG2000_LOSSLESS, vec![stream.write()])
}

/// The decoder gives other pixels for these and no error.
#[test]
fn regions_that_are_not_told_from_their_background_are_refused() {
    let shape = Shape::gray(46, 32, 8, true);
    let region = PixelWindow { y0: 9, y1: 30, x0: 5, x1: 20 };
    for (shift, style) in [(10, 1), (9, 0), (8, 0)] {
        let reason = whole(&raised(shape, region, shift, style)).unwrap_err();
        assert!(reason.code == ReasonCode::PixelData && reason.detail.contains("region of interest"), "{reason}");
    }
    assert_eq!(whole(&raised(shape, region, 10, 0)).unwrap(), shape.picture());
}

/// Each thing that a structure can have, alone, so that a failure is told apart.
#[test]
fn each_structure_alone() {
    let plain = Structure { resolutions: 4, ..Structure::PLAIN };
    let tiles = Structure { tile: Some([33, 29]), ..plain.clone() };
    let marked = Structure { sop: true, eph: true, ..tiles.clone() };
    let mut all: Vec<Structure> = (0..6).map(|bit| Structure { style: 1 << bit, ..plain.clone() }).collect();
    all.extend((0..5).map(|progression| Structure {
        progression,
        layers: if progression == 2 { 1 } else { 3 },
        precincts: vec![[5, 4], [4, 5]],
        ..tiles.clone()
    }));
    all.extend((0..5).map(|order| Structure { change: Some((2, order)), layers: 2, ..plain.clone() }));
    all.extend([false, true].map(|interleaved| Structure { parts: 3, layers: 2, interleaved, ..tiles.clone() }));
    all.extend([
        marked.clone(),
        Structure { eph: false, ..marked.clone() },
        Structure { sop: false, ..marked.clone() },
        Structure { lengths: true, ..tiles.clone() },
        Structure { headers: Headers::TileParts(1), ..marked.clone() },
        Structure { headers: Headers::TileParts(3), sop: false, eph: false, ..marked.clone() },
        Structure { headers: Headers::Main(1), ..marked.clone() },
        Structure { headers: Headers::Main(3), sop: false, eph: false, ..marked },
        Structure { origin: [13, 7], tile_before: [5, 3], ..tiles },
        Structure { reversible: false, ..plain },
    ]);
    let places = [[0.0, 1.0, 0.0, 1.0], [0.3, 0.4, 0.2, 0.5], [1.0, 0.0, 1.0, 0.0], [0.0, 0.5, 0.5, 0.5]];
    for structure in all {
        for (bits, signed) in [(8, false), (12, true), (16, false)] {
            let shape = Shape::gray(75, 83, bits, signed);
            let values = shape.picture();
            let file = shape.encapsulated(uids::JPEG2000, vec![encode(shape, &values, &structure)]);
            let expected = structure.reversible.then_some(values.as_slice());
            if matches!(structure.headers, Headers::Main(_)) && is_refused(&file) {
                continue;
            }
            check(&file, shape, expected, &places.map(|place| window_of(shape, place)), &format!("{structure:?}"));
        }
    }
}
