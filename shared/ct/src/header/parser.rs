//! A tokenizer of DICOM data sets (PS3.5 section 7) that works on the first bytes of a file.
//!
//! Gain: it tells "the prefix ends here, read up to byte n" from "this is broken", skips what nobody asked for
//! without copying, keeps slices of the prefix, and never allocates by a stated length. Price: our own parser of
//! three encodings. The parsers of dicom-rs read streams to their end, so a short prefix and a broken file look
//! the same there, and they build every element, private ones too.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// Nesting beyond this depth is refused: real files stay under ten.
const MAX_DEPTH: usize = 24;
/// More kept elements than this are refused: an Enhanced CT of 10,000 frames keeps some 300,000.
const MAX_KEPT: usize = 2_000_000;
/// Start of an item or fragment, and the two delimiters (PS3.5 section 7.5).
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_DELIMITER: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_DELIMITER: Tag = Tag(0xFFFE, 0xE0DD);
/// Length of an element or item whose end is marked by a delimiter.
const UNDEFINED: u32 = u32::MAX;

/// Why parsing stopped before the pixel data or the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The prefix must reach at least this offset.
    More(u64),
    /// The file ends inside the data set.
    Truncated,
    /// The bytes break the encoding.
    Bad(&'static str),
}

/// An element's value.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    /// The bytes as stored.
    Bytes(&'a [u8]),
    /// The items of a sequence.
    Items(Vec<DataSet<'a>>),
}

/// One kept element.
#[derive(Debug, Clone)]
pub(super) struct Element<'a> {
    /// The attribute.
    pub tag: Tag,
    /// The value representation as stated; zeros in implicit encoding.
    pub vr: [u8; 2],
    /// The value.
    pub value: Value<'a>,
}

/// The kept elements of a data set or of an item.
#[derive(Debug, Clone, Default)]
pub(super) struct DataSet<'a> {
    /// In file order.
    pub elements: Vec<Element<'a>>,
}

/// Where the value of PixelData starts, and its stated length, `None` where undefined.
#[derive(Debug, Clone, Copy)]
pub(super) struct PixelElement {
    pub offset: u64,
    pub length: Option<u64>,
}

/// What was parsed up to the pixel data or the end of the file.
#[derive(Debug, Default)]
pub(super) struct Parsed<'a> {
    pub data_set: DataSet<'a>,
    pub pixels: Option<PixelElement>,
}

/// How elements are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Encoding {
    /// The value representation is written out.
    pub explicit: bool,
    /// Numbers are big endian.
    pub big: bool,
}

/// Header of an element, an item or a delimiter.
struct Head {
    tag: Tag,
    vr: [u8; 2],
    length: u32,
}

/// Reads `bytes`, the first bytes of a file of `file_len` bytes.
pub(super) struct Parser<'a> {
    bytes: &'a [u8],
    file_len: u64,
    at: u64,
    encoding: Encoding,
    kept: usize,
    /// Elements read at the top level: a measure of how much the bytes looked like DICOM.
    pub top_level: usize,
}

impl<'a> Parser<'a> {
    /// Starts at offset `at`.
    pub fn new(bytes: &'a [u8], file_len: u64, at: u64, encoding: Encoding) -> Self {
        Self { bytes, file_len, at, encoding, kept: 0, top_level: 0 }
    }

    /// The offset of the next byte.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The bytes `at..at + length`, without moving.
    fn peek(&self, length: u64) -> Result<&'a [u8], Stop> {
        let end = self.at.checked_add(length).ok_or(Stop::Truncated)?;
        if end > self.file_len {
            return Err(Stop::Truncated);
        }
        let range = usize::try_from(self.at).ok().zip(usize::try_from(end).ok());
        range.and_then(|(start, end)| self.bytes.get(start..end)).ok_or(Stop::More(end))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Stop> {
        let bytes = self.peek(length)?;
        self.at += length;
        Ok(bytes)
    }

    /// Moves on without needing the bytes to be in the prefix.
    fn skip(&mut self, length: u64) -> Result<(), Stop> {
        let end = self.at.checked_add(length).ok_or(Stop::Truncated)?;
        if end > self.file_len {
            return Err(Stop::Truncated);
        }
        self.at = end;
        Ok(())
    }

