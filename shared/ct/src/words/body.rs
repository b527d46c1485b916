//! Body parts named by Body Part Examined (0018,0015) and by the words of descriptions.

use std::sync::LazyLock;

use bolus_study::BodyPart::{self, Abdomen, Chest, Extremity, HeadNeck, Pelvis};
use serde::Deserialize;
use serde::de::Error as _;

use super::lexicon::{Hit, Lexicon, Table, table};
use super::tokens::{Token, tokens};

/// What a phrase names: body parts, or one of the words that join and end ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// These parts, as bits in the order of [`BodyPart::ALL`].
    Parts(u8),
    /// "To" between two parts.
    Range,
    /// The lower end of a PET/CT's range, else a limb.
    Thigh,
    /// An ending of a word made of stems.
    Ending,
}

impl<'de> Deserialize<'de> for Name {
    /// `chest+abdomen`, `none`, `range`, `thigh` or `ending`.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.as_str() {
            "none" => Self::Parts(0),
            "range" => Self::Range,
            "thigh" => Self::Thigh,
            "ending" => Self::Ending,
            parts => {
                let bits = parts.split('+').map(|name| {
                    let part = BodyPart::ALL.into_iter().find(|part| part.as_str() == name);
                    part.map(bit).ok_or_else(|| D::Error::custom(format!("{name} is no body part")))
                });
                Self::Parts(bits.sum::<Result<u8, _>>()?)
            }
        })
    }
}

fn bit(part: BodyPart) -> u8 {
    match part {
        HeadNeck => 1,
        Chest => 2,
        Abdomen => 4,
        Pelvis => 8,
        Extremity => 16,
    }
}

static WORDS: LazyLock<Lexicon<Name>> = LazyLock::new(|| Lexicon::new([table_of_words()]));

pub(super) fn table_of_words() -> Table<Name> {
    table(include_str!("tables/body.toml"))
}

/// Stems, the longest first.
static STEMS: LazyLock<Vec<(String, Name)>> = LazyLock::new(|| {
    let table: Table<Name> = table(include_str!("tables/body_stems.toml"));
    let mut stems: Vec<(String, Name)> =
        table.into_iter().flat_map(|(name, stems)| stems.into_iter().map(move |stem| (stem, name))).collect();
    stems.sort_by_key(|(stem, _)| std::cmp::Reverse(stem.len()));
    stems
});

/// The parts that the words of `text` name, in the order of the body, each once.
pub(super) fn body_parts_of_words(text: &str) -> Vec<BodyPart> {
    let tokens = part_glued(tokens(text).list);
    let mut hits: Vec<Hit<Name>> = Vec::new();
    let mut from = 0;
    while from < tokens.len() {
        let (meaning, used) = name_at(&tokens, from).unwrap_or((Name::Ending, 1));
        hits.extend((meaning != Name::Ending).then_some(Hit { meaning, from, to: from + used }));
        from += used.max(1);
    }
    in_body_order(parts_of(&hits))
}

/// What the tokens at `from` name, and how many they are. A word made of stems is not read by how it starts:
/// `CHESTABDPEL` is no chest.
fn name_at(tokens: &[Token], from: usize) -> Option<(Name, usize)> {
    let listed = WORDS.longest_at(tokens, from);
    if listed.is_some_and(|(_, used)| used > 1) {
        return listed;
    }
    let stems = tokens.get(from).and_then(|token| of_stems(&token.text));
    stems.map(|stems| (Name::Parts(stems.parts), 1)).or(listed)
}

/// All bits from the lowest to the highest of `bits`.
fn filled(bits: u8) -> u8 {
    if bits == 0 {
        return 0;
    }
    let (low, high) = (bits.trailing_zeros(), 7 - bits.leading_zeros());
    (low..=high).fold(0, |all, place| all | 1 << place)
}

/// The parts of all `hits`, with those between the ends of ranges.
fn parts_of(hits: &[Hit<Name>]) -> u8 {
    const TRUNK: u8 = 2 | 4 | 8;
    let named = |hit: &Hit<Name>| match hit.meaning {
        Name::Parts(parts) => parts,
        _ => 0,
    };
    let mut all = hits.iter().fold(0, |all, hit| all | named(hit));
    for three in hits.windows(3) {
        if let [first, Hit { meaning: Name::Range, .. }, last] = three
            && last.from - first.to <= MOST_BETWEEN
        {
            let end = if last.meaning == Name::Thigh { bit(Pelvis) } else { named(last) };
            let start = if first.meaning == Name::Thigh { bit(Pelvis) } else { named(first) };
            if start != 0 && end != 0 {
                all |= filled(start | end);
            }
        }
    }
    if hits.iter().any(|hit| hit.meaning == Name::Thigh) {
        // "Skull thigh" is the range of a PET/CT also where the word between is lost.
        all |= if all & bit(HeadNeck) != 0 {
            TRUNK
        } else if hits.iter().any(|hit| hit.meaning == Name::Range) {
            0
        } else {
            bit(Extremity)
        };
    }
    all
}

