//! Where each frame of a file lies: told once for a file by ranged reads, used for all its frames.
//!
//! Frames of one item each, or whose Basic or Extended Offset Table is sound, are found without looking at their
//! items. Else the headers of the items are walked along. A deflated data set is inflated once, and the inflater's
//! state kept every few megabytes, so that a frame is inflated from there.
//!
//! A table is taken only where its places rise from the first item on and as many frames come out as there are. Whether
//! an item begins at each place shows when the frame is read ([`FrameIndex::holds`]); one that does not is reason
//! to walk.

mod file;
mod inflated;
mod tables;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::Range;

use bolus_study::{PixelWindow, Reason};

use super::encapsulated::{ITEM_START_BYTES, are_one_frame, begin_alike};
use super::frames::{PixelValue, frame_byte_range, location_of, most_coded, rows_in_value};
use super::reasons::{coded_too_large, pixel_data};
use crate::Instance;
use file::File;
use inflated::{InflatedIndex, Inflating};
use tables::Tables;
use walk::ItemWalk;

/// Where the frames of a file lie.
#[derive(Debug)]
pub struct FrameIndex {
    file_len: u64,
    places: Places,
}

#[derive(Debug)]
enum Places {
    /// As the header tells.
    Direct,
    /// The items of each frame.
    Items {
        ranges: Vec<Range<u64>>,
        by_table: bool,
    },
    Inflated(InflatedIndex),
}

/// What a piece of the file gave.
#[derive(Debug)]
pub enum IndexStep {
    /// All places are known.
    Done(FrameIndex),
    /// Read the bytes that [`FrameIndexer::wanted`] names, and go on.
    More(FrameIndexer),
}

/// Finds the frames of a file, by whatever ranges of the file it asks for.
#[derive(Debug)]
pub struct FrameIndexer {
    file: File,
    phase: Phase,
    wanted: Range<u64>,
}

#[derive(Debug)]
enum Phase {
    /// Reads the first item, which is the Basic Offset Table, and the extended one if `trusting`.
    Tables {
        tables: Tables,
        trusting: bool,
    },
    Walk(ItemWalk),
    Inflate(Box<Inflating>),
}

impl FrameIndexer {
    /// Begins with a file of `file_len` bytes. Native frames, and single frames in what can be their length, need no reads.
    ///
    /// # Errors
    /// `NoPixelData`; `PixelData` for encapsulated frames in a deflated data set; `TooLarge`.
    pub fn begin(instance: &Instance, file_len: u64) -> Result<IndexStep, Reason> {
        Self::start(instance, file_len, true)
    }

    /// As [`FrameIndexer::begin`], without trust in the tables of the file: when [`FrameIndex::holds`] has told that they
    /// lie.
    ///
    /// # Errors
    /// As [`FrameIndexer::begin`].
    pub fn begin_without_tables(instance: &Instance, file_len: u64) -> Result<IndexStep, Reason> {
        Self::start(instance, file_len, false)
    }

    fn start(instance: &Instance, file_len: u64, trusting: bool) -> Result<IndexStep, Reason> {
        let location = location_of(instance)?;
        let direct = Ok(IndexStep::Done(FrameIndex { file_len, places: Places::Direct }));
        let Some(format) = &instance.format else { return direct };
        let file = File { location, frames: format.frames, most_coded: most_coded(format), file_len };
        if location.deflated.is_some() && format.frames > 1 {
            let inflating = Inflating::begin(format, &location, file_len)?;
            let wanted = inflating.wanted();
            return Ok(IndexStep::More(Self { file, phase: Phase::Inflate(Box::new(inflating)), wanted }));
        }
        let left = file_len.saturating_sub(location.offset);
        if !location.encapsulated || (format.frames == 1 && left <= file.most_coded) {
            return direct;
        }
        let tables = Tables::begin(&file);
        let wanted = tables.wanted();
        Ok(IndexStep::More(Self { file, phase: Phase::Tables { tables, trusting }, wanted }))
    }

    /// The bytes of the file to give to [`FrameIndexer::feed`] next: at most a megabyte.
    #[must_use]
    pub fn wanted(&self) -> Range<u64> {
        self.wanted.clone()
    }