    fn u16_of(&self, bytes: [u8; 2]) -> u16 {
        if self.encoding.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn u32_of(&self, bytes: [u8; 4]) -> u32 {
        if self.encoding.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    /// The next tag, without moving.
    fn peek_tag(&self) -> Result<Tag, Stop> {
        let bytes: [u8; 4] = array(self.peek(4)?);
        let [a, b, c, d] = bytes;
        Ok(Tag(self.u16_of([a, b]), self.u16_of([c, d])))
    }

    /// Reads the header of the next element, item or delimiter (PS3.5 section 7.1).
    fn head(&mut self) -> Result<Head, Stop> {
        let tag = self.peek_tag()?;
        let first: [u8; 8] = array(self.peek(8)?);
        let [_, _, _, _, v0, v1, l0, l1] = first;
        let is_item = tag.group() == 0xFFFE;
        // Some writers put an implicit element into an explicit data set: letters tell them apart.
        let explicit = self.encoding.explicit && !is_item && v0.is_ascii_uppercase() && v1.is_ascii_uppercase();
        if !explicit {
            self.at += 8;
            return Ok(Head { tag, vr: [0, 0], length: self.u32_of([v0, v1, l0, l1]) });
        }
        let vr = [v0, v1];
        let long = is_long_vr(vr) || (!is_short_vr(vr) && (l0, l1) == (0, 0));
        if !long {
            self.at += 8;
            return Ok(Head { tag, vr, length: u32::from(self.u16_of([l0, l1])) });
        }
        let whole: [u8; 12] = array(self.peek(12)?);
        let [.., a, b, c, d] = whole;
        self.at += 12;
        Ok(Head { tag, vr, length: self.u32_of([a, b, c, d]) })
    }

    /// Reads the file meta group from here, as far as the group goes: its stated length is not relied on.
    pub fn file_meta(&mut self) -> Result<DataSet<'a>, Stop> {
        let mut meta = DataSet::default();
        while self.at < self.file_len && self.peek_tag()?.group() == 0x0002 {
            let head = self.head()?;
            let bytes = if is_wanted(head.tag) { Some(self.take(head.length.into())?) } else { None };
            match bytes {
                Some(bytes) => self.keep(&mut meta, head.tag, head.vr, Value::Bytes(bytes))?,
                None => self.skip(head.length.into())?,
            }
        }
        Ok(meta)
    }

    /// Reads the data set from here up to PixelData, to the end of the file, or to where `enough` says so: it is
    /// asked at every top-level tag, with what was read before it.
    pub fn data_set(&mut self, enough: impl Fn(Tag, &DataSet<'a>) -> bool) -> Result<Parsed<'a>, Stop> {
        let mut parsed = Parsed::default();
        while self.at < self.file_len {
            if self.only_padding_left()? {
                break;
            }
            let head = self.head()?;
            if head.tag == tags::PIXEL_DATA {
                let length = (head.length != UNDEFINED).then_some(u64::from(head.length));
                parsed.pixels = Some(PixelElement { offset: self.at, length });
                break;
            }
            if enough(head.tag, &parsed.data_set) {
                break;
            }
            self.top_level += 1;
            let limit = self.file_len;
            self.element(&head, &mut parsed.data_set, true, limit, 0)?;
        }
        Ok(parsed)
    }

    /// Whether nothing but zeros, or less than an element's header, is left.
    fn only_padding_left(&self) -> Result<bool, Stop> {
        let left = (self.file_len - self.at).min(8);
        let bytes = self.peek(left)?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(true);
        }
        if left < 8 { Err(Stop::Truncated) } else { Ok(false) }
    }

    /// Reads the value that belongs to `head` and keeps it in `into` when it is wanted.
    fn element(
        &mut self,
        head: &Head,
        into: &mut DataSet<'a>,
        keep: bool,
        limit: u64,
        depth: usize,
    ) -> Result<(), Stop> {
        if head.tag.group() == 0xFFFE && head.length != UNDEFINED {
            // A stray delimiter: some writers leave them, with length zero.
            return self.skip(head.length.into());
        }
        let keep = keep && is_wanted(head.tag);
        if head.length == UNDEFINED {
            return self.undefined_length(head, into, keep, limit, depth);
        }
        let end = self.at + u64::from(head.length);
        if end > limit {
            return Err(if depth == 0 { Stop::Truncated } else { Stop::Bad("an element is longer than its item") });
        }
        if !keep {
            return self.skip(head.length.into());
        }
        if !is_wanted_sequence(head.tag) {
            let bytes = self.take(head.length.into())?;
            return self.keep(into, head.tag, head.vr, Value::Bytes(bytes));
        }
        match self.items_of(head, Some(end), true, depth) {
            Ok(items) => self.keep(into, head.tag, head.vr, Value::Items(items))?,
            // The sequence says where it ends: one that breaks inside costs itself, not the data set.
            Err(Stop::Bad(_)) => {}
            Err(stop) => return Err(stop),
        }
        self.at = end;
        Ok(())
    }

    fn undefined_length(
        &mut self,
        head: &Head,
        into: &mut DataSet<'a>,
        keep: bool,
        limit: u64,
        depth: usize,
    ) -> Result<(), Stop> {
        if matches!(&head.vr, b"OB" | b"OW" | b"OD" | b"OF" | b"OL" | b"OV") {
            return self.skip_fragments();
        }
        let items = self.items_of(head, None, keep, depth)?;
        if self.at > limit {
            return Err(Stop::Bad("a sequence is longer than its item"));
        }
        if keep { self.keep(into, head.tag, head.vr, Value::Items(items)) } else { Ok(()) }
    }

    /// Skips encapsulated fragments (PS3.5 section A.4), as an icon may hold them.
    fn skip_fragments(&mut self) -> Result<(), Stop> {
        loop {
            let head = self.head()?;
            match head.tag {
                SEQUENCE_DELIMITER => return Ok(()),
                ITEM if head.length != UNDEFINED => self.skip(head.length.into())?,
                _ => return Err(Stop::Bad("a fragment does not start with an item tag")),
            }
        }
    }

    /// Reads the items of a sequence up to `end`, or up to its delimiter where there is none.
    /// Inside a value of unknown VR the encoding is implicit little endian (PS3.5 section 6.2.2).
    fn items_of(&mut self, head: &Head, end: Option<u64>, keep: bool, depth: usize) -> Result<Vec<DataSet<'a>>, Stop> {
        if depth >= MAX_DEPTH {
            return Err(Stop::Bad("sequences are nested too deeply"));
        }
        let outer = self.encoding;
        if &head.vr == b"UN" {
            self.encoding = Encoding { explicit: false, big: false };
        }
        let items = self.items(end, keep, depth + 1);
        self.encoding = outer;
        items
    }

    fn items(&mut self, end: Option<u64>, keep: bool, depth: usize) -> Result<Vec<DataSet<'a>>, Stop> {
        let mut items = Vec::new();
        let limit = end.unwrap_or(self.file_len);
        while end.is_none_or(|end| self.at < end) {
            let head = self.head()?;
            match head.tag {
                SEQUENCE_DELIMITER => break,
                ITEM => {}
                _ => return Err(Stop::Bad("a sequence holds something other than items")),
            }
            let item_end = (head.length != UNDEFINED).then(|| self.at + u64::from(head.length));
            if item_end.unwrap_or(self.at) > limit {
                return Err(Stop::Bad("an item is longer than its sequence"));
            }
            match item_end {
                Some(item_end) if !keep => self.skip(item_end - self.at)?,
                _ => {
                    let item = self.item(item_end, limit, keep, depth)?;
                    if keep {
                        self.count_kept()?;
                        items.push(item);
                    }
                }
            }
        }
        Ok(items)
    }

