//! Streams that writers get slightly wrong: right pixels or a named refusal, never other pixels.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use dicom_dictionary_std::uids;
use proptest::prelude::*;
use support::{Shape, jpeg, vector, whole};

const LOSSLESS: jpeg::Structure =
    jpeg::Structure { lossless: Some([1, 0]), progressive: false, arithmetic: false, restart_rows: 0 };

/// Position of a marker.
fn find(coded: &[u8], marker: u8) -> usize {
    coded.windows(2).position(|pair| pair == [0xFF, marker]).unwrap()
}

/// Inserts `bytes` at `position`.
fn with(coded: &[u8], position: usize, bytes: &[u8]) -> Vec<u8> {
    [&coded[..position], bytes, &coded[position..]].concat()
}

fn is(shape: Shape, syntax: &str, coded: Vec<u8>, expected: &[i32], what: &str) {
    let found = whole(&shape.encapsulated(syntax, vec![coded])).unwrap_or_else(|reason| panic!("{what}: {reason:?}"));
    assert!(found == expected, "{what}");
}

/// The oddities that JPEG and JPEG-LS share.
fn shared_oddities(shape: Shape, syntax: &str, plain: &[u8], expected: &[i32], frame: u8) {
    let start = find(plain, frame);
    let end = plain.len() - plain.iter().rev().position(|byte| *byte == 0xD9).unwrap() - 2;
    let body = &plain[..end];
    let odd = |coded: Vec<u8>, what: &str| is(shape, syntax, coded, expected, &format!("{syntax}: {what}"));
    odd(plain.to_vec(), "plain");
    odd(with(plain, start, &[0xFF; 5]), "fill bytes before the frame header");
    odd(with(plain, end, &[0xFF; 3]), "fill bytes before EOI");
    odd(with(plain, end, &[0]), "a zero before EOI");
    odd(with(plain, end, &[0, 0, 0]), "zeros before EOI");
    if syntax == uids::JPEGLS_LOSSLESS {
        // The decoder cannot tell whether the last code is whole.
        for coded in [body.to_vec(), [body, &[0, 0]].concat()] {
            assert!(whole(&shape.encapsulated(syntax, vec![coded])).is_err(), "{syntax}: no EOI");
        }
    } else if body.ends_with(&[0]) {
        // Data that end with a zero cannot be told from a cut stream that was filled up: these may be refused.
        let found = whole(&shape.encapsulated(syntax, vec![body.to_vec()]));
        assert!(found.is_err() || found.unwrap() == expected, "{syntax}: no EOI");
    } else {
        odd(body.to_vec(), "no EOI");
        odd([body, &[0, 0]].concat(), "no EOI, zeros");
    }
    odd([plain, &[0; 64]].concat(), "zeros behind");
    odd([plain, &[0xFF, 0xD9]].concat(), "two EOI");
    odd(with(plain, 0, &[0, 0]), "zeros before SOI");
    odd(with(plain, 2, &[0xFF, 0xFE, 0, 4, 7, 7, 0xFF, 0xE9, 0, 3, 1]), "comment and application data");
}

#[test]
fn markers_that_writers_add_or_forget() {
    for (rows, bits) in [(40, 8), (41, 12), (37, 16)] {
        let shape = Shape::gray(rows, 53, bits, false);
        let values = shape.picture();
        let lossless = jpeg::encode(shape, &values, LOSSLESS).unwrap();
        shared_oddities(shape, uids::JPEG_LOSSLESS, &lossless, &values, 0xC3);
        shared_oddities(shape, uids::JPEGLS_LOSSLESS, &jpeg::encode_ls(shape, &values, 0), &values, 0xF7);
    }
}