    /// Goes on with `bytes`, those of [`FrameIndexer::wanted`].
    ///
    /// # Errors
    /// `Truncated` where the bytes or the items end too early, `PixelData` where the items do not make up the frames,
    /// `TooLarge` where a frame's items are far longer than its samples. Reading it again gives the same.
    pub fn feed(self, bytes: &[u8]) -> Result<IndexStep, Reason> {
        let file = self.file;
        match self.phase {
            Phase::Tables { mut tables, trusting } => match tables.feed(&file, bytes, trusting)? {
                Some(found) => match found.ranges {
                    Some(ranges) => done(&file, ranges, true),
                    None => Ok(walk_on(file, ItemWalk::begin(found.first_item))),
                },
                None => {
                    let wanted = tables.wanted();
                    Ok(IndexStep::More(Self { file, phase: Phase::Tables { tables, trusting }, wanted }))
                }
            },
            Phase::Walk(mut walk) => match walk.feed(&file, self.wanted.start, bytes)? {
                Some(ranges) => done(&file, ranges, false),
                None => Ok(walk_on(file, walk)),
            },
            Phase::Inflate(mut inflating) => {
                if inflating.feed(&file, bytes)? {
                    let places = Places::Inflated(inflating.into_index());
                    return Ok(IndexStep::Done(FrameIndex { file_len: file.file_len, places }));
                }
                let wanted = inflating.wanted();
                Ok(IndexStep::More(Self { file, phase: Phase::Inflate(inflating), wanted }))
            }
        }
    }
}

fn walk_on(file: File, walk: ItemWalk) -> IndexStep {
    let wanted = walk.wanted(&file);
    IndexStep::More(FrameIndexer { file, phase: Phase::Walk(walk), wanted })
}

/// The index of items at `ranges`.
fn done(file: &File, ranges: Vec<Range<u64>>, by_table: bool) -> Result<IndexStep, Reason> {
    let too_long = ranges.iter().position(|range| range.end - range.start > file.most_coded);
    if let Some(frame) = too_long {
        let length = ranges.get(frame).map_or(0, |range| range.end - range.start);
        return Err(coded_too_large(&format!("the length of coded frame {frame}"), length, file.most_coded));
    }
    Ok(IndexStep::Done(FrameIndex { file_len: file.file_len, places: Places::Items { ranges, by_table } }))
}

impl FrameIndex {
    /// The bytes of the file to read for `window` of frame `frame`. Empty where there is no such frame.
    #[must_use]
    pub fn byte_range(&self, instance: &Instance, frame: usize, window: PixelWindow) -> Range<u64> {
        let Some(format) = &instance.format else { return 0..0 };
        match &self.places {
            Places::Direct => frame_byte_range(instance, frame, window, self.file_len),
            Places::Items { ranges, by_table } => {
                let Some(range) = ranges.get(frame) else { return 0..0 };
                // The start of the next frame bears witness for the table.
                let witness = if *by_table && frame + 1 < ranges.len() { ITEM_START_BYTES as u64 } else { 0 };
                range.start..range.end.saturating_add(witness).min(self.file_len)
            }
            Places::Inflated(index) => index.byte_range(rows_in_value(format, frame, window.y0..window.y1)),
        }
    }

    /// Whether `bytes`, those of [`FrameIndex::byte_range`] for `frame`, can be what a table of the file says that they
    /// are. Where they cannot, [`FrameIndexer::begin_without_tables`] finds the frames.
    #[must_use]
    pub fn holds(&self, frame: usize, bytes: &[u8]) -> bool {
        match &self.places {
            Places::Items { by_table: true, .. } => {
                let (items, next) = bytes.split_at_checked(self.items_length(frame)).unwrap_or((bytes, &[]));
                are_one_frame(items) && (next.is_empty() || begin_alike(items, next))
            }
            _ => true,
        }
    }

    /// Bytes of the items of `frame`.
    fn items_length(&self, frame: usize) -> usize {
        let Places::Items { ranges, .. } = &self.places else { return 0 };
        let length = ranges.get(frame).map_or(0, |range| range.end - range.start);
        usize::try_from(length).unwrap_or(usize::MAX)
    }

    /// The value of PixelData as far as `bytes`, those of [`FrameIndex::byte_range`], hold it.
    pub(super) fn open<'a>(
        &self,
        instance: &Instance,
        frame: usize,
        window: PixelWindow,
        bytes: &'a [u8],
    ) -> Result<PixelValue<'a>, Reason> {
        let format = instance.format.as_ref().ok_or_else(|| pixel_data("the instance has no image"))?;
        match &self.places {
            Places::Direct => {
                let start = self.byte_range(instance, frame, window).start;
                PixelValue::open_window(instance, frame, window, bytes, start)
            }
            Places::Items { .. } => PixelValue::of_items(bytes.get(..self.items_length(frame)).unwrap_or(bytes)),
            Places::Inflated(index) => {
                let rows = rows_in_value(format, frame, window.y0..window.y1);
                let inflater = index.nearest(rows.start);
                PixelValue::inflated(inflater, bytes, &location_of(instance)?, rows)
            }
        }
    }
}
