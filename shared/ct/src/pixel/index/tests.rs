use std::cell::Cell;
use std::io::Write;
use std::ops::Range;

use bolus_study::ReasonCode;
use dicom_dictionary_std::uids;
use proptest::prelude::*;

use super::*;
use crate::header::tests::{explicit, file_of};
use crate::pixel::decode_indexed_hu;
use crate::{HeaderRead, read_header};

const JPEG: &str = "1.2.840.10008.1.2.4.70";
const MARK: [u8; 3] = [0xFF, 0xD8, 0xFF];

/// An image of `frames` frames up to the value of its pixel data, whose stated length is `length`.
fn head(frames: usize, [rows, columns]: [u16; 2], tables: &[u8], length: u32) -> Vec<u8> {
    let mut set = explicit(0x0008, 0x0016, b"UI", uids::CT_IMAGE_STORAGE.as_bytes());
    set.extend(explicit(0x0028, 0x0002, b"US", &1_u16.to_le_bytes()));
    set.extend(explicit(0x0028, 0x0004, b"CS", b"MONOCHROME2 "));
    set.extend(explicit(0x0028, 0x0008, b"IS", format!("{frames:>6}").as_bytes()));
    for (element, value) in [(0x0010, rows), (0x0011, columns), (0x0100, 16), (0x0101, 16), (0x0103, 0)] {
        set.extend(explicit(0x0028, element, b"US", &value.to_le_bytes()));
    }
    set.extend(explicit(0x0028, 0x1052, b"DS", b"0 "));
    set.extend(explicit(0x0028, 0x1053, b"DS", b"1 "));
    set.extend(tables);
    set.extend(explicit(0x7FE0, 0x0010, b"OB", &[]).get(..8).unwrap());
    set.extend(length.to_le_bytes());
    set
}

fn item(content: &[u8]) -> Vec<u8> {
    [&[0xFE, 0xFF, 0x00, 0xE0], &(content.len() as u32).to_le_bytes()[..], content].concat()
}

fn instance_of(file: &[u8], length: u64) -> Instance {
    match read_header(file, length).unwrap() {
        HeaderRead::Instance(instance) => *instance,
        other => panic!("{other:?}"),
    }
}

/// Drives an indexer, with `read` for the file's bytes.
fn drive(step: Result<IndexStep, Reason>, read: impl Fn(Range<u64>) -> Vec<u8>) -> Result<FrameIndex, Reason> {
    let mut step = step?;
    for _ in 0..1000 {
        match step {
            IndexStep::Done(index) => return Ok(index),
            IndexStep::More(indexer) => {
                let bytes = read(indexer.wanted());
                assert!(bytes.len() <= 1 << 20);
                step = indexer.feed(&bytes)?;
            }
        }
    }
    panic!("the reads do not end");
}