/// Letters of the shortest word that is read by its stems.
const SHORTEST_OF_STEMS: usize = 5;

/// Tokens that may stand between the ends of a range: "skull base to the mid thigh".
const MOST_BETWEEN: usize = 4;

/// A word made of stems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stems {
    parts: u8,
    count: usize,
    /// Bytes of the ending behind the last stem.
    ending: usize,
}

/// The parts of a word that is made of stems alone: at least two, or one behind a leading CT or before an ending of
/// two letters or more.
fn of_stems(word: &str) -> Option<Stems> {
    if word.len() < SHORTEST_OF_STEMS {
        return None;
    }
    let read = |text: &str| made_of_stems(text, Stems { parts: 0, count: 0, ending: 0 });
    let behind_ct = word.strip_prefix("ct").and_then(read);
    behind_ct.or_else(|| read(word).filter(|stems| stems.count > 1 || stems.ending > 1))
}

/// What `text` is made of, behind the stems that are `read`.
fn made_of_stems(text: &str, read: Stems) -> Option<Stems> {
    if text.is_empty() {
        return (read.count > 0).then_some(read);
    }
    STEMS.iter().find_map(|(stem, name)| {
        let rest = text.strip_prefix(stem.as_str())?;
        match name {
            Name::Parts(more) => made_of_stems(rest, Stems { parts: read.parts | more, count: read.count + 1, ..read }),
            Name::Ending => (rest.is_empty() && read.count > 0).then_some(Stems { ending: stem.len(), ..read }),
            Name::Range | Name::Thigh => None,
        }
    })
}

/// Parts a word from an ending of two letters or more that is glued to it: `CTCAPWO` is `ctcap wo`.
pub(super) fn part_glued(tokens: Vec<Token>) -> Vec<Token> {
    let mut parted = Vec::with_capacity(tokens.len());
    for token in tokens {
        let ending = of_stems(&token.text).map_or(0, |stems| stems.ending);
        let at = token.text.len() - ending;
        // Stems are ASCII, so a byte of the token is a byte of the text.
        match token.text.split_at_checked(at) {
            Some((head, tail)) if ending > 1 && token.end - token.start == token.text.len() => {
                let middle = token.start + at;
                parted.push(Token { text: head.to_owned(), start: token.start, end: middle });
                parted.push(Token { text: tail.to_owned(), start: middle, end: token.end });
            }
            _ => parted.push(token),
        }
    }
    parted
}

/// How many tokens at `from` name a body part; none where they name none.
pub(super) fn length_at(tokens: &[Token], from: usize) -> usize {
    match name_at(tokens, from) {
        Some((Name::Parts(parts), used)) if parts != 0 => used,
        Some((Name::Thigh, used)) => used,
        _ => 0,
    }
}

/// The parts that a value of Body Part Examined names (PS3.16 annex L, with the run-together values of CID 4031 such
/// as `CHESTABDPELVIS`). Values that name no part (`PARTIALBODY`, `WHOLEBODY`, unknown ones) give none.
pub(super) fn body_parts_of_tag(value: &str) -> Vec<BodyPart> {
    let letters: String = value.to_ascii_uppercase().chars().filter(char::is_ascii_alphabetic).collect();
    if ["WHOLEBODY", "PARTIALBODY", "BODY", "TRUNK"].contains(&letters.as_str()) {
        return Vec::new();
    }
    let by_words = body_parts_of_words(value);
    if !by_words.is_empty() {
        return by_words;
    }
    let joined: &[(&str, BodyPart)] = &[
        ("HEAD", HeadNeck),
        ("NECK", HeadNeck),
        ("CHEST", Chest),
        ("THORAX", Chest),
        ("ABD", Abdomen),
        ("PELV", Pelvis),
    ];
    in_body_order(joined.iter().filter(|(name, _)| letters.contains(name)).fold(0, |all, (_, part)| all | bit(*part)))
}

fn in_body_order(parts: u8) -> Vec<BodyPart> {
    BodyPart::ALL.into_iter().filter(|part| parts & bit(*part) != 0).collect()
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
