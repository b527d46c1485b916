//! What small files can make the reader hold, read and do.

use std::fs;
use std::io::Write;
use std::ops::Range;

use bolus_study::{Reason, ReasonCode};
use dicom_dictionary_std::uids;

use super::tests::{explicit, file_of, files_under, small_image, test_data};
use super::{HeaderReader, HeaderStep};
use crate::Instance;
use crate::pixel::stored_values;

/// A file of which only some parts have bytes; the rest is zeros.
struct Sparse {
    length: u64,
    parts: Vec<(u64, Vec<u8>)>,
}

impl Sparse {
    fn whole(bytes: Vec<u8>) -> Self {
        Self { length: bytes.len() as u64, parts: vec![(0, bytes)] }
    }

    fn read(&self, range: Range<u64>) -> Vec<u8> {
        assert!(range.end <= self.length && range.start < range.end, "{range:?} of {}", self.length);
        let mut bytes = vec![0; (range.end - range.start) as usize];
        for (start, part) in &self.parts {
            let (from, to) = (range.start.max(*start), range.end.min(start + part.len() as u64));
            if from < to {
                let source = &part[(from - start) as usize..(to - start) as usize];
                bytes[(from - range.start) as usize..(to - range.start) as usize].copy_from_slice(source);
            }
        }
        bytes
    }
}

/// What a caller with ranged reads gets, and how many bytes it read.
fn read(file: &Sparse) -> (Result<Instance, Reason>, u64) {
    let mut reader = HeaderReader::new(file.length);
    let mut bytes_read = 0;
    for _ in 0..2000 {
        let wanted = reader.wanted();
        assert!(reader.memory_bound() >= wanted.end - wanted.start);
        let bytes = file.read(wanted);
        bytes_read += bytes.len() as u64;
        match reader.feed(&bytes) {
            Ok(HeaderStep::Instance(instance)) => return (Ok(*instance), bytes_read),
            Ok(HeaderStep::More(later)) => reader = *later,
            Err(reason) => return (Err(reason), bytes_read),
        }
    }
    panic!("the reads do not end");
}

fn deflated_file(data_set: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data_set).unwrap();
    file_of(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, uids::CT_IMAGE_STORAGE, &encoder.finish().unwrap())
}

fn plain_file(data_set: &[u8]) -> Vec<u8> {
    file_of(uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::CT_IMAGE_STORAGE, data_set)
}

/// `small_image` with `element` before the first of its own, which is of group 0008.
fn image_with(element: &[u8]) -> Vec<u8> {
    [element, &small_image()].concat()
}

/// `small_image` with `element` before its pixel data.
fn image_ending_with(element: &[u8]) -> Vec<u8> {
    let mut image = small_image();
    let at = image.len() - 20;
    image.splice(at..at, element.iter().copied());
    image
}

fn code(data_set: &[u8]) -> ReasonCode {
    read(&Sparse::whole(plain_file(data_set))).0.unwrap_err().code
}

/// A private sequence `depth` deep, every length stated.
fn nested(depth: usize) -> Vec<u8> {
    let mut inner = Vec::new();
    for _ in 0..depth {
        let item = [&[0xFE, 0xFF, 0x00, 0xE0], &(inner.len() as u32).to_le_bytes()[..], &inner].concat();
        inner = explicit(0x0009, 0x1032, b"SQ", &item);
    }
    inner
}

/// The same without lengths.
fn nested_without_lengths(depth: usize) -> Vec<u8> {
    let open = [explicit_undefined(0x0009, 0x1032), vec![0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]].concat();
    let close = [[0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0], [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]].concat();
    [open.repeat(depth), close.repeat(depth)].concat()
}

fn explicit_undefined(group: u16, element: u16) -> Vec<u8> {
    [&group.to_le_bytes()[..], &element.to_le_bytes(), b"SQ\0\0", &[0xFF; 4]].concat()
}

/// Runs `work` on a stack that no recursion of thousands of levels fits on.
fn on_a_small_stack<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    std::thread::Builder::new().stack_size(192 * 1024).spawn(work).unwrap().join().unwrap()
}

#[test]
fn deep_sequences_that_nobody_wants_are_passed_over_without_recursion() {
    for private in [nested(2000), nested_without_lengths(2000)] {
        for file in [deflated_file(&image_with(&private)), plain_file(&image_with(&private))] {
            on_a_small_stack(move || {
                let instance = read(&Sparse::whole(file.clone())).0.unwrap();
                assert_eq!(stored_values(&file, &instance).unwrap().bytes, [1, 2, 3, 4, 5, 6, 7, 0xF8]);
            });
        }
    }
    assert_eq!(code(&image_with(&nested_without_lengths(10_000))), ReasonCode::TooLarge);
}

#[test]
fn large_values_that_nobody_wants_are_not_read() {
    let mut head = explicit(0x0009, 0x1010, b"OB", &[]);
    head.truncate(8);
    let length = 900_000_000_u32;
    let head = plain_file(&[&head[..], &length.to_le_bytes()].concat());
    let behind = head.len() as u64 + u64::from(length);
    let image = small_image();
    let file = Sparse { length: behind + image.len() as u64, parts: vec![(0, head), (behind, image)] };
    let (instance, bytes_read) = read(&file);
    assert_eq!(instance.unwrap().pixels.unwrap().offset + 8, file.length);
    assert!(bytes_read <= 2 * super::FIRST_READ_BYTES, "{bytes_read}");
}

