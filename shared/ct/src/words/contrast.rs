//! What the words of a description say about intravenous contrast.
//!
//! The tables give words a [`Kind`]; [`statements`](super::statements) joins them into statements (a negation and what
//! it denies, "with" and what it names); here the statements of a text become one reading.

use std::sync::LazyLock;

use bolus_study::Says;
use serde::Deserialize;

use super::body::part_glued;
use super::lexicon::{Lexicon, Table, table};
use super::statements::{Mark, Statement, statements};
use super::tokens::{Tokens, tokens};
use super::values::virtual_native_phrases;

/// Whether a text speaks of one series or of the whole study, which may hold series of both kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    /// Series Description, Protocol Name.
    Series,
    /// Study Description, the request and the procedure.
    Study,
}

/// What a word or phrase of the tables is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// "With", also where nothing follows that names the contrast ("CHEST W").
    With,
    /// "With" only before what it names: it means other things too ("con" is short for contrast in English).
    WithBefore,
    /// "Without", also where nothing follows.
    Without,
    /// "Without" only before what it denies ("sin" is a sinus in English).
    WithoutBefore,
    /// "No", "non", "not": before what it denies, or behind it.
    Not,
    /// "None", "not given": behind what it denies.
    NoAfter,
    /// "Before".
    Pre,
    /// "After".
    Post,
    /// "And", "or", "/".
    Join,
    /// May stand between "with" and what it names.
    Filler,
    /// A noun for the contrast medium.
    Contrast,
    /// A short form that means the contrast medium only behind "with", "without", "iv" or "+".
    Weak,
    /// A word that is [`Kind::Weak`] in one language and [`Kind::WithBefore`] in another.
    WithOrWeak,
    /// The name of an intravascular agent.
    Agent,
    /// An amount: "100 ml".
    Dose,
    /// An amount of nothing: "0 ml". It denies what stands behind it, else what stands before.
    ZeroDose,
    /// "Intravenous".
    Iv,
    /// "Oral", "rectal", and agents that are given so.
    Oral,
    /// "Enhanced", "injected".
    Enhanced,
    /// A whole phrase for "with contrast".
    Given,
    /// A whole phrase for "without contrast".
    Native,
    /// A whole phrase for "with and without".
    Both,
    /// A phase of the contrast, or an examination that has no sense without it.
    Phase,
    /// A short form of a phase, trusted in the words of a series.
    PhaseShort,
    /// Delays and protocols that hint at contrast, or at none, and do not say so.
    Hint,
    /// Virtual non-contrast: computed from an enhanced scan, and its pixels look native. Its phrases stand in the tables of
    /// values.
    #[serde(skip)]
    VirtualNative,
    /// Calcium scoring, which is done without contrast.
    CalciumScore,
    /// Bolus tracking and timing: few slices at one place, enhanced or not.
    Tracking,
    /// Localizers and reports: their words say nothing.
    Scout,
    /// A procedure: "pre" and "post" in the same text speak of it.
    Procedure,
    /// Planes, kernels and slabs: how a series was reconstructed.
    Plane,
    /// What "with" may stand before and yet mean the contrast: for whom or how the protocol is.
    Protocol,
    /// Reconstructions ordered with an examination: "with 3D" is no contrast.
    Recon,
    /// Nuclear medicine: "PET with CT" says nothing of contrast.
    Nuclear,
    /// "CT": "chest with CT" has its words turned about.
    Modality,
    /// Words that look like the above and are not.
    Nothing,
    /// A body part (from the tables of body parts).
    #[serde(skip)]
    Anatomy,
    /// A number.
    #[serde(skip)]
    Number,
    /// Everything else.
    #[serde(skip)]
    Other,
}

/// The tables, one a language or group of languages; abbreviations and agents are shared by all.
pub(super) const TABLES: [(&str, &str); 10] = [
    ("shared", include_str!("tables/shared.toml")),
    ("agents", include_str!("tables/agents.toml")),
    ("english", include_str!("tables/english.toml")),
    ("germanic", include_str!("tables/germanic.toml")),
    ("romance", include_str!("tables/romance.toml")),
    ("slavic", include_str!("tables/slavic.toml")),
    ("cyrillic", include_str!("tables/cyrillic.toml")),
    ("others", include_str!("tables/others.toml")),
    ("cjk", include_str!("tables/cjk.toml")),
    ("nordic", include_str!("tables/nordic.toml")),
];

pub(super) static LEXICON: LazyLock<Lexicon<Kind>> = LazyLock::new(|| Lexicon::new(tables()));

/// All tables, with the phrases that the tables of values have of the virtual native.
pub(super) fn tables() -> Vec<Table<Kind>> {
    TABLES.iter().map(|(_, text)| table(text)).chain([virtual_native_phrases()]).collect()
}

/// What a description says, by which rule, and the words that say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    pub says: Says,
    pub rule: &'static str,
    /// The words that matched, as they stand in the text, and nothing else of it.
    pub phrase: String,
}

/// What `text` says about intravenous contrast; `None` where it says nothing.
pub(super) fn read_contrast(text: &str, level: Level) -> Option<Reading> {
    let mut tokens = tokens(text);
    tokens.list = part_glued(tokens.list);
    let found = statements(&tokens.list, level);
    let has = |mark| found.iter().any(|statement| statement.mark == mark);
    let (says, rule, marks) = verdict(has, level)?;
    Some(Reading { says, rule, phrase: phrase(&tokens, &found, marks) })
}

/// The verdict over the marks of a text, its rule, and the marks that it rests on.
fn verdict(has: impl Fn(Mark) -> bool, level: Level) -> Option<(Says, &'static str, &'static [Mark])> {
    use Mark::{Both, CalciumScore, Implied, Oral, Scout, Tracking, VirtualNative, With, Without};
    let positive = has(With) || has(Implied);
    let series = level == Level::Series;
    // A series is one phase: "CTA W/O" is the scan before the injection. A study may hold both.
    let both = has(Both)
        || (has(Without) && (has(With) || (!series && positive)))
        || (has(CalciumScore) && (positive || has(VirtualNative)));
    Some(match () {
        () if has(Scout) => return None,
        () if has(VirtualNative) => (Says::Native, "words-virtual-native", &[VirtualNative]),
        () if series && has(Tracking) => (Says::Undecided, "words-bolus-tracking", &[Tracking]),
        () if both => (Says::Undecided, "words-with-and-without", &[Both, With, Implied, Without, CalciumScore]),
        () if has(Without) => (Says::Native, "words-without", &[Without]),
        () if has(CalciumScore) => (Says::Native, "words-calcium-score", &[CalciumScore]),
        () if has(With) => (Says::Enhanced, "words-with", &[With]),
        () if has(Implied) => (Says::Enhanced, "words-implied", &[Implied]),
        () if has(Tracking) => (Says::Undecided, "words-bolus-tracking", &[Tracking]),
        () if has(Oral) => (Says::Undecided, "words-oral-only", &[Oral]),
        () => return None,
    })
}

/// The words of the statements with `marks`: the first of each mark, so that nothing beside them is kept.
fn phrase(tokens: &Tokens<'_>, found: &[Statement], marks: &[Mark]) -> String {
    let firsts = marks.iter().filter_map(|mark| found.iter().find(|statement| statement.mark == *mark));
    let words = firsts.filter_map(|statement| {
        let (first, last) = (tokens.list.get(statement.from)?, tokens.list.get(statement.to.checked_sub(1)?)?);
        tokens.source.get(first.start..last.end)
    });
    words.collect::<Vec<_>>().join(" … ")
}

#[cfg(test)]
#[path = "contrast_tests.rs"]
mod tests;
