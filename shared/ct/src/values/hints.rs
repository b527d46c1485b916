//! Collects what the texts, codes and attributes of a header say of the values, beside Image Type and Rescale Type.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use serde::Serialize;

use super::image_type::words_of;
use super::units::is_hounsfield;
use super::{MAPS, kind_name};
use crate::header::Fields;
use crate::words::{ValueKind, ValueWords, read_description};

/// Texts of an image, of a frame or of a mapping that are read for words.
const TEXTS: [Tag; 6] = [
    tags::SERIES_DESCRIPTION,
    tags::DERIVATION_DESCRIPTION,
    tags::IMAGE_COMMENTS,
    tags::FRAME_COMMENTS,
    tags::LUT_LABEL,
    tags::LUT_EXPLANATION,
];
/// Attributes that are written like Image Type (PS3.3 sections C.8.16.2.1.2 and C.8.16.2.1.3).
const TYPES: [Tag; 2] = [tags::VOLUMETRIC_PROPERTIES, tags::VOLUME_BASED_CALCULATION_TECHNIQUE];
/// Items that are read as if they stood in the data set itself: the functional groups of all frames, and what these and those of
/// one frame may hold. One frame's are asked by themselves.
const NESTED: [Tag; 6] = [
    tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::DERIVATION_IMAGE_SEQUENCE,
    tags::FRAME_CONTENT_SEQUENCE,
    tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
    tags::MULTIENERGY_CT_CHARACTERISTICS_SEQUENCE,
    tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE,
];
/// Sequences of codes.
const CODES: [Tag; 2] = [tags::DERIVATION_CODE_SEQUENCE, tags::MEASUREMENT_UNITS_CODE_SEQUENCE];
/// Single attributes.
const ATTRIBUTES: [Tag; 2] = [tags::MONOENERGETIC_ENERGY_EQUIVALENT, tags::PRESENTATION_LUT_SHAPE];
/// Levels of [`NESTED`] that are followed: groups, and what stands in them.
const DEEPEST: usize = 3;

/// Derivations by their codes of the DICOM Controlled Terminology (PS3.16 CID 7203), whose meaning may be written in any language.
const DERIVATIONS: [(&str, ValueKind); 12] = [
    ("113042", ValueKind::Processed),
    ("113046", ValueKind::Processed),
    ("113048", ValueKind::Projection),
    ("113051", ValueKind::Projection),
    ("113053", ValueKind::Processed),
    ("113062", ValueKind::Subtraction),
    ("113073", ValueKind::Projection),
    ("113074", ValueKind::Projection),
    ("113075", ValueKind::Projection),
    ("113076", ValueKind::Processed),
    ("113078", ValueKind::Projection),
    ("113079", ValueKind::Projection),
];

/// Whether `tag` is a sequence that is looked into here.
pub(crate) fn is_sequence(tag: Tag) -> bool {
    NESTED.contains(&tag) || CODES.contains(&tag)
}

/// The attributes of a functional group that are asked for here, save those of its Frame Content Sequence, of which only Frame Comments
/// (0020,9158) are.
pub(crate) fn asked_of_groups() -> impl Iterator<Item = Tag> {
    let all = TEXTS.into_iter().chain(TYPES).chain(ATTRIBUTES).chain(NESTED).chain(CODES);
    all.filter(|tag| *tag != tags::FRAME_CONTENT_SEQUENCE)
}

/// Whether `tag` is an attribute that is asked for here.
pub(crate) fn is_attribute(tag: Tag) -> bool {
    TEXTS.contains(&tag) || TYPES.contains(&tag) || ATTRIBUTES.contains(&tag)
}

/// Whether of a long value of `tag` the start is kept, so that the file is not refused for it: Image Comments may have 10,240
/// characters (PS3.5 section 6.2, LT), and Long Code Value any number.
pub(crate) fn is_cut(tag: Tag) -> bool {
    let of_codes = [tags::LONG_CODE_VALUE, tags::CODE_MEANING];
    (is_attribute(tag) && tag != tags::SERIES_DESCRIPTION) || of_codes.contains(&tag)
}

/// What the header says of the values, beside Image Type and Rescale Type of each frame.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ValueHints {
    /// What names something else than attenuation, with the words that say so.
    pub map: Option<String>,
    /// The words or the code of a projection or a curved plane.
    pub projection: Option<String>,
    /// Whether the images are virtual monoenergetic ones.
    pub monoenergetic: bool,
    /// The energies of such images in keV, by Monoenergetic Energy Equivalent (0018,937C) and by words, each once. They differ
    /// where frames do, or where words contradict an attribute.
    pub energies_kev: Vec<f64>,
    /// The unit of the values by Real World Value Mapping, where none of the mappings is to Hounsfield units.
    pub mapped_unit: Option<String>,
    /// Whether Presentation LUT Shape (2050,0020) turns values over that Photometric Interpretation does not.
    pub inverted: bool,
}

