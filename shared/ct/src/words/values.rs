//! What words say of the pixel values: that they are no attenuation, or that the image shows no plane.
//!
//! Descriptions and the values of Image Type are read by the same tables, one a language; Image Type has a table more.

use std::sync::LazyLock;

use super::contrast_tables::{Kind, LEXICON};
use super::lexicon::{Hit, Lexicon, is_number};
use super::tokens::{Token, Tokens, tokens};
use super::value_tables::{Entry, image_type_table, tables};

/// What a word or phrase of a text says of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// Virtual non-contrast: the medium is taken out of an enhanced scan.
    VirtualNative,
    /// The share of a material, an atomic number, a density, or a material taken out.
    Material,
    /// Parameters of perfusion.
    Perfusion,
    /// A dynamic series; its maps where the images are derived. Named by Image Type alone.
    PerfusionDerived,
    /// One scan less another.
    Subtraction,
    /// Computed in another way that leaves no attenuation: deviations, colours, labels, fused images.
    Processed,
    /// Virtual monoenergetic images.
    Monoenergetic,
    /// Projections, renderings and curved planes.
    Projection,
    /// A localizer. Named by Image Type alone.
    Localizer,
    /// A page of text, or a screen. Named by Image Type alone.
    Screen,
}

/// What a text says of the values.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ValueWords {
    /// What is named, each with its words as they stand in the text.
    pub found: Vec<(ValueKind, String)>,
    /// Energies of monoenergetic images in keV.
    pub energies_kev: Vec<f64>,
}

impl ValueWords {
    /// The words of the first of `kinds` that is named.
    pub fn first_of(&self, kinds: &[ValueKind]) -> Option<(ValueKind, &str)> {
        self.found.iter().find(|(kind, _)| kinds.contains(kind)).map(|(kind, words)| (*kind, words.as_str()))
    }
}

/// Energies that are taken for such, in keV; other numbers beside "keV" are something else.
const ENERGIES_KEV: std::ops::RangeInclusive<f64> = 30.0..=250.0;
/// Concentrations of agents in milligrams of iodine a millilitre: "iodine 350".
const CONCENTRATIONS: std::ops::RangeInclusive<f64> = 200.0..=450.0;
/// Units of a number that is therefore no energy: "mono 120 kV".
const OTHER_UNITS: [&str; 14] = ["kv", "kvp", "ma", "mas", "mm", "cm", "ml", "cc", "ms", "s", "sec", "min", "hu", "x"];
/// Abbreviations that are glued to the word before them: `CHESTMIP`, `LiverVNC`.
const ENDINGS: [&str; 6] = ["minips", "minip", "mips", "mip", "vrt", "vnc"];
/// Tokens of the longest phrase of contrast that is looked for before a material.
const LONGEST_BEFORE: usize = 3;

static OF_TEXTS: LazyLock<Lexicon<Entry>> = LazyLock::new(|| Lexicon::new(tables()));

/// The later table outranks the earlier ones where their phrases are alike.
static OF_IMAGE_TYPE: LazyLock<Lexicon<Entry>> =
    LazyLock::new(|| Lexicon::new(tables().into_iter().chain([image_type_table()])));

/// What a description says.
pub(super) fn read_description(text: &str) -> ValueWords {
    read(text, &OF_TEXTS)
}

/// What one value of Image Type says.
pub(super) fn read_image_type(value: &str) -> ValueWords {
    read(value, &OF_IMAGE_TYPE)
}

fn read(text: &str, lexicon: &Lexicon<Entry>) -> ValueWords {
    let mut tokens = tokens(text);
    tokens.list = part_endings(tokens.list);
    let mut words = ValueWords::default();
    for hit in lexicon.hits(&tokens.list) {
        let energies = match hit.meaning {
            Entry::EnergyUnit => energies_beside(&tokens, &hit),
            Entry::Monoenergetic | Entry::EnergyBehind => number_from(&tokens, hit.to).into_iter().collect(),
            _ => Vec::new(),
        };
        let energies: Vec<f64> = energies.into_iter().filter(|kev| ENERGIES_KEV.contains(kev)).collect();
        if let Some(kind) = kind_of(&tokens, &hit, !energies.is_empty()) {
            words.found.push((kind, written(&tokens, &hit)));
            words.energies_kev.extend(energies);
        }
    }
    words
}

/// What a hit names in its text; `has_energy` where an energy stands beside it.
fn kind_of(tokens: &Tokens<'_>, hit: &Hit<Entry>, has_energy: bool) -> Option<ValueKind> {
    let alone = hit.from == 0 && hit.to == tokens.list.len();
    let when = |holds: bool, kind| holds.then_some(kind);
    match hit.meaning {
        Entry::VirtualNative => Some(ValueKind::VirtualNative),
        Entry::Material | Entry::MaterialName => Some(ValueKind::Material),
        Entry::Substance => when(!is_medium(&tokens.list, hit), ValueKind::Material),
        Entry::Perfusion => Some(ValueKind::Perfusion),
        Entry::PerfusionDerived => Some(ValueKind::PerfusionDerived),
        Entry::Subtraction => Some(ValueKind::Subtraction),
        Entry::SubtractionAlone => when(alone, ValueKind::Subtraction),
        Entry::Processed => Some(ValueKind::Processed),
        Entry::Monoenergetic | Entry::EnergyUnit => Some(ValueKind::Monoenergetic),
        Entry::EnergyBehind => when(has_energy, ValueKind::Monoenergetic),
        Entry::Projection => Some(ValueKind::Projection),
        Entry::ProjectionAlone => when(alone, ValueKind::Projection),
        Entry::Localizer => Some(ValueKind::Localizer),
        Entry::Screen => Some(ValueKind::Screen),
        Entry::ScreenAlone => when(alone, ValueKind::Screen),
        Entry::Nothing => None,
    }
}

