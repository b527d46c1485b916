//! Typed look-ups in a parsed data set. What is absent, empty or unreadable is `None`.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::elements::{DataSet, Element, Value};
use super::encoding::is_known_vr;
use super::text::Charset;
use super::wanted::is_wanted;

/// Values of a text that are looked at.
const MOST_VALUES: usize = 16;

/// A data set or item together with what is needed to read its values.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'s> {
    set: &'s DataSet,
    big: bool,
    charset: Charset,
}

impl<'s> Fields<'s> {
    /// Looks into `set`, whose numbers are big endian where `big` is true, and whose Specific Character Set (0008,0005)
    /// says how texts are to be read.
    pub fn new(set: &'s DataSet, big: bool) -> Self {
        Self { set, big, charset: Charset::Undeclared }.with_own_charset()
    }

    /// An item may name another character set than what is around it (PS3.3 section C.12.1.1.2).
    fn with_own_charset(mut self) -> Self {
        if let Some(bytes) = self.bytes(tags::SPECIFIC_CHARACTER_SET) {
            self.charset = Charset::of(bytes);
        }
        self
    }

    /// The element of an attribute. What is asked for must be kept: else it would be absent in every file, and nobody would
    /// notice.
    fn element(&self, tag: Tag) -> Option<&'s Element> {
        if cfg!(any(test, debug_assertions)) {
            assert!(is_wanted(tag), "{tag} is asked for and never kept");
        }
        self.set.element(tag)
    }

    fn bytes(&self, tag: Tag) -> Option<&'s [u8]> {
        match &self.element(tag)?.value {
            Value::Bytes(bytes) if !bytes.is_empty() => Some(bytes),
            _ => None,
        }
    }

    /// The whole text without padding.
    pub fn text(&self, tag: Tag) -> Option<String> {
        let text = self.charset.decode(self.bytes(tag)?);
        let trimmed = trim(&text);
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }

    /// The values of a text, each without padding; empty values stay, so that positions keep their meaning. No more than
    /// [`MOST_VALUES`]: no attribute that is wanted has so many.
    pub fn texts(&self, tag: Tag) -> Vec<String> {
        let Some(text) = self.text(tag) else { return Vec::new() };
        text.split('\\').take(MOST_VALUES).map(|value| trim(value).to_owned()).collect()
    }

    /// A code string without padding, in capitals: it has no others (PS3.5 section 6.2, CS), but files have.
    pub fn code(&self, tag: Tag) -> Option<String> {
        self.text(tag).map(|text| text.to_ascii_uppercase())
    }

    /// The values of a code string, as [`Fields::texts`], in capitals.
    pub fn codes(&self, tag: Tag) -> Vec<String> {
        self.texts(tag).into_iter().map(|value| value.to_ascii_uppercase()).collect()
    }

    /// The numbers of a decimal, integer or binary value; `None` where one cannot be read. Empty values at the end of a
    /// text are no values.
    pub fn numbers(&self, tag: Tag) -> Option<Vec<f64>> {
        let bytes = self.bytes(tag)?;
        let big = self.big;
        let numbers = match &self.vr(tag)? {
            b"FD" => cells(bytes, big, f64::from_le_bytes),
            b"FL" => cells(bytes, big, |cell| f64::from(f32::from_le_bytes(cell))),
            b"US" => cells(bytes, big, |cell| f64::from(u16::from_le_bytes(cell))),
            b"SS" => cells(bytes, big, |cell| f64::from(i16::from_le_bytes(cell))),
            b"UL" => cells(bytes, big, |cell| f64::from(u32::from_le_bytes(cell))),
            b"SL" => cells(bytes, big, |cell| f64::from(i32::from_le_bytes(cell))),
            b"UV" => cells(bytes, big, |cell| u64::from_le_bytes(cell) as f64),
            b"SV" => cells(bytes, big, |cell| i64::from_le_bytes(cell) as f64),
            _ => {
                let text = std::str::from_utf8(bytes).ok()?;
                let values = text.trim_end_matches(|c: char| c == '\\' || is_padding(c)).split('\\');
                values.map(decimal).collect::<Option<_>>()?
            }
        };
        (!numbers.is_empty()).then_some(numbers)
    }

    /// The one number: where there are several they must agree.
    pub fn number(&self, tag: Tag) -> Option<f64> {
        let numbers = self.numbers(tag)?;
        let first = numbers.first().copied()?;
        (first.is_finite() && numbers.iter().all(|number| *number == first)).then_some(first)
    }

    /// Exactly `N` finite numbers.
    pub fn vector<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        let vector: [f64; N] = self.numbers(tag)?.try_into().ok()?;
        vector.iter().all(|number| number.is_finite()).then_some(vector)
    }

    /// A whole number of at least 1.
    pub fn count(&self, tag: Tag) -> Option<usize> {
        let number = self.number(tag)?;
        (number >= 1.0 && number.fract() == 0.0).then_some(number as usize)
    }

    /// An unsigned 16-bit value; text where a writer gave the attribute a textual VR.
    pub fn u16(&self, tag: Tag) -> Option<u16> {
        let bytes = self.bytes(tag)?;
        match &self.vr(tag)? {
            b"UL" | b"SL" => {
                let four: [u8; 4] = bytes.first_chunk().copied()?;
                u16::try_from(if self.big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }).ok()
            }
            b"US" | b"SS" | b"OB" | b"OW" | b"AT" | b"SQ" => {
                let two: [u8; 2] = bytes.first_chunk().copied()?;
                Some(if self.big { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) })
            }
            _ => std::str::from_utf8(bytes).ok().map(trim)?.parse().ok(),
        }
    }

    /// The attribute that a value of VR AT names.
    pub fn pointer(&self, tag: Tag) -> Option<Tag> {
        let &[g0, g1, e0, e1] = self.bytes(tag)?.first_chunk()?;
        let half = |bytes| if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
        Some(Tag(half([g0, g1]), half([e0, e1])))
    }

    /// Whether the element of `tag` is, byte by byte, that of `other`, or both have none.
    pub fn has_the_same(&self, tag: Tag, other: Fields<'_>) -> bool {
        self.element(tag) == other.element(tag)
    }

    /// What the element of `tag` takes with all that is in it.
    pub fn kept_bytes(&self, tag: Tag) -> usize {
        self.element(tag).map_or(0, Element::kept_bytes)
    }

    /// The items of a sequence; none where it is absent.
    pub fn items(&self, tag: Tag) -> impl Iterator<Item = Fields<'s>> + use<'s> {
        let items: &'s [DataSet] = match self.element(tag) {
            Some(Element { value: Value::Items(items), .. }) => items,
            _ => &[],
        };
        let (big, charset) = (self.big, self.charset);
        items.iter().map(move |set| Fields { set, big, charset }.with_own_charset())
    }

    /// Whether a sequence stands there and holds no item.
    pub fn is_empty_sequence(&self, tag: Tag) -> bool {
        matches!(self.element(tag), Some(Element { value: Value::Items(items), .. }) if items.is_empty())
    }

    /// The value representation of an element: as stated, or the standard's where the file has none, `UN`, or one that
    /// does not exist. `US or SS` is `US` here.
    fn vr(&self, tag: Tag) -> Option<[u8; 2]> {
        let stated = self.element(tag)?.vr;
        if is_known_vr(stated) && &stated != b"UN" {
            return Some(stated);
        }
        let relaxed = StandardDataDictionary.by_tag(tag).map_or(VR::UN, |entry| entry.vr().relaxed());
        relaxed.to_string().as_bytes().first_chunk().copied()
    }
}

/// The numbers of `N` bytes in `bytes`; none where they do not come out even.
fn cells<const N: usize>(bytes: &[u8], big: bool, read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (cells, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        return Vec::new();
    }
    let ordered = |cell: &[u8; N]| {
        let mut cell = *cell;
        if big {
            cell.reverse();
        }
        cell
    };
    cells.iter().map(|cell| read(ordered(cell))).collect()
}

fn is_padding(c: char) -> bool {
    c == '\0' || c.is_whitespace()
}

fn trim(text: &str) -> &str {
    text.trim_matches(is_padding)
}

fn decimal(text: &str) -> Option<f64> {
    trim(text).parse().ok().filter(|number: &f64| number.is_finite())
}
