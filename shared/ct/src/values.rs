//! What the pixel values of an instance measure, by its header: Hounsfield units, or something that only looks like them.
//!
//! Four places say so, and writers use them as they like: Image Type and Frame Type (PS3.3 sections C.8.2.1.1.1 and C.8.16.1.4, and
//! C.8.2.1.1.1.3 for multi-energy), Rescale Type (C.11.1.1.2), the multi-energy attributes (C.8.15.3.16), and the words of the
//! descriptions. Any of them is enough.

use bolus_study::{Reason, ReasonCode, Remark, RemarkCode};
use dicom_dictionary_std::tags;
use serde::Serialize;

use crate::header::Fields;
use crate::{FrameInfo, Instance};

/// Energies of virtual monoenergetic images in keV whose contrast is near that of a tube voltage of 120 kV.
const LIKE_A_TUBE_KEV: std::ops::RangeInclusive<f64> = 60.0..=80.0;
/// Energies that are taken for such; other numbers before "keV" are something else.
const ANY_KEV: std::ops::RangeInclusive<f64> = 30.0..=250.0;

/// Values of Image Type that name something else than attenuation.
const MAP_TYPES: &[&str] = &[
    "MAT_SPECIFIC",
    "MAT_REMOVED",
    "MAT_FRACTIONAL",
    "MAT_MODIFIED",
    "MAT_VALUE_BASED",
    "EFF_ATOMIC_NUM",
    "ELECTRON_DENSITY",
    "Z_EFF",
    "ZEFF",
    "MATERIAL_DENSITY",
    "IODINE",
    "IODINE_MAP",
    "IODINE_DENSITY",
    "VNC",
    "VIRTUAL_NONCONTRAST",
    "VIRTUAL_NON_CONTRAST",
    "SUBTRACTION",
    "SUBTRACTED",
    "CBF",
    "CBV",
    "MTT",
    "TTP",
    "TMAX",
    "PBV",
    "STD_DEVIATION",
    "DIVISION",
    "MULTIPLICATION",
];
/// Values of Image Type of virtual monoenergetic images.
const MONO_TYPES: &[&str] =
    &["VMI", "MONOENERGETIC", "MONOCHROMATIC", "VIRTUAL_MONOENERGETIC", "MONO E", "MONOE", "GSI MONO"];

/// Phrases of descriptions that name something else than attenuation, as [`words`] gives them; a star takes any ending.
const MAP_PHRASES: &[&str] = &[
    "iodine map*",
    "iodine density",
    "iodine overlay",
    "iodine no water",
    "iodine water",
    "iodine conc*",
    "iodine only",
    "iodine image*",
    "iodine mg*",
    "iodine uptake",
    "iodine quant*",
    "iodine pbv",
    "water iodine",
    "calcium water",
    "water calcium",
    "hap water",
    "water hap",
    "md iodine",
    "md water",
    "md calcium",
    "md hap",
    "md fat",
    "md uric*",
    "gsi iodine",
    "gsi water",
    "jodkarte*",
    "jodbild*",
    "iodkarte*",
    "carte iode",
    "carte d iode",
    "cartographie iode",
    "mapa yodo",
    "mapa de yodo",
    "mappa iodio",
    "mappa di iodio",
    "z eff*",
    "zeff*",
    "effective z",
    "eff z",
    "effective atomic*",
    "rho z",
    "rhoz",
    "electron density",
    "elektronendichte",
    "densite electronique",
    "uric acid",
    "vnc",
    "vnca",
    "virtual non*",
    "virtual native*",
    "virtual nativ",
    "virtual unenhanced",
    "virtuell nativ*",
    "virtuell native*",
    "virtuelle nativ*",
    "sans contraste virtuel*",
    "subtraction*",
    "subtracted",
    "subtrahiert*",
    "soustraction*",
    "sustraccion*",
    "cbf",
    "cbv",
    "rcbf",
    "rcbv",
    "mtt",
    "ttp",
    "tmax",
    "pbv",
    "perfusion map*",
    "perfused blood volume",
    "blood flow",
    "blood volume",
    "mean transit time",
    "time to peak",
    "permeability",
];
/// Phrases of virtual monoenergetic images.
const MONO_PHRASES: &[&str] = &["mono*energ*", "monoe", "monochrom*", "mono e", "mono plus", "vmi", "virtual mono*"];