/// Whether the material of `hit` is the medium of a scan: "with iodine", "iodine contrast", "iodine 350".
fn is_medium(tokens: &[Token], hit: &Hit<Entry>) -> bool {
    let behind = LEXICON.longest_at(tokens, hit.to).is_some_and(|(kind, _)| {
        matches!(kind, Kind::Contrast | Kind::Weak | Kind::Agent | Kind::Dose | Kind::Iv | Kind::Given)
    });
    let concentration = tokens.get(hit.to).and_then(|token| token.text.parse::<f64>().ok());
    let before =
        (1..=LONGEST_BEFORE).filter_map(|used| Some((hit.from.checked_sub(used)?, used))).any(|(from, used)| {
            let phrase = LEXICON.longest_at(tokens.get(..hit.from).unwrap_or_default(), from);
            phrase.is_some_and(|(kind, taken)| taken == used && introduces_medium(kind))
        });
    behind || before || concentration.is_some_and(|number| CONCENTRATIONS.contains(&number))
}

fn introduces_medium(kind: Kind) -> bool {
    let openers = matches!(kind, Kind::With | Kind::Without | Kind::Not | Kind::Post | Kind::Filler);
    openers || matches!(kind, Kind::Agent | Kind::Dose | Kind::Iv | Kind::Oral | Kind::Contrast | Kind::Given)
}

/// The energies before a unit, which may be several ("40/70 keV"), else the one behind it.
fn energies_beside(tokens: &Tokens<'_>, unit: &Hit<Entry>) -> Vec<f64> {
    let mut energies = Vec::new();
    let mut end = unit.from;
    while let Some((number, start)) = number_until(tokens, end) {
        energies.push(number);
        let Some(before) = start.checked_sub(1) else { break };
        let joined = tokens.list.get(before).is_some_and(|token| matches!(token.text.as_str(), "/" | "+" | "&" | "to"));
        end = match joined {
            true => before,
            false if gap(tokens, before).is_some_and(|gap| gap.contains(['-', ',', ';'])) => start,
            false => break,
        };
    }
    if energies.is_empty() {
        energies.extend(number_from(tokens, unit.to));
    }
    energies
}

/// The number that ends before token `end`, and the token that it begins with.
fn number_until(tokens: &Tokens<'_>, end: usize) -> Option<(f64, usize)> {
    let last = end.checked_sub(1)?;
    let fraction =
        |start: usize| gap(tokens, start).filter(|gap| matches!(*gap, "." | ",")).and(number_at(tokens, start));
    match last.checked_sub(1).and_then(|start| Some((fraction(start)?, start))) {
        Some(whole) => Some(whole),
        None => Some((number_at(tokens, last)?, last)),
    }
}

/// The number that begins at token `start`, save one with another unit.
fn number_from(tokens: &Tokens<'_>, start: usize) -> Option<f64> {
    let number = number_at(tokens, start)?;
    let unit = tokens.list.get(start + 1).map(|token| token.text.as_str());
    unit.is_none_or(|unit| !OTHER_UNITS.contains(&unit)).then_some(number)
}

/// The number at token `start`, with its fraction.
fn number_at(tokens: &Tokens<'_>, start: usize) -> Option<f64> {
    let digits = |at: usize| tokens.list.get(at).map(|token| token.text.as_str()).filter(|text| is_number(text));
    let whole = digits(start)?;
    let fraction = gap(tokens, start).filter(|gap| matches!(*gap, "." | ",")).and_then(|_| digits(start + 1));
    match fraction {
        Some(fraction) => format!("{whole}.{fraction}").parse().ok(),
        None => whole.parse().ok(),
    }
}

/// What stands in the text between token `at` and the next.
fn gap<'t>(tokens: &'t Tokens<'_>, at: usize) -> Option<&'t str> {
    let (one, next) = (tokens.list.get(at)?, tokens.list.get(at + 1)?);
    tokens.source.get(one.end..next.start)
}

/// The words of `hit` as they stand in the text.
fn written(tokens: &Tokens<'_>, hit: &Hit<Entry>) -> String {
    let ends = tokens.list.get(hit.from).zip(hit.to.checked_sub(1).and_then(|last| tokens.list.get(last)));
    ends.and_then(|(first, last)| tokens.source.get(first.start..last.end)).unwrap_or_default().to_owned()
}

/// Parts words from an abbreviation of [`ENDINGS`] that is glued to them.
fn part_endings(tokens: Vec<Token>) -> Vec<Token> {
    let mut parted = Vec::with_capacity(tokens.len());
    for token in tokens {
        let glued = |ending: &&&str| token.text.len() > ending.len() + 1 && token.text.ends_with(**ending);
        let ending = ENDINGS.iter().find(glued).filter(|_| token.end - token.start == token.text.len());
        let head = ending.and_then(|ending| token.text.split_at_checked(token.text.len() - ending.len()));
        match head {
            // The text has as many bytes as the token, so a byte of the one is a byte of the other.
            Some((head, tail)) => {
                let middle = token.start + head.len();
                parted.push(Token { text: head.to_owned(), start: token.start, end: middle });
                parted.push(Token { text: tail.to_owned(), start: middle, end: token.end });
            }
            None => parted.push(token),
        }
    }
    parted
}

#[cfg(test)]
mod tests;
