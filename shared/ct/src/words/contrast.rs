//! What the words of a description say about intravenous contrast.
//!
//! The tables give words a [`Kind`](super::contrast_tables::Kind); [`statements`](super::statements) joins them into statements (a negation and what
//! it denies, "with" and what it names); here the statements of a text become one reading.

use bolus_study::Says;

use super::body::part_glued;
use super::statements::{Level, Mark, Statement, statements};
use super::tokens::{Tokens, tokens};

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