#[test]
fn sequential_scans_with_odd_parameters_and_late_heights() {
    for bits in [8, 12] {
        let shape = Shape::gray(48, 56, bits, false);
        let lossy = jpeg::Structure { lossless: None, progressive: false, arithmetic: false, restart_rows: 1 };
        let plain = jpeg::encode(shape, &shape.picture(), lossy).unwrap();
        let expected = whole(&shape.encapsulated(uids::JPEG_EXTENDED12_BIT, vec![plain.clone()])).unwrap();
        let scan = find(&plain, 0xDA);
        for selection in [[1, 63, 0], [0, 0, 0], [0, 63, 1], [0, 5, 0x21]] {
            let mut odd = plain.clone();
            odd[scan + 7..scan + 10].copy_from_slice(&selection);
            is(shape, uids::JPEG_EXTENDED12_BIT, odd.clone(), &expected, &format!("{selection:?}"));
            // What is wrong beside it must not hide behind it.
            odd.truncate(odd.len() - 40);
            assert!(whole(&shape.encapsulated(uids::JPEG_EXTENDED12_BIT, vec![odd])).is_err(), "cut, {selection:?}");
        }
        let mut late = plain.clone();
        let frame = late.windows(2).position(|pair| pair[0] == 0xFF && matches!(pair[1], 0xC0 | 0xC1)).unwrap();
        late[frame + 5..frame + 7].fill(0);
        let late = with(&late, plain.len() - 2, &[0xFF, 0xDC, 0, 4, 0, 48]);
        is(shape, uids::JPEG_EXTENDED12_BIT, late, &expected, "height behind the scan");
    }
}

#[test]
fn ends_of_a_jpeg_2000_codestream() {
    for name in ["-plain.j2k", "-tiles.j2k"] {
        let (shape, plain) = vector(name);
        let values = shape.picture();
        let odd = |coded: Vec<u8>, what: &str| is(shape, uids::JPEG2000_LOSSLESS, coded, &values, what);
        let last = plain.len() - 2;
        let part = plain.windows(4).rposition(|bytes| bytes == [0xFF, 0x90, 0, 10]).unwrap();
        let length = u32::from_be_bytes(plain[part + 6..part + 10].try_into().unwrap());
        let with_length = |length: u32| {
            let mut coded = plain.clone();
            coded[part + 6..part + 10].copy_from_slice(&length.to_be_bytes());
            coded
        };
        odd(plain.clone(), "plain");
        odd(plain[..last].to_vec(), "no EOC");
        odd([&plain[..last], &[0, 0, 0]].concat(), "zeros for EOC");
        odd([&plain[..], &[0; 64]].concat(), "zeros behind");
        odd(with_length(0), "length 0");
        odd(with_length(0)[..last].to_vec(), "length 0 and no EOC");
        odd([&with_length(0)[..], &[0, 0]].concat(), "length 0 and zeros behind");
        odd(with_length(length + 2), "length counts EOC");
        odd([&with_length(length + 2)[..], &[0, 0]].concat(), "length counts EOC and zeros behind");
        odd([b"\0\0\0\x0CjP  \r\n\x87\n\0\0\0\0jp2c", &plain[..]].concat(), "in a box");
        for coded in [with_length(length + 40), with_length(length - 5), plain[..last - 30].to_vec()] {
            assert!(whole(&shape.encapsulated(uids::JPEG2000_LOSSLESS, vec![coded])).is_err());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A stream that is cut is refused, or was whole for all that it matters.
    #[test]
    fn cut_streams_never_give_other_pixels(
        rows in 1..40usize,
        columns in 1..40usize,
        bits in 8..=16u32,
        cut in 1..60usize,
        restart_rows in 0..2i32,
    ) {
        let shape = Shape::gray(rows, columns, bits, false);
        let values = shape.picture();
        let lossless = jpeg::encode(shape, &values, jpeg::Structure { restart_rows, ..LOSSLESS }).unwrap();
        let streams = [(uids::JPEG_LOSSLESS, lossless), (uids::JPEGLS_LOSSLESS, jpeg::encode_ls(shape, &values, 0))];
        for (syntax, coded) in streams {
            for padded in [0, 1, 4] {
                let mut coded = coded[..coded.len().saturating_sub(cut).max(2)].to_vec();
                coded.resize(coded.len() + padded, 0);
                if let Ok(found) = whole(&shape.encapsulated(syntax, vec![coded])) {
                    prop_assert!(found == values, "{} {:?} cut by {} padded by {}", syntax, shape, cut, padded);
                }
            }
        }
    }
}
