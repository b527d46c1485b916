//! The walk along the items of encapsulated pixel data (PS3.5 section A.4), by their headers.

use std::ops::Range;

use bolus_study::{Reason, ReasonCode};

use super::super::encapsulated::{ITEM, ITEM_HEADER_BYTES, ITEM_START_BYTES, SEQUENCE_DELIMITER, starts_codestream};
use super::super::reasons::{coded_too_large, pixel_data};
use super::file::File;

/// What is read at once: the items of several frames, so that a remote file takes few reads.
const READ_BYTES: u64 = 1 << 20;
/// What is read at once where the items are longer than that.
const HEADER_READ_BYTES: u64 = 4 * 1024;
/// More fragments are refused: so many for all frames, and so many for each.
const MOST_FRAGMENTS: usize = 4096;
const MOST_FRAGMENTS_A_FRAME: usize = 1024;
/// However many frames there are; a fragment takes 24 bytes here.
const MOST_FRAGMENTS_AT_ALL: usize = 1 << 20;

/// One fragment's item.
#[derive(Debug, Clone, Copy)]
struct Fragment {
    start: u64,
    end: u64,
    starts_codestream: bool,
}

/// A walk that goes on whenever there are more bytes.
#[derive(Debug)]
pub(super) struct ItemWalk {
    first_item: u64,
    at: u64,
    /// How far the next bytes must reach.
    least: u64,
    fragments: Vec<Fragment>,
}

impl ItemWalk {
    pub fn begin(first_item: u64) -> Self {
        Self { first_item, at: first_item, least: first_item, fragments: Vec::new() }
    }

    pub fn wanted(&self, file: &File) -> Range<u64> {
        let long = self.fragments.last().is_some_and(|last| last.end - last.start > READ_BYTES);
        let length = if long { HEADER_READ_BYTES } else { READ_BYTES };
        self.at..self.at.saturating_add(length).max(self.least).min(file.file_len)
    }

    /// Goes on with `bytes`, which start at `start`; the items of each frame at the end, `None` where more are wanted.
    ///
    /// *Errors*: as [`super::FrameIndexer::feed`].
    pub fn feed(&mut self, file: &File, start: u64, bytes: &[u8]) -> Result<Option<Vec<Range<u64>>>, Reason> {
        let header_bytes = ITEM_HEADER_BYTES as u64;
        let place = |offset: u64| usize::try_from(offset.saturating_sub(start)).unwrap_or(usize::MAX);
        loop {
            if self.at.saturating_add(header_bytes) > file.file_len {
                return self.frames(file).map(Some);
            }
            let rest = bytes.get(place(self.at)..).unwrap_or_default();
            let Some((header, content)) = rest.split_first_chunk::<ITEM_HEADER_BYTES>() else {
                return self.wait_for(file, start, bytes, self.at + header_bytes);
            };
            let [a, b, c, d, length @ ..] = *header;
            if [a, b, c, d] == SEQUENCE_DELIMITER {
                return self.frames(file).map(Some);
            }
            if [a, b, c, d] != ITEM {
                return Err(pixel_data(format!("expected an item of encapsulated pixel data, found {header:02x?}")));
            }
            let length = u64::from(u32::from_le_bytes(length));
            let end = self.at + header_bytes + length;
            if end > file.file_len {
                let left = file.file_len - self.at - header_bytes;
                let detail = format!("fragment of {length} bytes, {left} bytes are left");
                return Err(Reason::new(ReasonCode::Truncated, detail));
            }
            let witness = length.min((ITEM_START_BYTES - ITEM_HEADER_BYTES) as u64);
            if (content.len() as u64) < witness {
                return self.wait_for(file, start, bytes, self.at + header_bytes + witness);
            }
            let starts_codestream =
                starts_codestream(content.get(..usize::try_from(length).unwrap_or(usize::MAX)).unwrap_or(content));
            self.fragments.push(Fragment { start: self.at, end, starts_codestream });
            self.at = end;
            self.check(file)?;
        }
    }

    /// More bytes are wanted, up to `least`. Where these did not even reach as far as was asked, the file has changed.
    fn wait_for(
        &mut self,
        file: &File,
        start: u64,
        bytes: &[u8],
        least: u64,
    ) -> Result<Option<Vec<Range<u64>>>, Reason> {
        let reached = start.saturating_add(bytes.len() as u64);
        if least > file.file_len || (start == self.at && reached < self.least) {
            return Err(Reason::new(ReasonCode::Truncated, "the file ends inside its items of pixel data"));
        }
        self.least = least;
        Ok(None)
    }

    fn check(&self, file: &File) -> Result<(), Reason> {
        let most = file.frames.saturating_mul(MOST_FRAGMENTS_A_FRAME).saturating_add(MOST_FRAGMENTS);
        let most = most.min(MOST_FRAGMENTS_AT_ALL);
        if self.fragments.len() > most {
            return Err(coded_too_large("fragments", self.fragments.len() as u64, most as u64));
        }
        let (length, limit) = (self.at - self.first_item, file.most_coded.saturating_mul(file.frames as u64));
        if length > limit { Err(coded_too_large("coded pixel data", length, limit)) } else { Ok(()) }
    }

    /// Shares the fragments out among the frames: all to the only one, one to each, or by where codestreams begin.
    fn frames(&self, file: &File) -> Result<Vec<Range<u64>>, Reason> {
        let fragments = &self.fragments;
        let range = |part: &[Fragment]| Some(part.first()?.start..part.last()?.end);
        let firsts: Vec<usize> = if file.frames == 1 {
            vec![0]
        } else if fragments.len() == file.frames {
            (0..file.frames).collect()
        } else {
            (0..fragments.len()).filter(|index| fragments.get(*index).is_some_and(|f| f.starts_codestream)).collect()
        };
        let ends = firsts.iter().skip(1).copied().chain([fragments.len()]);
        let ranges = firsts.iter().zip(ends).map(|(first, end)| range(fragments.get(*first..end)?));
        let ranges: Option<Vec<Range<u64>>> = ranges.collect();
        let whole = firsts.first() == Some(&0);
        ranges
            .filter(|ranges| ranges.len() == file.frames && whole)
            .ok_or_else(|| pixel_data(format!("{} fragments do not make up {} frames", fragments.len(), file.frames)))
    }
}
