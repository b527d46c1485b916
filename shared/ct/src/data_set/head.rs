//! Headers of elements, items and delimiters (PS3.5 section 7.1), also those whose value representation is none of the
//! standard's.

use bolus_study::Reason;
use dicom_core::Tag;

use super::encoding::{Encoding, is_known_vr, is_long_vr, is_short_vr};

/// Start of an item or fragment, and the two delimiters (PS3.5 section 7.5).
pub(crate) const ITEM: Tag = Tag(0xFFFE, 0xE000);
pub(crate) const ITEM_DELIMITER: Tag = Tag(0xFFFE, 0xE00D);
pub(crate) const SEQUENCE_DELIMITER: Tag = Tag(0xFFFE, 0xE0DD);
/// Length of an element or item whose end is marked by a delimiter.
pub(crate) const UNDEFINED: u32 = u32::MAX;
/// How far behind an element of unknown VR the next one may start to bear witness for how its length is to be read.
const MOST_LOOK_AHEAD: u64 = 1 << 20;

/// Why a walk stopped before the pixel data or the end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stop {
    /// The bytes at hand must reach at least this offset.
    More(u64),
    /// The file ends inside the data set.
    Truncated,
    /// The bytes break the encoding.
    Bad(&'static str),
    /// The file is refused whatever follows.
    Refused(Reason),
}

/// Header of an element, an item or a delimiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub tag: Tag,
    /// As stated; zeros in implicit encoding.
    pub vr: [u8; 2],
    pub length: u32,
    /// Bytes of the header itself.
    pub size: u64,
}

/// A part of the data set: `bytes` start at offset `start`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    pub bytes: &'a [u8],
    pub start: u64,
}

impl<'a> Window<'a> {
    /// The `length` bytes at `at`.
    ///
    /// *Errors*: [`Stop::More`] where the window ends before.
    pub fn peek(&self, at: u64, length: u64) -> Result<&'a [u8], Stop> {
        let end = at.checked_add(length).ok_or(Stop::Truncated)?;
        let place = |offset: u64| offset.checked_sub(self.start).and_then(|place| usize::try_from(place).ok());
        let range = place(at).zip(place(end));
        range.and_then(|(from, to)| self.bytes.get(from..to)).ok_or(Stop::More(end))
    }

    fn array<const N: usize>(&self, at: u64) -> Result<[u8; N], Stop> {
        let bytes = self.peek(at, N as u64)?;
        bytes.first_chunk().copied().ok_or(Stop::Truncated)
    }
}

/// Reads the header at `at`, where at least 8 bytes lie before `limit`, the end of what holds it.
pub(crate) fn head_at(window: Window<'_>, at: u64, encoding: Encoding, limit: u64) -> Result<Head, Stop> {
    let [a, b, c, d, v0, v1, l0, l1] = window.array::<8>(at)?;
    let tag = Tag(u16_of(encoding, [a, b]), u16_of(encoding, [c, d]));
    let vr = [v0, v1];
    let implicit = Head { tag, vr: [0, 0], length: u32_of(encoding, [v0, v1, l0, l1]), size: 8 };
    if !encoding.explicit || tag.group() == 0xFFFE {
        return Ok(implicit);
    }
    let short = Head { tag, vr, length: u32::from(u16_of(encoding, [l0, l1])), size: 8 };
    if is_short_vr(vr) {
        return Ok(short);
    }
    let long = || -> Result<Head, Stop> {
        let [a, b, c, d] = window.array::<4>(at + 8)?;
        Ok(Head { tag, vr, length: u32_of(encoding, [a, b, c, d]), size: 12 })
    };
    if is_long_vr(vr) {
        return if at + 12 > limit { Err(Stop::Truncated) } else { long() };
    }
    let long = if at + 12 > limit { None } else { Some(long()?) };
    let reserved = long.filter(|_| (l0, l1) == (0, 0));
    let readings = if vr.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        [reserved, Some(short), Some(implicit), long]
    } else {
        [Some(implicit), reserved, Some(short), None]
    };
    settle(window, at, encoding, limit, readings)
}

/// Which of `readings` of one header is right: a VR that the standard does not have leaves open where the length
/// stands. The right one is followed by the end of what holds the element, or by an element that can be next.
fn settle(
    window: Window<'_>,
    at: u64,
    encoding: Encoding,
    limit: u64,
    readings: [Option<Head>; 4],
) -> Result<Head, Stop> {
    let mut weak = None;
    for head in readings.into_iter().flatten() {
        let next = at + head.size + if head.length == UNDEFINED { 0 } else { u64::from(head.length) };
        if next > limit || next - at > MOST_LOOK_AHEAD {
            continue;
        }
        match follows(window, head, next, encoding, limit)? {
            Witness::Strong => return Ok(head),
            Witness::Weak => weak = weak.or(Some(head)),
            Witness::None => {}
        }
    }
    weak.ok_or(Stop::Bad("an element's value representation is none of the standard's and its length fits nowhere"))
}

enum Witness {
    Strong,
    Weak,
    None,
}

/// What the bytes at `next`, where the value of `head` would end, say about it.
fn follows(window: Window<'_>, head: Head, next: u64, encoding: Encoding, limit: u64) -> Result<Witness, Stop> {
    if head.length == UNDEFINED {
        if next + 8 > limit {
            return Ok(Witness::None);
        }
        let tag = implicit_tag(window.array::<4>(next)?, encoding);
        return Ok(if matches!(tag, ITEM | SEQUENCE_DELIMITER) { Witness::Strong } else { Witness::None });
    }
    if next == limit {
        return Ok(Witness::Strong);
    }
    if next + 8 > limit {
        return Ok(Witness::None);
    }
    let [a, b, c, d, v0, v1, l0, l1] = window.array::<8>(next)?;
    let tag = implicit_tag([a, b, c, d], encoding);
    if tag.group() == 0xFFFE {
        return Ok(if matches!(tag, ITEM_DELIMITER | SEQUENCE_DELIMITER) { Witness::Strong } else { Witness::None });
    }
    if tag <= head.tag {
        return Ok(Witness::None);
    }
    if is_known_vr([v0, v1]) || (head.vr == [v0, v1] && head.vr != [0, 0]) {
        return Ok(Witness::Strong);
    }
    let fits = u64::from(u32_of(encoding, [v0, v1, l0, l1])) <= limit - next - 8;
    Ok(if fits { Witness::Weak } else { Witness::None })
}

fn implicit_tag([a, b, c, d]: [u8; 4], encoding: Encoding) -> Tag {
    Tag(u16_of(encoding, [a, b]), u16_of(encoding, [c, d]))
}

fn u16_of(encoding: Encoding, bytes: [u8; 2]) -> u16 {
    if encoding.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
}

fn u32_of(encoding: Encoding, bytes: [u8; 4]) -> u32 {
    if encoding.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}
