//! Typed look-ups in a parsed data set. What is absent, empty or unreadable is `None`.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_encoding::text::{SpecificCharacterSet, TextCodec};

use super::parser::{DataSet, Element, Value};

/// A data set or item together with what is needed to read its values.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'s, 'a> {
    set: &'s DataSet<'a>,
    big: bool,
    charset: Option<&'s SpecificCharacterSet>,
}

impl<'s, 'a> Fields<'s, 'a> {
    /// Looks into `set`, whose numbers are big endian where `big` is true.
    pub(super) fn new(set: &'s DataSet<'a>, big: bool, charset: Option<&'s SpecificCharacterSet>) -> Self {
        Self { set, big, charset }
    }

    fn element(&self, tag: Tag) -> Option<&'s Element<'a>> {
        self.set.elements.iter().find(|element| element.tag == tag)
    }

    fn bytes(&self, tag: Tag) -> Option<&'a [u8]> {
        match self.element(tag)?.value {
            Value::Bytes(bytes) if !bytes.is_empty() => Some(bytes),
            _ => None,
        }
    }

    /// Whether the attribute stands in the data set, empty or not.
    pub fn has(&self, tag: Tag) -> bool {
        self.element(tag).is_some()
    }

    /// The whole text without padding.
    pub fn text(&self, tag: Tag) -> Option<String> {
        let text = decode(self.bytes(tag)?, self.charset);
        let trimmed = trim(&text);
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }

    /// The values of a text, each without padding; empty values stay, so that positions keep their meaning.
    pub fn texts(&self, tag: Tag) -> Vec<String> {
        let Some(text) = self.text(tag) else { return Vec::new() };
        text.split('\\').map(|value| trim(value).to_owned()).collect()
    }

    /// The numbers of a decimal or binary floating point value; `None` where one cannot be read.
    pub fn numbers(&self, tag: Tag) -> Option<Vec<f64>> {
        let element = self.element(tag)?;
        let bytes = self.bytes(tag)?;
        match &element.vr {
            b"FD" => Some(bytes.chunks_exact(8).map(|chunk| self.f64_of(chunk)).collect()),
            b"FL" => Some(bytes.chunks_exact(4).map(|chunk| self.f32_of(chunk)).collect()),
            _ => std::str::from_utf8(bytes).ok()?.split('\\').map(decimal).collect(),
        }
    }

    /// The first number.
    pub fn number(&self, tag: Tag) -> Option<f64> {
        let number = self.numbers(tag)?.first().copied()?;
        number.is_finite().then_some(number)
    }

    /// Exactly `N` finite numbers.
    pub fn vector<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        let vector: [f64; N] = self.numbers(tag)?.try_into().ok()?;
        vector.iter().all(|number| number.is_finite()).then_some(vector)
    }

    /// An unsigned 16-bit value; text where a writer gave the attribute a textual VR.
    pub fn u16(&self, tag: Tag) -> Option<u16> {
        let element = self.element(tag)?;
        let bytes = self.bytes(tag)?;
        match &element.vr {
            b"IS" | b"DS" => std::str::from_utf8(bytes).ok().map(trim)?.parse().ok(),
            b"UL" | b"SL" => {
                let four: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
                u16::try_from(if self.big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }).ok()
            }
            _ => {
                let two: [u8; 2] = bytes.get(..2)?.try_into().ok()?;
                Some(if self.big { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) })
            }
        }
    }

    /// The items of a sequence; none where it is absent.
    pub fn items(&self, tag: Tag) -> impl Iterator<Item = Fields<'s, 'a>> + use<'s, 'a> {
        let items: &'s [DataSet<'a>] = match self.element(tag) {
            Some(Element { value: Value::Items(items), .. }) => items,
            _ => &[],
        };
        let (big, charset) = (self.big, self.charset);
        items.iter().map(move |set| Fields { set, big, charset })
    }

    fn f64_of(&self, chunk: &[u8]) -> f64 {
        let Ok(bytes) = chunk.try_into() else { return f64::NAN };
        if self.big { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) }
    }

    fn f32_of(&self, chunk: &[u8]) -> f64 {
        let Ok(bytes) = chunk.try_into() else { return f64::NAN };
        f64::from(if self.big { f32::from_be_bytes(bytes) } else { f32::from_le_bytes(bytes) })
    }
}

/// The character set that Specific Character Set (0008,0005) names; the last one where code extensions name several.
pub(super) fn charset_of(set: &DataSet<'_>) -> Option<SpecificCharacterSet> {
    let names = Fields::new(set, false, None).texts(tags::SPECIFIC_CHARACTER_SET);
    names.iter().rev().find_map(|name| SpecificCharacterSet::from_code(name))
}

/// Text of any bytes: UTF-8 where it is valid (ASCII always is), else the stated character set, else Latin-1.
fn decode(bytes: &[u8], charset: Option<&SpecificCharacterSet>) -> String {
    let escaped = bytes.contains(&0x1B);
    if !escaped && let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let decoded = charset.and_then(|charset| charset.decode(bytes).ok());
    decoded.unwrap_or_else(|| bytes.iter().map(|byte| char::from(*byte)).collect())
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c == '\0' || c.is_whitespace())
}

fn decimal(text: &str) -> Option<f64> {
    trim(text).parse().ok().filter(|number: &f64| number.is_finite())
}