#[test]
fn values_that_are_wanted_have_a_length_limit() {
    let mut head = explicit(0x0008, 0x103E, b"UN", &[]);
    head.truncate(8);
    let head = plain_file(&[&head[..], &900_000_000_u32.to_le_bytes()].concat());
    let (refused, bytes_read) = read(&Sparse { length: 1_000_000_000, parts: vec![(0, head)] });
    let reason = refused.unwrap_err();
    assert_eq!(reason.code, ReasonCode::TooLarge);
    assert!(reason.detail.contains("900000000") && reason.detail.contains("4096"), "{reason}");
    assert_eq!(bytes_read, super::FIRST_READ_BYTES);
}

#[test]
fn repeated_attributes_are_kept_once_and_the_first_counts() {
    let first = explicit(0x0008, 0x103E, b"LO", b"first ");
    let others = explicit(0x0008, 0x103E, b"LO", &[b'x'; 1024]).repeat(20_000);
    let file = deflated_file(&image_with(&[first, others].concat()));
    assert!(file.len() < 100_000, "a small file: {}", file.len());
    let instance = read(&Sparse::whole(file)).0.unwrap();
    assert_eq!(instance.series_description.as_deref(), Some("first"));
}

#[test]
fn what_inflates_without_end_is_refused_before_it_is_held() {
    let bomb = explicit(0x0009, 0x1010, b"OB", &vec![0; 80 << 20]);
    let reason = read(&Sparse::whole(deflated_file(&image_with(&bomb)))).0.unwrap_err();
    assert_eq!(reason.code, ReasonCode::TooLarge);
    assert!(reason.detail.contains("inflated"), "{reason}");
}

#[test]
fn items_and_frames_are_bounded() {
    let item = [0xFE, 0xFF, 0x00, 0xE0, 0, 0, 0, 0];
    let agents = explicit(0x0018, 0x0012, b"SQ", &item.repeat(101));
    assert_eq!(code(&image_ending_with(&agents)), ReasonCode::TooLarge);
    // More items than frames cost nothing, and no frame gets a place.
    let groups = explicit(0x5200, 0x9230, b"SQ", &item.repeat(300_000));
    let instance = read(&Sparse::whole(deflated_file(&image_ending_with(&groups)))).0.unwrap();
    assert_eq!((instance.frames.len(), instance.frames[0].position_mm), (1, None));
    let frames = explicit(0x0028, 0x0008, b"IS", b"60000 ");
    assert_eq!(code(&image_ending_with(&frames)), ReasonCode::TooLarge);
    let mut encapsulated = image_ending_with(&frames);
    let at = encapsulated.len() - 12;
    encapsulated.splice(at.., [0xFF; 4].into_iter().chain([0xFE, 0xFF, 0x00, 0xE0, 0, 0, 0, 0]));
    assert_eq!(code(&encapsulated), ReasonCode::InconsistentAttribute);
}

#[test]
fn texts_have_a_limit_together() {
    let meaning = explicit(0x0008, 0x0104, b"LO", &[b'x'; 4000]);
    let item = [&[0xFE, 0xFF, 0x00, 0xE0], &(meaning.len() as u32).to_le_bytes()[..], &meaning].concat();
    let agents = |items: usize| explicit(0x0018, 0x0012, b"SQ", &item.repeat(items));
    assert!(read(&Sparse::whole(plain_file(&image_ending_with(&agents(90))))).0.is_ok());
    let many = [
        agents(90),
        explicit(0x0018, 0x0014, b"SQ", &item.repeat(90)),
        explicit(0x0040, 0x0275, b"SQ", &item.repeat(90)),
    ];
    assert_eq!(code(&image_ending_with(&many.concat())), ReasonCode::TooLarge);
}

#[test]
fn odd_elements_do_not_make_every_byte_be_read_over_and_over() {
    // Each could be a megabyte long by one reading of its length, and is 8 bytes long by another.
    let element = [0x09, 0, 0x10, 0x10, b'?', b'?', 0, 0, 0xF0, 0xFF, 0x0F, 0];
    let file = plain_file(&image_with(&element.repeat(1 << 20)));
    let (_, bytes_read) = read(&Sparse::whole(file));
    assert!(bytes_read < 66 << 20, "{bytes_read}");
}

#[test]
fn a_header_without_end_is_refused() {
    // Private elements of 8 bytes each, as far as anybody reads.
    let element = explicit(0x0009, 0x1010, b"CS", b"");
    let file = plain_file(&image_with(&element.repeat(9 << 20)));
    let (refused, bytes_read) = read(&Sparse::whole(file));
    assert_eq!(refused.unwrap_err().code, ReasonCode::TooLarge);
    assert!(bytes_read < 66 << 20, "{bytes_read}");
}

#[test]
fn reads_by_ranges_give_what_the_whole_file_gives() {
    for path in files_under(&test_data()) {
        let bytes = fs::read(&path).unwrap();
        let whole = match super::read_header(&bytes, bytes.len() as u64) {
            Ok(super::HeaderRead::Instance(instance)) => Ok(*instance),
            Ok(other) => panic!("{path:?}: {other:?}"),
            Err(reason) => Err(reason.code),
        };
        if bytes.is_empty() {
            continue;
        }
        let ranged = read(&Sparse::whole(bytes)).0.map_err(|reason| reason.code);
        assert_eq!(ranged, whole, "{path:?}");
    }
}
