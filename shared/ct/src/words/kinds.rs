//! The words of a text with their kinds, by the tables.

use super::body;
use super::contrast_tables::{Kind, LEXICON};
use super::lexicon::is_number;
use super::tokens::Token;

/// A word or phrase at its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub kind: Kind,
    /// Its first token.
    pub from: usize,
    /// The token after its last.
    pub to: usize,
}

/// The words of `tokens` with their kinds. A body part is one only where no longer phrase begins.
pub(super) fn words(tokens: &[Token]) -> Vec<Word> {
    let mut words = Vec::with_capacity(tokens.len());
    let mut from = 0;
    while let Some(token) = tokens.get(from) {
        let known = LEXICON.longest_at(tokens, from);
        let anatomy = body::length_at(tokens, from);
        let (kind, used) = match known {
            Some((kind, used)) if used >= anatomy => (kind, used),
            _ if anatomy > 0 => (Kind::Anatomy, anatomy),
            _ if is_near_contrast(&token.text) => (Kind::Weak, 1),
            _ if is_number(&token.text) => (Kind::Number, 1),
            _ => (Kind::Other, 1),
        };
        let used = used.max(1);
        words.push(Word { kind, from, to: from + used });
        from += used;
    }
    settle_ambiguous(&mut words);
    words
}

/// "0 ml" denies as "no" does before a medium ("0 ml contrast") and as "none" behind one ("contrast 0 ml").
///
/// "Con" is contrast behind an opener or a vein ("non con", "iv con") and "with" before a medium ("con contraste").
fn settle_ambiguous(words: &mut [Word]) {
    for at in 0..words.len() {
        let kind = |index: Option<usize>| index.and_then(|index| words.get(index)).map(|word| word.kind);
        if kind(Some(at)) == Some(Kind::ZeroDose) {
            let behind = kind(at.checked_sub(1)).is_some_and(is_object);
            let before = kind(Some(at + 1)).is_some_and(|kind| is_object(kind) || kind == Kind::Filler);
            if let Some(word) = words.get_mut(at) {
                word.kind = if before && !behind { Kind::Not } else { Kind::NoAfter };
            }
            continue;
        }
        if kind(Some(at)) != Some(Kind::WithOrWeak) {
            continue;
        }
        let behind = kind(at.checked_sub(1)).is_some_and(|kind| is_opener(kind) || kind == Kind::Iv);
        let before = kind(Some(at + 1))
            .is_some_and(|kind| is_object(kind) || is_opener(kind) || matches!(kind, Kind::Filler | Kind::Join));
        let settled = if before && !behind { Kind::WithBefore } else { Kind::Weak };
        if let Some(word) = words.get_mut(at) {
            word.kind = settled;
        }
    }
}

/// Whether `word` is "contrast" or "kontrast" with one slip of the pen. Such a word counts behind "with" and its like.
fn is_near_contrast(word: &str) -> bool {
    let letters: Vec<char> = word.chars().collect();
    if !(6..=11).contains(&letters.len()) || !matches!(letters.first(), Some('c' | 'k')) {
        return false;
    }
    let target: Vec<char> = "ontrast".chars().collect();
    // The end may be inflected: what is compared is as long as the target, give or take one.
    (target.len() - 1..=target.len() + 1)
        .filter_map(|length| letters.get(1..=length))
        .any(|written| is_one_slip(written, &target))
}

/// One letter too many, too few or wrong, or two neighbours exchanged.
fn is_one_slip(written: &[char], meant: &[char]) -> bool {
    let same = written.iter().zip(meant).take_while(|(a, b)| a == b).count();
    let (rest, wanted) = (written.get(same..).unwrap_or_default(), meant.get(same..).unwrap_or_default());
    match (rest, wanted) {
        ([a, b, after @ ..], [c, d, other @ ..]) if a == d && b == c && after == other => true,
        ([_, after @ ..], [_, other @ ..]) if after == other => true,
        ([_, after @ ..], all) if after == all => true,
        (all, [_, other @ ..]) => all == other,
        _ => false,
    }
}

pub(super) fn is_opener(kind: Kind) -> bool {
    is_negative(kind) || matches!(kind, Kind::With | Kind::WithBefore | Kind::Post)
}

pub(super) fn is_negative(kind: Kind) -> bool {
    matches!(kind, Kind::Without | Kind::WithoutBefore | Kind::Not | Kind::Pre)
}

pub(super) fn is_before(kind: Kind) -> bool {
    matches!(kind, Kind::WithBefore | Kind::WithoutBefore)
}

pub(super) fn is_timing(kind: Kind) -> bool {
    matches!(kind, Kind::Pre | Kind::Post)
}

pub(super) fn is_object(kind: Kind) -> bool {
    matches!(kind, Kind::Contrast | Kind::Weak | Kind::Agent | Kind::Dose | Kind::Iv | Kind::Oral | Kind::Enhanced)
}
