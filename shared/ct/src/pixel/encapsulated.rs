//! Encapsulated pixel data (PS3.5 section A.4): items to frames.

use std::borrow::Cow;

use bolus_study::{Reason, ReasonCode};

use super::reasons::pixel_data;

pub(super) const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];
pub(super) const SEQUENCE_DELIMITER: [u8; 4] = [0xFE, 0xFF, 0xDD, 0xE0];
pub(super) const ITEM_HEADER_BYTES: usize = 8;

/// The start of a JPEG or JPEG-LS codestream, a JPEG 2000 codestream and a JP2 file.
const CODESTREAM_STARTS: [&[u8]; 3] = [&[0xFF, 0xD8, 0xFF], &[0xFF, 0x4F, 0xFF, 0x51], &[0, 0, 0, 12, b'j', b'P']];

/// The items of an encapsulated value.
#[derive(Debug)]
pub(super) struct Fragments<'a> {
    /// The Basic Offset Table: where each frame's first item starts, counted from the first item; may be empty.
    offsets: Vec<usize>,
    /// Start of each fragment's item, counted as the table counts, and its bytes.
    fragments: Vec<(usize, &'a [u8])>,
}

impl<'a> Fragments<'a> {
    /// Reads the items from the start of the value.
    ///
    /// *Errors*: `Truncated` where an item runs past the end, `PixelData` where something else than an item lies
    /// there.
    pub(super) fn read(value: &'a [u8]) -> Result<Self, Reason> {
        let (table, mut rest) = next_item(value)?.ok_or_else(|| pixel_data("encapsulated value has no items"))?;
        let offsets = table
            .chunks_exact(4)
            .map(|bytes| bytes.iter().rev().fold(0, |offset, byte| offset << 8 | usize::from(*byte)))
            .collect();
        let first_item = value.len() - rest.len();
        let mut fragments = Vec::new();
        loop {
            let start = value.len() - rest.len() - first_item;
            let Some((fragment, after)) = next_item(rest)? else { break };
            fragments.push((start, fragment));
            rest = after;
        }
        Ok(Self { offsets, fragments })
    }

    /// The bytes of frame `frame` of `frames`, fragments joined.
    ///
    /// *Errors*: `PixelData` where the fragments cannot be shared out among the frames.
    pub(super) fn frame(&self, frame: usize, frames: usize) -> Result<Cow<'a, [u8]>, Reason> {
        let (first, end) = self
            .share(frame, frames)
            .ok_or_else(|| pixel_data(format!("{} fragments do not make up {frames} frames", self.fragments.len())))?;
        match self.fragments.get(first..end) {
            None | Some([]) => Err(pixel_data(format!("frame {frame} has no fragments"))),
            Some([(_, only)]) => Ok(Cow::Borrowed(only)),
            Some(several) => Ok(Cow::Owned(several.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect())),
        }
    }

    /// First and one past the last fragment of a frame: by counting, else by the table, else by the codestreams'
    /// first bytes.
    fn share(&self, frame: usize, frames: usize) -> Option<(usize, usize)> {
        if frames == 1 {
            return Some((0, self.fragments.len()));
        }
        if self.fragments.len() == frames {
            return Some((frame, frame + 1));
        }
        let by_table = || -> Option<Vec<usize>> {
            let position = |offset| self.fragments.binary_search_by_key(offset, |(start, _)| *start).ok();
            self.offsets.iter().map(position).collect()
        };
        let by_bytes = || -> Vec<usize> {
            (0..self.fragments.len()).filter(|&index| starts_codestream(self.fragments[index].1)).collect()
        };
        let firsts = by_table().filter(|firsts| firsts.len() == frames).unwrap_or_else(by_bytes);
        let first = *firsts.get(frame)?;
        (firsts.len() == frames).then(|| (first, firsts.get(frame + 1).copied().unwrap_or(self.fragments.len())))
    }
}

/// An item's header and as much of its fragment as tells whether a codestream begins.
pub(super) const ITEM_START_BYTES: usize = ITEM_HEADER_BYTES + 6;

/// Whether `bytes`, the start of a fragment, begin a codestream.
pub(super) fn starts_codestream(bytes: &[u8]) -> bool {
    CODESTREAM_STARTS.iter().any(|start| bytes.starts_with(start))
}