/// Values of Image Type that mark what a person or a program put on a page: screens, dose and protocol pages.
const SCREEN_TYPES: &[&str] = &[
    "PROT",
    "PROTOCOL",
    "DOSE",
    "DOSE_INFO",
    "DOSE_REPORT",
    "SCREEN SAVE",
    "SCREENSAVE",
    "SCREEN_SAVE",
    "PATIENT_INFO",
    "REF_SURVIEW",
    "EVAL_RESULT",
    "FUSED",
];
/// Values of Image Type of projections, which show no plane: also value 4 of an Enhanced CT's.
const PROJECTION_TYPES: &[&str] = &[
    "MIP",
    "MINIP",
    "VRT",
    "CPR",
    "CURVED",
    "CSA MPR CURVED",
    "MAXIMUM",
    "MINIMUM",
    "MAX_IP",
    "MIN_IP",
    "SSD",
    "VR",
    "VOLREN",
    "VOLUME RENDERED",
    "3D",
];

/// What the header says of the values, beside Image Type and Rescale Type of each frame.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ValueHints {
    /// The phrase of the descriptions that names something else than attenuation.
    pub map_by_words: Option<String>,
    /// Whether the images are virtual monoenergetic ones by words or attributes.
    pub monoenergetic: bool,
    /// The energy of such images in keV, by Monoenergetic Energy Equivalent (0018,937C) or else by words.
    pub kev: Option<f64>,
}

impl ValueHints {
    /// These hints, and those of `outer` where there are none.
    pub(crate) fn over(self, outer: &Self) -> Self {
        Self {
            map_by_words: self.map_by_words.or_else(|| outer.map_by_words.clone()),
            monoenergetic: self.monoenergetic || outer.monoenergetic,
            kev: self.kev.or(outer.kev),
        }
    }
}

/// Collects the hints of a data set, or of one frame's functional group.
pub(crate) fn hints(fields: Fields<'_>) -> ValueHints {
    let described = [tags::SERIES_DESCRIPTION, tags::DERIVATION_DESCRIPTION, tags::IMAGE_COMMENTS];
    let texts: Vec<Vec<String>> =
        described.into_iter().filter_map(|tag| fields.text(tag)).map(|text| words(&text)).collect();
    let by_attribute = equivalent_kev(fields);
    let by_words = texts.iter().find_map(|words| kev_of(words));
    ValueHints {
        map_by_words: texts.iter().find_map(|words| phrase_in(words, MAP_PHRASES)).map(str::to_owned),
        monoenergetic: by_attribute.is_some()
            || by_words.is_some()
            || texts.iter().any(|words| phrase_in(words, MONO_PHRASES).is_some()),
        kev: by_attribute.or(by_words),
    }
}

/// Monoenergetic Energy Equivalent, which stands in Multi-energy CT Characteristics, of the instance or of the functional group of all
/// frames. Those of one frame are asked by themselves.
fn equivalent_kev(fields: Fields<'_>) -> Option<f64> {
    let group = |fields: Fields<'_>| {
        let inner = fields.items(tags::MULTIENERGY_CT_CHARACTERISTICS_SEQUENCE);
        inner.into_iter().find_map(|item| item.number(tags::MONOENERGETIC_ENERGY_EQUIVALENT))
    };
    let shared = || fields.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).find_map(group);
    let own = fields.number(tags::MONOENERGETIC_ENERGY_EQUIVALENT);
    own.or_else(|| group(fields)).or_else(shared).filter(|kev| *kev > 0.0)
}

/// Lower-case runs of letters or of digits.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = None;
    for character in text.chars().flat_map(char::to_lowercase) {
        let kind = (character.is_alphanumeric()).then(|| character.is_numeric());
        match (kind, words.last_mut()) {
            (None, _) => {}
            (Some(_), Some(word)) if last == kind => word.push(character),
            (Some(_), _) => words.push(character.into()),
        }
        last = kind;
    }
    words
}

/// The number before or behind "keV".
fn kev_of(words: &[String]) -> Option<f64> {
    let place = words.iter().position(|word| word == "kev")?;
    let near = [place.checked_sub(1), place.checked_add(1)];
    let number = |index: Option<usize>| words.get(index?)?.parse::<f64>().ok();
    near.into_iter().find_map(number).filter(|kev| ANY_KEV.contains(kev))
}

