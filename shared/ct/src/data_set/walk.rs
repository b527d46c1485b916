//! Walks through a data set (PS3.5 section 7) piece by piece and keeps what is wanted of it.
//!
//! Gain: it tells "these bytes end here, go on at byte n" from "this is broken", passes over what nobody asked for
//! without reading it, and holds nothing but the kept values: never a length that the file states, never a call a level
//! of nesting. Price: our own walk through three encodings. The parsers of dicom-rs read streams to their end, so a
//! short piece and a broken file look the same there; they build every element, and call themselves for every level.

use bolus_study::{Reason, ReasonCode};
use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::elements::{DataSet, Element, Value};
use super::encoding::{Encoding, is_known_vr};
use super::fields::Fields;
use super::head::{Head, ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER, Stop, UNDEFINED, Window, head_at};
use super::value_attributes::is_cut;
use super::wanted::{is_wanted, is_wanted_sequence};

/// Sequences that are nested deeper are refused: real files stay under ten. A level costs some 100 bytes.
const MAX_DEPTH: usize = 4096;
/// Below this depth nothing is kept: no attribute that is wanted lies deeper than six.
const MAX_KEPT_DEPTH: usize = 16;
/// A kept value that is longer is refused: those that are wanted have at most a few hundred bytes (PS3.5 table 6.2-1), and
/// some are held for as long as the series is known. Of a free text that is longer the start is kept.
const MAX_VALUE_BYTES: u32 = 4096;
/// The same inside functional groups, of which there may be tens of thousands.
const MAX_GROUP_VALUE_BYTES: u32 = 256;
/// More items of a kept sequence are refused, save those of the frames, which are as many as there are frames.
const MAX_ITEMS: usize = 100;
/// What may be kept outside the frames' items, in bytes: texts are searched for words, which takes time.
const MAX_OUTSIDE_BYTES: u64 = 1 << 20;
/// What a kept element or item costs beside its value, in bytes: itself, its allocation, and its place in a growing list.
const COST: u64 = 96;

/// Where the value of an element lies, and its stated length, `None` where undefined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub offset: u64,
    pub length: Option<u64>,
}

/// What was found at the top level without being read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    /// PixelData (7FE0,0010).
    pub pixels: Option<Place>,
    /// Extended Offset Table (7FE0,0001).
    pub extended_offsets: Option<Place>,
}

/// Where a walk ends of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Behind the last element of group 0002.
    FileMeta,
    /// At PixelData, at the end, or where the rest is not needed.
    DataSet,
}

/// A sequence, an item or a run of fragments that is open.
#[derive(Debug)]
struct Level {
    kind: Kind,
    /// Where it ends, if it says so.
    end: Option<u64>,
    /// Where it must have ended.
    limit: u64,
    /// The encoding around it.
    outer: Encoding,
}

#[derive(Debug)]
enum Kind {
    /// With the items, where they are kept, and how many may be.
    Sequence {
        head: Head,
        items: Option<Vec<DataSet>>,
        most: usize,
    },
    /// With the elements, where they are kept.
    Item(Option<DataSet>),
    Fragments,
}

/// A walk that goes on whenever there are more bytes.
#[derive(Debug)]
pub(crate) struct Walker {
    scope: Scope,
    encoding: Encoding,
    at: u64,
    end: u64,
    levels: Vec<Level>,
    /// What is kept of the top level.
    pub data_set: DataSet,
    /// Where the pixels lie.
    pub found: Found,
    /// Elements passed at the top level: a measure of how much the bytes looked like DICOM.
    pub top_level: usize,
    held: u64,
    /// Of these, outside the frames' items.
    held_outside: u64,
    allowance: u64,
    /// Whether what comes behind group 0028 is needed; `None` before it is reached.
    needs_rest: Option<bool>,
}

impl Walker {
    /// A walk from offset `at` of a file that ends at `end`, which may keep `allowance` bytes.
    pub fn new(scope: Scope, encoding: Encoding, at: u64, end: u64, allowance: u64) -> Self {
        Self {
            scope,
            encoding,
            at,
            end,
            levels: Vec::new(),
            data_set: DataSet::default(),
            found: Found::default(),
            top_level: 0,
            held: 0,
            held_outside: 0,
            allowance,
            needs_rest: None,
        }
    }

    /// The offset of the next byte.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Says where the data end, once that is known.
    pub fn ends_at(&mut self, end: u64) {
        self.end = end;
    }

    /// Says how many bytes may be kept from now on.
    pub fn allow(&mut self, allowance: u64) {
        self.allowance = allowance;
    }

