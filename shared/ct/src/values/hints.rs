//! Collects what the texts, codes and attributes of a header say of the values, beside Image Type and Rescale Type.

use dicom_dictionary_std::tags;

use super::image_type::words_of;
use super::kinds::{MAPS, kind_name};
use super::units::is_hounsfield;
use crate::ValueHints;
use crate::data_set::Fields;
use crate::data_set::value_attributes::{NESTED, TEXTS, TYPES};
use crate::words::{ValueKind, ValueWords, read_description};

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