/// The hints of a data set with its functional groups of all frames, or of one frame's functional group.
pub(crate) fn hints(fields: Fields<'_>) -> ValueHints {
    let mut hints = ValueHints::default();
    hints.read(fields, 0);
    let inverse = fields.code(tags::PRESENTATION_LUT_SHAPE).is_some_and(|shape| shape == "INVERSE");
    let photometric = fields.code(tags::PHOTOMETRIC_INTERPRETATION);
    hints.inverted = inverse && photometric.is_some_and(|photometric| photometric == "MONOCHROME2");
    hints.energies_kev.sort_by(f64::total_cmp);
    hints.energies_kev.dedup();
    hints
}

impl ValueHints {
    /// These hints, and those of `outer` where there are none; the energies of both, as one that contradicts is not to be lost.
    pub(crate) fn over(self, outer: &Self) -> Self {
        let text = |own: Option<String>, outer: &Option<String>| own.or_else(|| outer.clone());
        let mut energies_kev: Vec<f64> =
            self.energies_kev.into_iter().chain(outer.energies_kev.iter().copied()).collect();
        energies_kev.sort_by(f64::total_cmp);
        energies_kev.dedup();
        Self {
            map: text(self.map, &outer.map),
            projection: text(self.projection, &outer.projection),
            monoenergetic: self.monoenergetic || outer.monoenergetic,
            energies_kev,
            mapped_unit: text(self.mapped_unit, &outer.mapped_unit),
            inverted: self.inverted || outer.inverted,
        }
    }

    /// Reads a data set or an item, and what it holds.
    fn read(&mut self, fields: Fields<'_>, depth: usize) {
        for text in TEXTS.into_iter().filter_map(|tag| fields.text(tag)) {
            self.take(&read_description(&text));
        }
        for tag in TYPES {
            self.take(&words_of(&fields.codes(tag)));
        }
        let equivalents = fields.numbers(tags::MONOENERGETIC_ENERGY_EQUIVALENT).unwrap_or_default();
        for kev in equivalents.into_iter().filter(|kev| kev.is_finite() && *kev > 0.0) {
            self.monoenergetic = true;
            self.energies_kev.push(kev);
        }
        if fields.is_empty_sequence(tags::MULTIENERGY_CT_CHARACTERISTICS_SEQUENCE) {
            self.map.get_or_insert_with(|| "multi-energy characteristics, which are empty".to_owned());
        }
        for code in fields.items(tags::DERIVATION_CODE_SEQUENCE) {
            self.read_derivation(code);
        }
        self.mapped_unit = self.mapped_unit.take().or_else(|| mapped_unit(fields));
        if depth < DEEPEST {
            for item in NESTED.into_iter().flat_map(|tag| fields.items(tag)) {
                self.read(item, depth + 1);
            }
        }
    }

    /// A derivation by its code, and by the words of its meaning.
    fn read_derivation(&mut self, code: Fields<'_>) {
        let value = code.text(tags::CODE_VALUE);
        let known = DERIVATIONS.iter().find(|(known, _)| value.as_deref() == Some(known));
        if let Some((value, kind)) = known {
            self.take(&ValueWords {
                found: vec![(*kind, format!("derivation code {value}"))],
                energies_kev: Vec::new(),
            });
        }
        if let Some(meaning) = code.text(tags::CODE_MEANING) {
            self.take(&read_description(&meaning));
        }
    }

    fn take(&mut self, words: &ValueWords) {
        let map = || words.first_of(&MAPS).map(|(kind, text)| format!("{text:?}, {}", kind_name(kind)));
        let projection = || words.first_of(&[ValueKind::Projection]).map(|(_, text)| text.to_owned());
        self.map = self.map.take().or_else(map);
        self.projection = self.projection.take().or_else(projection);
        self.monoenergetic |= words.first_of(&[ValueKind::Monoenergetic]).is_some();
        self.energies_kev.extend(&words.energies_kev);
    }
}

/// The unit of the mappings of a data set or item (PS3.3 section C.7.6.16.2.11), unless one is to Hounsfield units.
fn mapped_unit(fields: Fields<'_>) -> Option<String> {
    let units = fields.items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE);
    let units = units.flat_map(|mapping| mapping.items(tags::MEASUREMENT_UNITS_CODE_SEQUENCE));
    let named: Vec<[Option<String>; 2]> =
        units.map(|unit| [unit.text(tags::CODE_VALUE), unit.text(tags::CODE_MEANING)]).collect();
    let hounsfield = named.iter().flatten().flatten().any(|name| is_hounsfield(name));
    named.into_iter().flatten().flatten().next().filter(|_| !hounsfield)
}