/// The first of `phrases` that stands in `words`.
fn phrase_in(words: &[String], phrases: &[&'static str]) -> Option<&'static str> {
    phrases.iter().copied().find(|phrase| {
        let parts: Vec<&str> = phrase.split(' ').collect();
        words.windows(parts.len()).any(|window| window.iter().zip(&parts).all(|(word, part)| fits(word, part)))
    })
}

/// Whether `word` is `pattern`, whose stars stand for anything.
fn fits(word: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| word.strip_prefix(start)) else { return false };
    let mut open = false;
    for part in parts {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
        open = part.is_empty();
    }
    rest.is_empty() || open
}

/// Why the values of a frame are not those that a network of tube-voltage images takes; `None` where they are, or may be.
///
/// Image Type, Rescale Type and energy are the frame's own; the descriptions of the instance speak for all of its frames.
pub(crate) fn value_judgement(instance: &Instance, frame: &FrameInfo) -> Option<Reason> {
    let judged = |code, detail: String| Some(Reason::judgement(code, detail));
    if let Some(reason) = rescale_judgement(frame.rescale_type.as_deref()) {
        return Some(reason);
    }
    if let Some(kind) = named(&frame.image_type, MAP_TYPES) {
        return judged(ReasonCode::MaterialMap, format!("image type {kind}"));
    }
    let derived = frame.image_type.first().is_some_and(|value| value.eq_ignore_ascii_case("DERIVED"));
    if derived && let Some(kind) = named(&frame.image_type, &["PERFUSION"]) {
        return judged(ReasonCode::MaterialMap, format!("derived images of image type {kind}"));
    }
    let values = frame.values(instance);
    if let Some(phrase) = &values.map_by_words {
        return judged(ReasonCode::MaterialMap, format!("the description speaks of {phrase:?}"));
    }
    if !is_monoenergetic(values, frame) {
        return None;
    }
    match values.kev {
        Some(kev) if LIKE_A_TUBE_KEV.contains(&kev) => None,
        Some(kev) => judged(
            ReasonCode::MaterialMap,
            format!("virtual monoenergetic images of {kev} keV, 60 to 80 keV are taken"),
        ),
        None => judged(ReasonCode::MaterialMap, "virtual monoenergetic images of an unknown energy".to_owned()),
    }
}

/// What is told of monoenergetic images that are taken.
pub(crate) fn value_remark(instance: &Instance, frame: &FrameInfo) -> Option<Remark> {
    let values = frame.values(instance);
    let kev = values.kev.filter(|_| is_monoenergetic(values, frame))?;
    Some(Remark::new(RemarkCode::Monoenergetic, format!("virtual monoenergetic images of {kev} keV")))
}

fn is_monoenergetic(values: &ValueHints, frame: &FrameInfo) -> bool {
    values.monoenergetic || named(&frame.image_type, MONO_TYPES).is_some()
}

/// The value of an Image Type that names something else than planes of attenuation as a tube voltage shows it.
pub(crate) fn unlike_plain(image_type: &[String]) -> Option<&'static str> {
    [MAP_TYPES, PROJECTION_TYPES, MONO_TYPES, SCREEN_TYPES].into_iter().find_map(|names| named(image_type, names))
}

/// Rescale Type (PS3.3 section C.11.1.1.2): `HU` and what writers make of it (`Hounsfield`, `Houndsfield Unit`) are taken.
fn rescale_judgement(unit: Option<&str>) -> Option<Reason> {
    let unit = unit?;
    let upper = unit.trim().to_ascii_uppercase();
    match upper.as_str() {
        "" => None,
        "HU_MOD" => Some(Reason::judgement(
            ReasonCode::MaterialMap,
            "rescale type HU_MOD: Hounsfield units that were changed, for example by taking a material out",
        )),
        "MGML" | "Z_EFF" | "ED" | "EDW" | "PCT" => {
            Some(Reason::judgement(ReasonCode::MaterialMap, format!("rescale type {upper}, HU expected")))
        }
        other if other.starts_with("HU") || other.starts_with("HOUN") => None,
        _ => Some(Reason::judgement(
            ReasonCode::NotHounsfield,
            format!("rescale type {}, HU expected", unit.escape_debug()),
        )),
    }
}

/// The screen that the frame is a page of, by Image Type.
pub(crate) fn screen_type(frame: &FrameInfo) -> Option<&'static str> {
    named(&frame.image_type, SCREEN_TYPES)
}

