//! Places in a deflate stream from which frames can be inflated.

use std::ops::Range;

use bolus_study::Reason;

use super::super::frames::{most_deflated, rows_in_value};
use super::super::limits::MAX_DECODED_BYTES;
use super::super::reasons::{coded_too_large, pixel_data};
use super::file::File;
use crate::deflated::Inflater;
use crate::{PixelFormat, PixelLocation};

/// The inflater's state is kept after each of so many inflated bytes, or more where the frames are long: a frame of a
/// file of 500 MB then costs some 3 ms more than by itself.
const STEP_BYTES: u64 = 64 * 1024;
/// It is kept this often at most, at 43 KB each.
const MOST_KEPT: u64 = 512;
/// What is read of the stream at once.
const READ_BYTES: u64 = 1 << 20;

/// A stream that is inflated for the first time.
#[derive(Debug)]
pub(super) struct Inflating {
    inflater: Inflater,
    index: InflatedIndex,
    step: u64,
    /// Where the last frame ends.
    end: u64,
    wanted: Range<u64>,
    /// Where the stream must have come to the last frame.
    most: u64,
}

/// Places in a stream.
#[derive(Debug)]
pub(super) struct InflatedIndex {
    /// Where the stream starts in the file.
    stream: u64,
    /// Where PixelData starts in the inflated data set.
    offset: u64,
    kept: Vec<Inflater>,
    /// Where the stream was left.
    left_at: u64,
}

impl Inflating {
    /// *Errors*: `TooLarge` where the frames take more than [`MAX_DECODED_BYTES`].
    pub fn begin(format: &PixelFormat, location: &PixelLocation, file_len: u64) -> Result<Self, Reason> {
        let value = native_bytes(format);
        if value > MAX_DECODED_BYTES as u64 {
            return Err(coded_too_large("inflated pixel data", value, MAX_DECODED_BYTES as u64));
        }
        let stream = location.deflated.unwrap_or_default().min(file_len);
        let end = location.offset.saturating_add(value);
        let index = InflatedIndex { stream, offset: location.offset, kept: vec![Inflater::new()], left_at: stream };
        Ok(Self {
            inflater: Inflater::new(),
            index,
            step: STEP_BYTES.max(end / MOST_KEPT),
            end,
            wanted: stream..stream.saturating_add(READ_BYTES).min(file_len),
            most: stream.saturating_add(most_deflated(end)).min(file_len),
        })
    }

    pub fn wanted(&self) -> Range<u64> {
        self.wanted.clone()
    }

    /// Goes on; true at the end.
    pub fn feed(&mut self, file: &File, bytes: &[u8]) -> Result<bool, Reason> {
        let reached = self.wanted.start.saturating_add(bytes.len() as u64);
        let is_last = reached >= self.most || reached >= file.file_len || bytes.is_empty();
        loop {
            if self.inflater.end() >= self.end || self.inflater.has_ended() {
                self.index.left_at = self.index.stream + self.inflater.consumed();
                return Ok(true);
            }
            let at = self.index.stream + self.inflater.consumed();
            let rest = usize::try_from(at.saturating_sub(self.wanted.start)).ok().and_then(|from| bytes.get(from..));
            let rest = rest.unwrap_or_default();
            if rest.is_empty() && !is_last {
                self.wanted = at..at.saturating_add(READ_BYTES).min(file.file_len);
                return Ok(false);
            }
            let step = self.inflater.step(rest, is_last);
            step.map_err(|_| pixel_data("the deflated data set does not inflate"))?;
            self.inflater.drop_before(self.inflater.end());
            if self.inflater.end() >= self.index.kept.last().map_or(0, Inflater::end) + self.step {
                self.index.kept.push(self.inflater.clone());
            }
        }
    }

    pub fn into_index(self) -> InflatedIndex {
        self.index
    }
}

impl InflatedIndex {
    /// The last kept place before byte `row_start` of the value.
    pub fn nearest(&self, row_start: usize) -> Inflater {
        let start = self.offset.saturating_add(row_start as u64);
        let place = self.kept.partition_point(|kept| kept.end() <= start);
        self.kept.get(place.saturating_sub(1)).cloned().unwrap_or_else(Inflater::new)
    }

    /// The part of the file from which `rows` of the value are inflated.
    pub fn byte_range(&self, rows: Range<usize>) -> Range<u64> {
        let end = self.offset.saturating_add(rows.end as u64);
        let next = self.kept.iter().find(|kept| kept.end() >= end);
        let to = next.map_or(self.left_at, |kept| self.stream + kept.consumed());
        let from = self.stream + self.nearest(rows.start).consumed();
        from..to.max(from)
    }
}

/// Bytes of all frames once decoded to native rows.
fn native_bytes(format: &PixelFormat) -> u64 {
    rows_in_value(format, 0, 0..format.frames.saturating_mul(format.rows)).end as u64
}