/// The fragments of the one frame whose items are `items`, joined. What follows a sequence delimiter is nothing of it.
///
/// *Errors*: `Truncated` where an item runs past the end; `PixelData` where something else than items lies there, or
/// where there are none.
pub(super) fn joined(items: &[u8]) -> Result<Cow<'_, [u8]>, Reason> {
    let (first, mut rest) = next_item(items)?.ok_or_else(|| pixel_data("a frame has no fragments"))?;
    let mut frame = Cow::Borrowed(first);
    while let Some((fragment, after)) = next_item(rest)? {
        frame.to_mut().extend_from_slice(fragment);
        rest = after;
    }
    Ok(frame)
}

/// Whether `items` are whole items from the first byte to the last, or to a sequence delimiter, and none but the first
/// begins a codestream: a frame has one.
pub(super) fn are_one_frame(items: &[u8]) -> bool {
    let Ok(Some((_, mut rest))) = next_item(items) else { return false };
    loop {
        if rest.is_empty() || rest.starts_with(&SEQUENCE_DELIMITER) {
            return true;
        }
        match next_item(rest) {
            Ok(Some((fragment, after))) if !starts_codestream(fragment) => rest = after,
            _ => return false,
        }
    }
}

/// Whether the first fragments of two frames, given as their items, both begin a codestream or both do not.
pub(super) fn begin_alike(items: &[u8], next: &[u8]) -> bool {
    let content = |items: &'_ [u8]| items.get(ITEM_HEADER_BYTES..).is_some_and(starts_codestream);
    next.starts_with(&ITEM) && content(items) == content(next)
}

/// An item's value, and the bytes after it.
type Item<'a> = (&'a [u8], &'a [u8]);

/// Splits the first item's value off; `None` at the sequence delimiter or where the bytes end between items.
fn next_item(bytes: &[u8]) -> Result<Option<Item<'_>>, Reason> {
    let Some((header, rest)) = bytes.split_at_checked(ITEM_HEADER_BYTES) else { return Ok(None) };
    let (tag, length) = header.split_at(4);
    if tag == SEQUENCE_DELIMITER {
        return Ok(None);
    }
    if tag != ITEM {
        return Err(pixel_data(format!("expected an item of encapsulated pixel data, found tag bytes {tag:02x?}")));
    }
    let length = length.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let found = rest.len();
    rest.split_at_checked(length).map(Some).ok_or_else(|| {
        Reason::new(ReasonCode::Truncated, format!("fragment of {length} bytes, {found} bytes are left"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(table: &[u32], fragments: &[&[u8]]) -> Vec<u8> {
        let item = |bytes: &[u8]| [&ITEM, &u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], bytes].concat();
        let table: Vec<u8> = table.iter().flat_map(|offset| offset.to_le_bytes()).collect();
        let items = fragments.iter().flat_map(|bytes| item(bytes));
        item(&table).into_iter().chain(items).chain(SEQUENCE_DELIMITER).chain([0; 4]).collect()
    }

    fn frame_of(value: &[u8], frame: usize, frames: usize) -> Result<Vec<u8>, Reason> {
        Fragments::read(value)?.frame(frame, frames).map(Cow::into_owned)
    }

    #[test]
    fn frames_by_count_table_and_codestream() {
        assert_eq!(frame_of(&value(&[], &[b"ab", b"cd"]), 0, 1).unwrap(), b"abcd");
        assert_eq!(frame_of(&value(&[], &[b"ab", b"cd"]), 1, 2).unwrap(), b"cd");
        let by_table = value(&[0, 20], &[b"ab", b"cd", b"ef"]);
        assert_eq!(frame_of(&by_table, 0, 2).unwrap(), b"abcd");
        assert_eq!(frame_of(&by_table, 1, 2).unwrap(), b"ef");
        let by_bytes = value(&[], &[&[0xFF, 0xD8, 0xFF, 1], b"xy", &[0xFF, 0xD8, 0xFF, 2]]);
        assert_eq!(frame_of(&by_bytes, 0, 2).unwrap(), [0xFF, 0xD8, 0xFF, 1, b'x', b'y']);
    }

    #[test]
    fn damaged_values_have_reasons() {
        assert!(frame_of(&value(&[], &[b"ab", b"cd", b"ef"]), 1, 2).is_err());
        assert_eq!(frame_of(&value(&[], &[b"abcdefgh"])[..20], 0, 1).unwrap_err().code, ReasonCode::Truncated);
        assert_eq!(frame_of(b"garbage garbage!", 0, 1).unwrap_err().code, ReasonCode::PixelData);
        assert_eq!(frame_of(b"", 0, 1).unwrap_err().code, ReasonCode::PixelData);
        assert_eq!(frame_of(&value(&[], &[]), 0, 1).unwrap_err().code, ReasonCode::PixelData);
    }
}