    /// Goes on with `window`, which must reach from [`Walker::at`] on; ends where the scope does.
    ///
    /// *Errors*: [`Stop::More`] where the window ends before; the walk goes on with a later one. All others are final.
    pub fn run(&mut self, window: Window<'_>) -> Result<(), Stop> {
        loop {
            let step = match self.levels.last() {
                None => self.top(window),
                Some(level) => {
                    let (end, limit) = (level.end, level.limit);
                    match level.kind {
                        Kind::Sequence { .. } => self.in_sequence(window, end, limit),
                        Kind::Item(_) => self.in_item(window, end, limit),
                        Kind::Fragments => self.in_fragments(window, limit),
                    }
                    .map(|()| true)
                }
            };
            match step {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                // What says where it ends costs itself, not the data set, when it breaks inside.
                Err(Stop::Bad(_)) if self.recover() => {}
                Err(stop) => return Err(stop),
            }
        }
    }

    /// One element of the top level; `false` at the end.
    fn top(&mut self, window: Window<'_>) -> Result<bool, Stop> {
        if self.at >= self.end || self.only_padding_left(window)? {
            return Ok(false);
        }
        if self.scope == Scope::FileMeta && window.peek(self.at, 2)? != [0x02, 0x00] {
            return Ok(false);
        }
        let head = head_at(window, self.at, self.encoding, self.end)?;
        if self.scope == Scope::DataSet {
            let value = self.at + head.size;
            let place = Place { offset: value, length: (head.length != UNDEFINED).then_some(u64::from(head.length)) };
            match head.tag {
                tags::PIXEL_DATA => {
                    self.found.pixels = Some(place);
                    self.at = value;
                    return Ok(false);
                }
                tags::EXTENDED_OFFSET_TABLE => self.found.extended_offsets = Some(place),
                tags::DIRECTORY_RECORD_SEQUENCE => {
                    let reason = Reason::new(ReasonCode::Dicomdir, "a media storage directory");
                    return Err(Stop::Refused(reason));
                }
                tag if tag.group() > 0x0028 && !self.needs_rest() => return Ok(false),
                _ => {}
            }
        }
        self.element(window, head, self.end)?;
        self.top_level += 1;
        Ok(true)
    }

    /// Whether what comes behind group 0028 is needed: classes without pixel data (reports, radiotherapy structures,
    /// waveforms) may go on for megabytes there.
    fn needs_rest(&mut self) -> bool {
        let class = || Fields::new(&self.data_set, false).text(tags::SOP_CLASS_UID);
        *self.needs_rest.get_or_insert_with(|| !class().is_some_and(|class| has_no_pixels(&class)))
    }

