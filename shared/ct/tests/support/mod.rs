//! Coded pictures as DICOM files, and what the tests ask of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod jpeg;
pub mod jpeg2000;

use std::path::{Path, PathBuf};

use bolus_ct::pixel::{decode_window_hu, frame_byte_range, stored_values};
use bolus_ct::{Grouping, HeaderRead, Instance, Member, SeenPixels, Series, read_header};
use bolus_study::{PixelWindow, Reason};
use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::mem::InMemDicomObject;
use dicom_object::meta::FileMetaTableBuilder;

/// The stacks of `members` by their headers alone: no pixel is seen.
pub fn group(members: Vec<Member>) -> Vec<Series> {
    Grouping::of(members).series(&SeenPixels::new())
}

/// What a picture is like.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub rows: usize,
    pub columns: usize,
    pub bits: u32,
    pub signed: bool,
    pub samples: usize,
}

impl Shape {
    pub fn gray(rows: usize, columns: usize, bits: u32, signed: bool) -> Self {
        Self { rows, columns, bits, signed, samples: 1 }
    }

    /// The picture of `tests/vectors/make.py`, row-major; further samples of a pixel are turned versions of it.
    pub fn picture(self) -> Vec<i32> {
        let low = if self.signed { 1i64 << (self.bits - 1) } else { 0 };
        let value = |y: i64, x: i64| {
            let base = x * 5 + y * 3 + ((x * 7 + y * 13) * (x + 3 * y)) % 29;
            (base * if self.bits > 12 { 61 } else { 1 } % (1 << self.bits) - low) as i32
        };
        let place = |y: usize, x: usize, sample: usize| {
            if sample == 1 { value(x as i64, y as i64) } else { value(y as i64, (x + sample) as i64) }
        };
        (0..self.rows)
            .flat_map(|y| (0..self.columns).flat_map(move |x| (0..self.samples).map(move |sample| place(y, x, sample))))
            .collect()
    }

    pub fn bits_allocated(self) -> u16 {
        if self.bits <= 8 { 8 } else { 16 }
    }

    /// Values as cells of Bits Allocated, least significant byte first.
    pub fn cells(self, values: &[i32]) -> Vec<u8> {
        match self.bits_allocated() {
            8 => values.iter().map(|value| *value as u8).collect(),
            _ => values.iter().flat_map(|value| (*value as u16).to_le_bytes()).collect(),
        }
    }

    fn object(self) -> InMemDicomObject {
        let text = |tag: Tag, vr: VR, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
        let number = |tag: Tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
        InMemDicomObject::from_element_iter([
            text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
            text(tags::SOP_INSTANCE_UID, VR::UI, "2.25.1"),
            text(tags::MODALITY, VR::CS, "CT"),
            number(tags::SAMPLES_PER_PIXEL, self.samples as u16),
            text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, if self.samples == 1 { "MONOCHROME2" } else { "RGB" }),
            number(tags::ROWS, self.rows as u16),
            number(tags::COLUMNS, self.columns as u16),
            number(tags::BITS_ALLOCATED, self.bits_allocated()),
            number(tags::BITS_STORED, self.bits as u16),
            number(tags::HIGH_BIT, self.bits as u16 - 1),
            number(tags::PIXEL_REPRESENTATION, self.signed.into()),
            text(tags::RESCALE_INTERCEPT, VR::DS, "0"),
            text(tags::RESCALE_SLOPE, VR::DS, "1"),
        ])
    }

    /// A file with encapsulated pixel data.
    pub fn encapsulated(self, transfer_syntax: &str, fragments: Vec<Vec<u8>>) -> Vec<u8> {
        let sequence = PixelFragmentSequence::new(Vec::new(), fragments);
        self.file(transfer_syntax, DataElement::new(tags::PIXEL_DATA, VR::OB, sequence))
    }

    /// A file with native pixel data, in the transfer syntax's order of bytes.
    pub fn native(self, transfer_syntax: &str, values: &[i32]) -> Vec<u8> {
        let cells = match self.bits_allocated() {
            8 => PrimitiveValue::U8(self.cells(values).into()),
            _ => PrimitiveValue::U16(values.iter().map(|value| *value as u16).collect()),
        };
        self.file(transfer_syntax, DataElement::new(tags::PIXEL_DATA, VR::OW, cells))
    }

    fn file(self, transfer_syntax: &str, pixels: DataElement<InMemDicomObject>) -> Vec<u8> {
        let mut object = self.object();
        object.put(pixels);
        let meta = FileMetaTableBuilder::new().transfer_syntax(transfer_syntax);
        let mut bytes = Vec::new();
        object.with_meta(meta).unwrap().write_all(&mut bytes).unwrap();
        bytes
    }
}

/// Splits coded bytes into up to `count` fragments of even length.
pub fn fragments(coded: &[u8], count: usize) -> Vec<Vec<u8>> {
    let length = coded.len().div_ceil(count).next_multiple_of(2).max(2);
    coded.chunks(length).map(<[u8]>::to_vec).collect()
}