/// Why the frame shows no plane: projections, renderings and curved reformats, by Image Type or by the words of the series.
pub(crate) fn projection_judgement(instance: &Instance, frame: &FrameInfo) -> Option<Reason> {
    let detail = match named(&frame.image_type, PROJECTION_TYPES) {
        Some(kind) => format!("image type {kind}: a projection or a curved plane"),
        None if instance.projection_by_words => "the description speaks of a projection or a curved plane".to_owned(),
        None => return None,
    };
    Some(Reason::judgement(ReasonCode::Derived, detail))
}

/// The first of `names` that is a value of an Image Type or one of a value's words.
pub(crate) fn named(image_type: &[String], names: &[&'static str]) -> Option<&'static str> {
    let is = |value: &str, name: &str| {
        value.trim().eq_ignore_ascii_case(name)
            || (!name.contains(' ') && value.split_whitespace().any(|word| word.eq_ignore_ascii_case(name)))
    };
    names.iter().copied().find(|name| image_type.iter().any(|value| is(value, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Option<&'static str> {
        phrase_in(&words(text), MAP_PHRASES)
    }

    #[test]
    fn descriptions_of_maps_are_told_from_others() {
        for text in [
            "Iodine(Water)",
            "Iodine no Water[mg/ml]",
            "Iodine map 5.0",
            "MD Water(Iodine)",
            "Z Effective",
            "ZEff",
            "Electron density",
            "VNC 3.0 Qr40",
            "Virtual non contrast[HU]",
            "virtual unenhanced",
            "rCBF",
            "MTT",
            "Tmax",
            "Lung PBV",
            "Subtraction",
            "Uric Acid",
            "virtuell native Bilder",
        ] {
            assert!(map(text).is_some(), "{text}");
        }
        for text in [
            "axial",
            "Abdomen w/ iodine contrast",
            "Thorax 5.0 B30f",
            "TNC",
            "Perfusion 5.0 H30s",
            "True non contrast",
            "Water bottle",
            "native",
            "MonoE 70keV[HU]",
            "70 kV",
            "Blutung",
            "AVERAGE 5 mm",
            "portal venous",
            "Nativ",
        ] {
            assert_eq!(map(text), None, "{text}");
        }
    }

    #[test]
    fn energies_are_read_before_and_behind_their_unit() {
        let kev = |text: &str| kev_of(&words(text));
        assert_eq!(kev("MonoE 70keV[HU]"), Some(70.0));
        assert_eq!(kev("Mono+ 40 keV"), Some(40.0));
        assert_eq!(kev("keV 55"), Some(55.0));
        assert_eq!((kev("120 kV"), kev("series 5 keV"), kev("keV")), (None, None, None));
    }

    #[test]
    fn rescale_types_are_told() {
        let code = |unit: &str| rescale_judgement(Some(unit)).map(|reason| reason.code);
        for unit in ["HU", "hu ", "Hounsfield", "Houndsfield Unit", ""] {
            assert_eq!(code(unit), None, "{unit}");
        }
        for unit in ["MGML", "Z_EFF", "ED", "EDW", "PCT", "HU_MOD"] {
            assert_eq!(code(unit), Some(ReasonCode::MaterialMap), "{unit}");
        }
        assert_eq!(
            (code("US"), code("UNSPECIFIED")),
            (Some(ReasonCode::NotHounsfield), Some(ReasonCode::NotHounsfield))
        );
        assert!(rescale_judgement(Some("US")).is_some_and(|reason| reason.detail.contains("--allow not_hounsfield")));
    }

    #[test]
    fn image_types_are_compared_whole_and_by_word() {
        let types = |text: &str| text.split('\\').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(named(&types("DERIVED\\PRIMARY\\AXIAL\\MAT_SPECIFIC"), MAP_TYPES), Some("MAT_SPECIFIC"));
        assert_eq!(named(&types("derived\\secondary\\mip"), PROJECTION_TYPES), Some("MIP"));
        assert_eq!(named(&types("DERIVED\\SECONDARY\\OTHER\\CT_SOM5 PROT"), SCREEN_TYPES), Some("PROT"));
        let average = types("DERIVED\\SECONDARY\\REFORMATTED\\AVERAGE");
        assert_eq!((named(&average, PROJECTION_TYPES), named(&average, MAP_TYPES)), (None, None));
    }
}