    /// Whether nothing but zeros, or less than an element's header, is left.
    fn only_padding_left(&self, window: Window<'_>) -> Result<bool, Stop> {
        let left = (self.end - self.at).min(8);
        let bytes = window.peek(self.at, left)?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(true);
        }
        if left < 8 && self.scope == Scope::DataSet { Err(Stop::Truncated) } else { Ok(false) }
    }

    /// Passes or keeps the element that `head` begins at the current offset.
    fn element(&mut self, window: Window<'_>, head: Head, limit: u64) -> Result<(), Stop> {
        let value = self.at + head.size;
        if head.length == UNDEFINED && head.tag.group() != 0xFFFE {
            return self.open(head, None, limit);
        }
        let end = value + if head.length == UNDEFINED { 0 } else { u64::from(head.length) };
        if end > limit {
            return Err(self.overrun(limit, "an element is longer than its item"));
        }
        // Some writers leave delimiters where none belong.
        if head.tag.group() == 0xFFFE || !self.is_kept(head.tag) {
            self.at = end;
            return Ok(());
        }
        if is_wanted_sequence(head.tag) {
            return self.open(head, Some(end), limit);
        }
        let most = if self.is_in_groups() { MAX_GROUP_VALUE_BYTES } else { MAX_VALUE_BYTES };
        // The start of a long text tells what it is about.
        let length = if is_cut(head.tag) { head.length.min(most) } else { head.length };
        if length > most {
            let tag = head.tag;
            let detail = format!("{tag} has {} bytes, at most {most} are taken", head.length);
            return Err(Stop::Refused(Reason::new(ReasonCode::TooLarge, detail)));
        }
        let bytes = window.peek(value, length.into())?;
        self.hold(bytes.len())?;
        self.at = end;
        self.keep(Element { tag: head.tag, vr: head.vr, value: Value::Bytes(bytes.into()) });
        Ok(())
    }

    /// Whether an element of `tag` here is one to keep.
    fn is_kept(&self, tag: Tag) -> bool {
        let set = match self.levels.last() {
            None => Some(&self.data_set),
            Some(Level { kind: Kind::Item(set), .. }) => set.as_ref(),
            Some(_) => None,
        };
        set.is_some_and(|set| is_wanted(tag) && set.element(tag).is_none())
    }

    /// Opens the value of `head`: a sequence up to `end` or its delimiter, or fragments (PS3.5 section A.4), as an icon
    /// may hold them.
    fn open(&mut self, head: Head, end: Option<u64>, limit: u64) -> Result<(), Stop> {
        if self.levels.len() >= MAX_DEPTH {
            let detail = format!("sequences are nested more than {MAX_DEPTH} deep");
            return Err(Stop::Refused(Reason::new(ReasonCode::TooLarge, detail)));
        }
        let fragments = end.is_none() && matches!(&head.vr, b"OB" | b"OW" | b"OD" | b"OF" | b"OL" | b"OV");
        let kept = is_wanted_sequence(head.tag) && self.levels.len() < MAX_KEPT_DEPTH && self.is_kept(head.tag);
        let most = if kept { self.most_items(head.tag) } else { 0 };
        let kind = if fragments { Kind::Fragments } else { Kind::Sequence { head, items: kept.then(Vec::new), most } };
        self.levels.push(Level { kind, end, limit: end.unwrap_or(limit), outer: self.encoding });
        if &head.vr == b"UN" {
            self.encoding = Encoding::IMPLICIT;
        }
        self.at += head.size;
        Ok(())
    }

    fn in_sequence(&mut self, window: Window<'_>, end: Option<u64>, limit: u64) -> Result<(), Stop> {
        if end.is_some_and(|end| self.at >= end) {
            return self.close();
        }
        let head = self.head_within(window, limit)?;
        match head.tag {
            SEQUENCE_DELIMITER => {
                self.at = end.unwrap_or(self.at + head.size);
                self.close()
            }
            // Behind an item that has told its length, where none belongs.
            ITEM_DELIMITER => {
                self.at += head.size;
                Ok(())
            }
            ITEM => self.open_item(window, head, limit),
            _ => Err(Stop::Bad("a sequence holds something other than items")),
        }
    }

    fn open_item(&mut self, window: Window<'_>, head: Head, limit: u64) -> Result<(), Stop> {
        let start = self.at + head.size;
        let end = (head.length != UNDEFINED).then_some(start + u64::from(head.length));
        if end.unwrap_or(start) > limit {
            return Err(self.overrun(limit, "an item is longer than its sequence"));
        }
        let Some(Level { kind: Kind::Sequence { head: sequence, items, most }, .. }) = self.levels.last() else {
            return Err(Stop::Bad("an item stands outside a sequence"));
        };
        let (count, most) = (items.as_ref().map(Vec::len), *most);
        let (tag, in_unknown) = (sequence.tag, &sequence.vr == b"UN");
        let keep = count.is_some_and(|count| count < most);
        if count.is_some_and(|count| count >= MAX_ITEMS) && tag != tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE {
            let detail = format!("{tag} has more than {MAX_ITEMS} items");
            return Err(Stop::Refused(Reason::new(ReasonCode::TooLarge, detail)));
        }
        if let (false, Some(end)) = (keep, end) {
            self.at = end;
            return Ok(());
        }
        let outer = self.encoding;
        if in_unknown {
            self.encoding = shown_encoding(window, start, end.unwrap_or(limit))?;
        }
        if keep {
            self.hold(0)?;
        }
        let kind = Kind::Item(keep.then(DataSet::default));
        self.levels.push(Level { kind, end, limit: end.unwrap_or(limit), outer });
        self.at = start;
        Ok(())
    }

    /// How many items of a sequence are kept. The frames' are at most one more than there are frames, which shows that they
    /// do not fit.
    fn most_items(&self, sequence: Tag) -> usize {
        if sequence != tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE {
            return MAX_ITEMS;
        }
        let frames = Fields::new(&self.data_set, self.encoding.big).count(tags::NUMBER_OF_FRAMES);
        frames.unwrap_or(1).saturating_add(1)
    }

    /// The sequence of the top level that is open.
    fn outermost(&self) -> Option<Tag> {
        match self.levels.first() {
            Some(Level { kind: Kind::Sequence { head, .. }, .. }) => Some(head.tag),
            _ => None,
        }
    }

    fn is_in_groups(&self) -> bool {
        let groups = [tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE];
        self.outermost().is_some_and(|tag| groups.contains(&tag))
    }

    fn in_item(&mut self, window: Window<'_>, end: Option<u64>, limit: u64) -> Result<(), Stop> {
        if end.is_some_and(|end| self.at >= end) {
            return self.close();
        }
        let head = self.head_within(window, limit)?;
        match head.tag {
            ITEM_DELIMITER => {
                self.at = end.unwrap_or(self.at + head.size);
                self.close()
            }
            // The sequence ends, and its item with it.
            SEQUENCE_DELIMITER if end.is_none() => self.close(),
            ITEM => Err(Stop::Bad("an item holds an item")),
            _ => self.element(window, head, limit),
        }
    }

    fn in_fragments(&mut self, window: Window<'_>, limit: u64) -> Result<(), Stop> {
        let head = self.head_within(window, limit)?;
        let end = self.at + head.size + u64::from(head.length);
        match head.tag {
            SEQUENCE_DELIMITER => {
                self.at += head.size;
                self.close()
            }
            ITEM if head.length != UNDEFINED && end <= limit => {
                self.at = end;
                Ok(())
            }
            ITEM if head.length != UNDEFINED => Err(self.overrun(limit, "a fragment is longer than its item")),
            _ => Err(Stop::Bad("a fragment does not start with an item tag")),
        }
    }

    /// The header at the current offset, inside of something.
    fn head_within(&self, window: Window<'_>, limit: u64) -> Result<Head, Stop> {
        if limit.saturating_sub(self.at) < 8 {
            return Err(self.overrun(limit, "an item ends inside an element"));
        }
        match head_at(window, self.at, self.encoding, limit) {
            Err(Stop::Truncated) => Err(self.overrun(limit, "an item ends inside an element")),
            other => other,
        }
    }

    /// Something goes on behind `limit`: the end of the file, or of what says where it ends.
    fn overrun(&self, limit: u64, detail: &'static str) -> Stop {
        if limit >= self.end { Stop::Truncated } else { Stop::Bad(detail) }
    }

    /// Closes the innermost level; what it kept goes to the one around it.
    fn close(&mut self) -> Result<(), Stop> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        self.encoding = level.outer;
        match level.kind {
            Kind::Fragments | Kind::Item(None) | Kind::Sequence { items: None, .. } => {}
            Kind::Item(Some(set)) => {
                if let Some(Level { kind: Kind::Sequence { items: Some(items), .. }, .. }) = self.levels.last_mut() {
                    items.push(set);
                }
            }
            Kind::Sequence { head, items: Some(items), .. } => {
                self.hold(0)?;
                self.keep(Element { tag: head.tag, vr: head.vr, value: Value::Items(items) });
            }
        }
        Ok(())
    }

    fn keep(&mut self, element: Element) {
        match self.levels.last_mut() {
            None => self.data_set.elements.push(element),
            Some(Level { kind: Kind::Item(Some(set)), .. }) => set.elements.push(element),
            Some(_) => {}
        }
    }

    /// Counts `bytes` of a value that is kept.
    fn hold(&mut self, bytes: usize) -> Result<(), Stop> {
        let bytes = COST.saturating_add(bytes as u64);
        self.held = self.held.saturating_add(bytes);
        if self.outermost() != Some(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE) {
            self.held_outside = self.held_outside.saturating_add(bytes);
        }
        let limit = if self.held > self.allowance { self.allowance } else { MAX_OUTSIDE_BYTES };
        if self.held <= self.allowance && self.held_outside <= MAX_OUTSIDE_BYTES {
            return Ok(());
        }
        let detail = format!("the header takes more than {limit} bytes of memory");
        Err(Stop::Refused(Reason::new(ReasonCode::TooLarge, detail)))
    }

    /// Passes over the innermost item or sequence that has told where it ends; `false` where there is none. A kept item
    /// leaves an empty one, so that those behind it keep their places.
    fn recover(&mut self) -> bool {
        let Some(place) = self.levels.iter().rposition(|level| level.end.is_some()) else { return false };
        let Some(level) = self.levels.drain(place..).next() else { return false };
        self.encoding = level.outer;
        self.at = level.end.unwrap_or(self.at);
        if let (Kind::Item(Some(_)), Some(Level { kind: Kind::Sequence { items: Some(items), .. }, .. })) =
            (level.kind, self.levels.last_mut())
        {
            items.push(DataSet::default());
        }
        true
    }
}

/// The encoding of an item inside a value of VR UN: implicit little endian (PS3.5 section 6.2.2, CP-246), save where its
/// first element names a value representation, as some writers have it.
fn shown_encoding(window: Window<'_>, start: u64, limit: u64) -> Result<Encoding, Stop> {
    if limit.saturating_sub(start) < 8 {
        return Ok(Encoding::IMPLICIT);
    }
    let explicit = matches!(*window.peek(start, 8)?, [_, _, _, _, v0, v1, ..] if is_known_vr([v0, v1]));
    Ok(if explicit { Encoding::EXPLICIT } else { Encoding::IMPLICIT })
}

/// Storage classes without pixel data (PS3.4 annex B.5): waveforms, reports, presentation states, radiotherapy
/// objects other than images and doses, and encapsulated documents.
fn has_no_pixels(sop_class_uid: &str) -> bool {
    let Some(class) = sop_class_uid.strip_prefix("1.2.840.10008.5.1.4.1.1.") else { return false };
    let exact = ["66", "66.3", "481.3", "481.4", "481.5", "481.6", "481.7", "481.8", "481.9"];
    exact.contains(&class) || ["9.", "11.", "88.", "104."].iter().any(|start| class.starts_with(start))
}