    fn item(&mut self, end: Option<u64>, limit: u64, keep: bool, depth: usize) -> Result<DataSet<'a>, Stop> {
        let mut item = DataSet::default();
        let limit = end.unwrap_or(limit);
        while end.is_none_or(|end| self.at < end) {
            let head = self.head()?;
            if head.tag == ITEM_DELIMITER {
                break;
            }
            self.element(&head, &mut item, keep, limit, depth)?;
        }
        Ok(item)
    }

    fn keep(&mut self, into: &mut DataSet<'a>, tag: Tag, vr: [u8; 2], value: Value<'a>) -> Result<(), Stop> {
        self.count_kept()?;
        into.elements.push(Element { tag, vr, value });
        Ok(())
    }

    fn count_kept(&mut self) -> Result<(), Stop> {
        self.kept += 1;
        if self.kept > MAX_KEPT { Err(Stop::Bad("the data set holds too many elements")) } else { Ok(()) }
    }
}

/// A fixed-size copy of `bytes`, which the caller has asked for with that length.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(bytes) {
        *to = *from;
    }
    array
}

/// Value representations with a 32-bit length (PS3.5 table 7.1-1).
fn is_long_vr(vr: [u8; 2]) -> bool {
    matches!(&vr, b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT" | b"UV")
}

/// Value representations with a 16-bit length (PS3.5 table 7.1-2).
fn is_short_vr(vr: [u8; 2]) -> bool {
    #[rustfmt::skip]
    let known = matches!(
        &vr,
        b"AE" | b"AS" | b"AT" | b"CS" | b"DA" | b"DS" | b"DT" | b"FL" | b"FD" | b"IS" | b"LO" | b"LT" | b"PN"
            | b"SH" | b"SL" | b"SS" | b"ST" | b"TM" | b"UI" | b"UL" | b"US"
    );
    known
}

/// Whether `vr` is a value representation of the standard.
pub(super) fn is_known_vr(vr: [u8; 2]) -> bool {
    is_long_vr(vr) || is_short_vr(vr)
}

/// Sequences that are looked into.
fn is_wanted_sequence(tag: Tag) -> bool {
    matches!(
        tag,
        tags::PROCEDURE_CODE_SEQUENCE
            | tags::REQUEST_ATTRIBUTES_SEQUENCE
            | tags::REQUESTED_PROCEDURE_CODE_SEQUENCE
            | tags::CONTRAST_BOLUS_AGENT_SEQUENCE
            | tags::CONTRAST_BOLUS_ADMINISTRATION_ROUTE_SEQUENCE
            | tags::CONTRAST_ADMINISTRATION_PROFILE_SEQUENCE
            | tags::CONTRAST_BOLUS_INGREDIENT_CODE_SEQUENCE
            | tags::CONTRAST_BOLUS_USAGE_SEQUENCE
            | tags::DIRECTORY_RECORD_SEQUENCE
            | tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE
            | tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE
            | tags::PIXEL_MEASURES_SEQUENCE
            | tags::PLANE_POSITION_SEQUENCE
            | tags::PLANE_ORIENTATION_SEQUENCE
            | tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE
            | tags::CT_IMAGE_FRAME_TYPE_SEQUENCE
    )
}

/// Attributes that are kept, wherever they occur.
fn is_wanted(tag: Tag) -> bool {
    is_wanted_sequence(tag)
        || matches!(
            tag,
            tags::MEDIA_STORAGE_SOP_CLASS_UID
                | tags::MEDIA_STORAGE_SOP_INSTANCE_UID
                | tags::TRANSFER_SYNTAX_UID
                | tags::SPECIFIC_CHARACTER_SET
                | tags::IMAGE_TYPE
                | tags::SOP_CLASS_UID
                | tags::SOP_INSTANCE_UID
                | tags::MODALITY
                | tags::MANUFACTURER
                | tags::CODE_VALUE
                | tags::LONG_CODE_VALUE
                | tags::CODE_MEANING
                | tags::STUDY_DESCRIPTION
                | tags::SERIES_DESCRIPTION
                | tags::FRAME_TYPE
                | tags::PATIENT_ID
                | tags::CONTRAST_BOLUS_AGENT
                | tags::BODY_PART_EXAMINED
                | tags::SLICE_THICKNESS
                | tags::PROTOCOL_NAME
                | tags::CONTRAST_BOLUS_ROUTE
                | tags::CONTRAST_BOLUS_VOLUME
                | tags::CONTRAST_BOLUS_START_TIME
                | tags::CONTRAST_BOLUS_STOP_TIME
                | tags::CONTRAST_BOLUS_TOTAL_DOSE
                | tags::CONTRAST_FLOW_RATE
                | tags::CONTRAST_FLOW_DURATION
                | tags::CONTRAST_BOLUS_INGREDIENT
                | tags::GANTRY_DETECTOR_TILT
                | tags::CONVOLUTION_KERNEL
                | tags::CONTRAST_BOLUS_AGENT_ADMINISTERED
                | tags::CONTRAST_BOLUS_AGENT_DETECTED
                | tags::CONTRAST_BOLUS_AGENT_PHASE
                | tags::STUDY_INSTANCE_UID
                | tags::SERIES_INSTANCE_UID
                | tags::SERIES_NUMBER
                | tags::IMAGE_POSITION_PATIENT
                | tags::IMAGE_ORIENTATION_PATIENT
                | tags::FRAME_OF_REFERENCE_UID
                | tags::SAMPLES_PER_PIXEL
                | tags::PLANAR_CONFIGURATION
                | tags::PHOTOMETRIC_INTERPRETATION
                | tags::NUMBER_OF_FRAMES
                | tags::ROWS
                | tags::COLUMNS
                | tags::PIXEL_SPACING
                | tags::BITS_ALLOCATED
                | tags::BITS_STORED
                | tags::HIGH_BIT
                | tags::PIXEL_REPRESENTATION
                | tags::PIXEL_PADDING_VALUE
                | tags::PIXEL_PADDING_RANGE_LIMIT
                | tags::RESCALE_INTERCEPT
                | tags::RESCALE_SLOPE
                | tags::RESCALE_TYPE
                | tags::REQUESTED_PROCEDURE_DESCRIPTION
                | tags::SCHEDULED_PROCEDURE_STEP_DESCRIPTION
                | tags::PERFORMED_PROCEDURE_STEP_DESCRIPTION
        )
}
