//! The tables that say where frames lie: Basic Offset Table (PS3.5 section A.4) and Extended Offset Table (PS3.3 section
//! C.7.6.3.1.8).

use std::ops::Range;

use bolus_study::{Reason, ReasonCode};

use super::super::encapsulated::{ITEM, ITEM_HEADER_BYTES};
use super::super::reasons::pixel_data;
use super::file::File;

/// What the tables gave.
#[derive(Debug)]
pub(super) struct Found {
    /// Where the first fragment's item starts.
    pub first_item: u64,
    /// The items of each frame, where a table can be believed.
    pub ranges: Option<Vec<Range<u64>>>,
}

/// Reads the tables of a file, one after the other.
#[derive(Debug)]
pub(super) struct Tables {
    wanted: Range<u64>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Basic,
    Extended { first_item: u64 },
}

impl Tables {
    pub fn begin(file: &File) -> Self {
        let start = file.location.offset.min(file.file_len);
        let length = (file.frames as u64).saturating_mul(4).saturating_add(ITEM_HEADER_BYTES as u64);
        Self { wanted: start..start.saturating_add(length).min(file.file_len), step: Step::Basic }
    }

    pub fn wanted(&self) -> Range<u64> {
        self.wanted.clone()
    }

    /// Goes on with the bytes that are wanted; `None` where more are.
    pub fn feed(&mut self, file: &File, bytes: &[u8], trusting: bool) -> Result<Option<Found>, Reason> {
        match &mut self.step {
            Step::Basic => self.basic(file, bytes, trusting),
            &mut Step::Extended { first_item } => {
                Ok(Some(Found { first_item, ranges: ranges_of(file, first_item, &numbers::<8>(bytes)) }))
            }
        }
    }

    fn basic(&mut self, file: &File, bytes: &[u8], trusting: bool) -> Result<Option<Found>, Reason> {
        let ended = || Reason::new(ReasonCode::Truncated, "the file ends in its first item of pixel data");
        let header: [u8; ITEM_HEADER_BYTES] = bytes.first_chunk().copied().ok_or_else(ended)?;
        let [a, b, c, d, length @ ..] = header;
        if [a, b, c, d] != ITEM {
            return Err(pixel_data(format!("expected an item of encapsulated pixel data, found {header:02x?}")));
        }
        let length = u64::from(u32::from_le_bytes(length));
        let first_item = self.wanted.start + ITEM_HEADER_BYTES as u64 + length;
        if first_item > file.file_len {
            return Err(ended());
        }
        let frames = file.frames as u64;
        let no_table = Ok(Some(Found { first_item, ranges: None }));
        if !trusting || file.frames == 1 {
            return no_table;
        }
        if length == frames.saturating_mul(4) {
            let table = bytes.get(ITEM_HEADER_BYTES..).unwrap_or_default();
            return Ok(Some(Found { first_item, ranges: ranges_of(file, first_item, &numbers::<4>(table)) }));
        }
        match file.location.extended_offsets {
            Some(table) if table.bytes == frames.saturating_mul(8) => {
                self.step = Step::Extended { first_item };
                self.wanted = table.offset..table.offset.saturating_add(table.bytes).min(file.file_len);
                Ok(None)
            }
            _ => no_table,
        }
    }
}

/// The numbers of `N` bytes, least significant first.
fn numbers<const N: usize>(bytes: &[u8]) -> Vec<u64> {
    let number = |cell: &[u8; N]| cell.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    bytes.as_chunks::<N>().0.iter().map(number).collect()
}

/// The frames by a table that tells where each begins: the last ends where its items do. Extended Offset Table Lengths
/// are not asked: a frame's items tell its length.
fn ranges_of(file: &File, first_item: u64, offsets: &[u64]) -> Option<Vec<Range<u64>>> {
    let starts = starts_of(file, first_item, offsets)?;
    let last = starts.last()?.saturating_add(file.most_coded).min(file.file_len);
    let ends = starts.iter().skip(1).copied().chain([last]);
    Some(starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect())
}

/// The places of the frames in the file: they rise from the first item, and an item's header fits behind the last.
fn starts_of(file: &File, first_item: u64, offsets: &[u64]) -> Option<Vec<u64>> {
    let rising =
        offsets.windows(2).all(|pair| matches!(pair, [low, high] if high - low.min(high) >= ITEM_HEADER_BYTES as u64));
    let most = file.file_len.saturating_sub(first_item).checked_sub(ITEM_HEADER_BYTES as u64)?;
    let sound = offsets.len() == file.frames && offsets.first() == Some(&0) && offsets.last() <= Some(&most) && rising;
    sound.then(|| offsets.iter().map(|offset| first_item + offset).collect())
}