/// The coded bytes of a frame, as the callers of the index get them: by the tables, or, where these lie, without them.
fn coded(file: &[u8], frame: usize) -> Result<Vec<u8>, Reason> {
    let length = file.len() as u64;
    let instance = instance_of(file, length);
    let window = PixelWindow::whole(4, 4);
    let slice = |range: Range<u64>| file[range.start as usize..range.end as usize].to_vec();
    let mut index = drive(FrameIndexer::begin(&instance, length), slice)?;
    if !index.holds(frame, &slice(index.byte_range(&instance, frame, window))) {
        index = drive(FrameIndexer::begin_without_tables(&instance, length), slice)?;
    }
    let bytes = slice(index.byte_range(&instance, frame, window));
    let value = index.open(&instance, frame, window, &bytes)?;
    Ok(value.coded_frame(frame, instance.format.as_ref().unwrap().frames)?.into_owned())
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Table {
    None,
    Basic,
    Extended,
    /// A basic table with one entry changed by so much.
    Lying(usize, i32),
    /// An extended table with one entry changed by so much.
    LyingExtended(usize, i32),
}

fn changed(values: &[u64], entry: usize, by: i32) -> Vec<u64> {
    let mut values = values.to_vec();
    let entry = entry % values.len();
    values[entry] = values[entry].wrapping_add_signed(by.into());
    values
}

/// A file of `frames`, each of several fragments.
fn encapsulated(frames: &[Vec<Vec<u8>>], table: Table, behind: usize) -> Vec<u8> {
    let (mut items, mut offsets, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for fragments in frames {
        offsets.push(items.len() as u64);
        lengths.push(fragments.iter().map(|fragment| fragment.len() as u64).sum());
        fragments.iter().for_each(|fragment| items.extend(item(fragment)));
    }
    let long = |values: &[u64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let short = |values: &[u64]| values.iter().flat_map(|value| (*value as u32).to_le_bytes()).collect::<Vec<u8>>();
    let extended = |offsets: &[u64]| {
        let offsets = explicit(0x7FE0, 0x0001, b"OV", &long(offsets));
        [offsets, explicit(0x7FE0, 0x0002, b"OV", &long(&lengths))].concat()
    };
    let (basic, tables) = match table {
        Table::None => (Vec::new(), Vec::new()),
        Table::Basic => (short(&offsets), Vec::new()),
        Table::Extended => (Vec::new(), extended(&offsets)),
        Table::Lying(entry, by) => (short(&changed(&offsets, entry, by)), Vec::new()),
        Table::LyingExtended(entry, by) => (Vec::new(), extended(&changed(&offsets, entry, by))),
    };
    let mut set = head(frames.len(), [4, 4], &tables, u32::MAX);
    set.extend([item(&basic), items, vec![0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]].concat());
    set.extend(explicit(0xFFFC, 0xFFFC, b"OB", &vec![7; behind]));
    file_of(JPEG, uids::CT_IMAGE_STORAGE, &set)
}

fn fragments() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let fragment = prop::collection::vec(0..0xF0_u8, 2..40).prop_map(|mut bytes| {
        bytes.truncate(bytes.len() / 2 * 2);
        bytes
    });
    prop::collection::vec(fragment, 1..4).prop_map(|mut fragments| {
        fragments[0].splice(0..0, [0xFF, 0xD8, 0xFF, 0xE0]);
        fragments
    })
}

fn tables() -> impl Strategy<Value = Table> {
    prop_oneof![
        Just(Table::None),
        Just(Table::Basic),
        Just(Table::Extended),
        (0..8_usize, -64..64_i32).prop_map(|(entry, by)| Table::Lying(entry, by / 2 * 2)),
        (0..8_usize, -64..64_i32).prop_map(|(entry, by)| Table::LyingExtended(entry, by / 2 * 2)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever table the file has, each frame is its own bytes. A table that lies and hits an item's start by chance
    /// gives something that no decoder takes.
    #[test]
    fn every_frame_is_its_own_bytes(
        frames in prop::collection::vec(fragments(), 1..6),
        table in tables(),
        behind in prop_oneof![0..300_usize, Just(600_000)],
    ) {
        let file = encapsulated(&frames, table, behind);
        let lies = matches!(table, Table::Lying(..) | Table::LyingExtended(..));
        for (frame, expected) in frames.iter().enumerate() {
            let found = coded(&file, frame).unwrap();
            let expected = expected.concat();
            prop_assert!(found == expected || (lies && !found.starts_with(&MARK)), "frame {frame}: {found:?}, {expected:?}");
        }
    }

    #[test]
    fn damaged_items_never_panic(
        frames in prop::collection::vec(fragments(), 1..6),
        table in tables(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in 0..40_usize,
    ) {
        let mut file = encapsulated(&frames, table, 0);
        let start = file.len() - 200.min(file.len() / 3);
        for (place, byte) in places {
            let length = file.len() - start;
            file[start + place.index(length)] = byte;
        }
        file.truncate(file.len() - cut);
        if read_header(&file, file.len() as u64).is_ok() {
            (0..frames.len()).for_each(|frame| drop(coded(&file, frame)));
        }
    }
}

#[test]
fn frames_of_one_fragment_need_no_table_and_no_marks() {
    let frames: Vec<Vec<Vec<u8>>> = (0..5).map(|frame| vec![vec![frame; 10]]).collect();
    for table in [Table::None, Table::Basic, Table::Extended, Table::Lying(2, 4), Table::LyingExtended(3, -2)] {
        let file = encapsulated(&frames, table, 0);
        for (frame, expected) in frames.iter().enumerate() {
            assert_eq!(coded(&file, frame).unwrap(), expected.concat(), "{table:?}");
        }
    }
    let two_each: Vec<Vec<Vec<u8>>> = (0..3).map(|frame| vec![vec![frame; 10]; 2]).collect();
    assert_eq!(coded(&encapsulated(&two_each, Table::None, 0), 1).unwrap_err().code, ReasonCode::PixelData);
    assert_eq!(coded(&encapsulated(&two_each, Table::Basic, 0), 1).unwrap(), [1; 20]);
}

/// Indexes a file of which only `start` is there, the rest being zeros, and counts the bytes that were read.
fn index_sparse(start: &[u8], length: u64) -> (Result<FrameIndex, Reason>, u64) {
    let instance = instance_of(start, length);
    let read = Cell::new(0);
    let index = drive(FrameIndexer::begin(&instance, length), |range| {
        read.set(read.get() + range.end - range.start);
        (range.start..range.end).map(|at| start.get(at as usize).copied().unwrap_or(0)).collect()
    });
    (index, read.get())
}

#[test]
fn coded_frames_far_longer_than_their_samples_are_refused_unread() {
    let mut fragment = item(&[]);
    fragment[4..].copy_from_slice(&900_000_000_u32.to_le_bytes());
    for (frames, most_read) in [(1, 2 << 20), (3, 2 << 20)] {
        let set = [head(frames, [4, 4], &[], u32::MAX), item(&[]), fragment.clone()].concat();
        let (index, read) = index_sparse(&file_of(JPEG, uids::CT_IMAGE_STORAGE, &set), 1_000_000_000);
        let reason = index.unwrap_err();
        assert_eq!(reason.code, ReasonCode::TooLarge);
        assert!(reason.detail.contains("coded"), "{reason}");
        assert!(read <= most_read, "{read}");
    }
    let empty_items = [head(1, [4, 4], &[], u32::MAX), item(&[]).repeat(40_000)].concat();
    let file = file_of(JPEG, uids::CT_IMAGE_STORAGE, &empty_items);
    assert_eq!(index_sparse(&file, file.len() as u64).0.unwrap_err().code, ReasonCode::TooLarge);
}

#[test]
fn frames_of_a_deflated_data_set_are_inflated_from_near_by() {
    const ROWS: u16 = 1024;
    let (frames, samples) = (6, usize::from(ROWS) * usize::from(ROWS));
    // Noise of six bits: it deflates to less than a half.
    let noise = |sample: usize| (sample as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58;
    let values: Vec<u16> =
        (0..frames * samples).map(|sample| noise(sample) as u16 + (sample / samples * 100) as u16).collect();
    let mut set = head(frames, [ROWS, ROWS], &[], (values.len() * 2) as u32);
    set.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&set).unwrap();
    let file = file_of(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, uids::CT_IMAGE_STORAGE, &encoder.finish().unwrap());
    let length = file.len() as u64;
    let instance = instance_of(&file, length);
    let slice = |range: Range<u64>| file[range.start as usize..range.end as usize].to_vec();
    let index = drive(FrameIndexer::begin(&instance, length), slice).unwrap();
    for frame in [5, 0, 3] {
        let window = PixelWindow { y0: 1000, y1: 1024, x0: 7, x1: 1000 };
        let range = index.byte_range(&instance, frame, window);
        assert!(range.end - range.start < length * 3 / 4, "{range:?} of {length}");
        let mut hu = Vec::new();
        decode_indexed_hu(&instance, &index, frame, window, &slice(range), -1024.0, &mut hu).unwrap();
        let expected = (1000..1024).flat_map(|y| (7..1000).map(move |x| (y, x)));
        let expected: Vec<f32> =
            expected.map(|(y, x)| f32::from(values[frame * samples + y * usize::from(ROWS) + x])).collect();
        assert!(hu == expected, "frame {frame}");
    }
}