pub fn header(file: &[u8]) -> Result<Instance, Reason> {
    match read_header(file, file.len() as u64)? {
        HeaderRead::Instance(instance) => Ok(*instance),
        HeaderRead::NeedMore { .. } => panic!("asked for more than the whole file"),
    }
}

/// Stored values of a whole file.
pub fn whole(file: &[u8]) -> Result<Vec<i32>, Reason> {
    let pixels = stored_values(file, &header(file)?)?;
    Ok(match pixels.dtype {
        "uint8" => pixels.bytes.iter().map(|value| i32::from(*value)).collect(),
        "int8" => pixels.bytes.iter().map(|value| i32::from(*value as i8)).collect(),
        "uint16" => pixels.bytes.as_chunks().0.iter().map(|cell| i32::from(u16::from_le_bytes(*cell))).collect(),
        "int16" => pixels.bytes.as_chunks().0.iter().map(|cell| i32::from(i16::from_le_bytes(*cell))).collect(),
        other => panic!("unexpected {other}"),
    })
}

/// Values of a window of frame 0, as labelling reads them: slope 1 and intercept 0 leave stored values.
pub fn window(file: &[u8], window: PixelWindow) -> Result<Vec<i32>, Reason> {
    let instance = header(file)?;
    let range = frame_byte_range(&instance, 0, window, file.len() as u64);
    let bytes = &file[range.start as usize..range.end as usize];
    let mut out = Vec::new();
    decode_window_hu(&instance, 0, window, bytes, range.start, f32::NAN, &mut out)?;
    Ok(out.into_iter().map(|value| value as i32).collect())
}

/// Four numbers of 0 to 1 to a window of `shape`, one pixel at least.
pub fn window_of(shape: Shape, [top, height, left, width]: [f64; 4]) -> PixelWindow {
    let cut = |length: usize, start: f64, part: f64| {
        let start = ((length as f64 * start) as usize).min(length - 1);
        start..start + 1 + ((length - start - 1) as f64 * part) as usize
    };
    let (rows, columns) = (cut(shape.rows, top, height), cut(shape.columns, left, width));
    PixelWindow { y0: rows.start, y1: rows.end, x0: columns.start, x1: columns.end }
}

/// Asserts that the whole frame is `expected`, where that is known, and that each window is its crop.
pub fn check(file: &[u8], shape: Shape, expected: Option<&[i32]>, windows: &[PixelWindow], what: &str) {
    let values = whole(file).unwrap_or_else(|reason| panic!("{what}: {reason:?}"));
    if let Some(expected) = expected {
        let wrong = values.iter().zip(expected).filter(|(found, expected)| found != expected).count();
        assert!(
            values.len() == expected.len() && wrong == 0,
            "{what}: {wrong} of {} samples are wrong",
            expected.len()
        );
    }
    if shape.samples != 1 {
        return;
    }
    for &part in windows.iter().chain([&PixelWindow::whole(shape.rows, shape.columns)]) {
        let crop: Vec<i32> = (part.y0..part.y1)
            .flat_map(|y| values[y * shape.columns + part.x0..y * shape.columns + part.x1].iter().copied())
            .collect();
        let found = window(file, part).unwrap_or_else(|reason| panic!("{what} {part:?}: {reason:?}"));
        let wrong = found.iter().zip(&crop).filter(|(found, crop)| found != crop).count();
        assert!(found.len() == crop.len() && wrong == 0, "{what}: {wrong} of {} in {part:?} are wrong", crop.len());
    }
}

/// All files of the repository's collection, and below `folders` of the larger one where that is, sorted.
pub fn files(folders: &[&str]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = folders.iter().filter_map(|folder| bolus_testkit::shared(folder)).collect();
    folders.push(bolus_testkit::real_data());
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// A coded picture of `vectors`, by the end of its name.
pub fn vector(end: &str) -> (Shape, Vec<u8>) {
    let mut found = vectors().into_iter().filter(|(name, ..)| name.ends_with(end));
    let (_, shape, coded) = found.next().unwrap_or_else(|| panic!("no vector {end}"));
    (shape, coded)
}

/// The coded pictures of `vectors`: file name, shape and bytes.
pub fn vectors() -> Vec<(String, Shape, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut vectors = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".py") {
            continue;
        }
        let (size, rest) = name.split_once('-').unwrap();
        let (rows, columns) = size.split_once('x').unwrap();
        let bits = rest.split(['-', '.']).next().unwrap();
        let shape = Shape::gray(
            rows.parse().unwrap(),
            columns.parse().unwrap(),
            bits.trim_end_matches('s').parse().unwrap(),
            bits.ends_with('s'),
        );
        vectors.push((name, shape, std::fs::read(&path).unwrap()));
    }
    vectors.sort_by(|one, other| one.0.cmp(&other.0));
    vectors
}
