//! Tokens of a description: what the tables of phrases are written in.
//!
//! Case, accents, full-width forms and separators do not matter; `W/O`, `w_o`, `W.O.` and `WithOut` are one word.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// A word, a number, or a sign that carries meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// Lower case, without accents.
    pub text: String,
    /// First byte in [`Tokens::source`].
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// The tokens of a text, and the text that their positions count in.
pub(super) struct Tokens<'t> {
    /// The text, composed where it is not ASCII.
    pub source: Cow<'t, str>,
    /// From left to right.
    pub list: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Digit,
    /// Of a script without spaces between words: each is a token.
    Ideograph,
    Other,
}

#[derive(Debug, Clone, Copy)]
struct Letter {
    folded: char,
    upper: bool,
    class: Class,
    start: usize,
    end: usize,
}

/// Splits `text`.
///
/// Letters, digits and signs are parted from each other, and words where the case says so (`AbdomenCAP`). `/`, `+` and
/// `&` are tokens of their own; everything else that is no letter or digit separates. Shorthands become one token:
/// `w/o` is `wo`, `w/` is `w`, `i.v.` is `iv`, `p.o.` is `po`; `C+`, `+C`, `(C-)`, `I+` and `C+/-` are `c+`, `c-` and
/// `c+-`, while `C-spine` is two words.
pub(super) fn tokens(text: &str) -> Tokens<'_> {
    let source = if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) };
    let letters = letters(&source);
    let mut list: Vec<Token> = Vec::new();
    let mut at = 0;
    while let Some(letter) = letters.get(at) {
        let (text, length) = next(&letters, at, letter);
        if let (Some(text), Some(last)) = (text, letters.get(at + length - 1)) {
            list.push(Token { text, start: letter.start, end: last.end });
        }
        at += length;
    }
    let list = merge_shorthands(list);
    Tokens { source, list }
}

/// Text and length, in letters, of what begins at `at`; no text for a separator.
fn next(letters: &[Letter], at: usize, letter: &Letter) -> (Option<String>, usize) {
    if let Some((token, length)) = contrast_sign(letters, at) {
        return (Some(token.to_owned()), length);
    }
    match letter.class {
        Class::Ideograph => (Some(letter.folded.to_string()), 1),
        Class::Digit => number(letters, at),
        Class::Word => word(letters, at),
        Class::Other => match letter.folded {
            '/' | '+' | '&' => (Some(letter.folded.to_string()), 1),
            '\\' => (Some("/".to_owned()), 1),
            // From here to there.
            '~' | '\u{301c}' => (Some("to".to_owned()), 1),
            _ => (None, 1),
        },
    }
}

fn letters(source: &str) -> Vec<Letter> {
    let mut letters = Vec::with_capacity(source.len());
    for (start, character) in source.char_indices() {
        let end = start + character.len_utf8();
        let upper = character.is_uppercase();
        let mut push = |folded: char| {
            let class = class_of(folded);
            letters.push(Letter { folded, upper, class, start, end });
        };
        if character.is_ascii() {
            push(character.to_ascii_lowercase());
        } else {
            fold(character, &mut push);
        }
    }
    letters
}

/// A letter in lower case, without its accent, in its plain width.
fn fold(character: char, push: &mut impl FnMut(char)) {
    // Syllables of Hangul stay whole.
    if ('\u{ac00}'..='\u{d7a3}').contains(&character) {
        return push(character);
    }
    decompose_compatible(character, |part| {
        if is_combining_mark(part) {
            return;
        }
        for lower in part.to_lowercase().filter(|lower| !is_combining_mark(*lower)) {
            match lower {
                'ß' => "ss".chars().for_each(&mut *push),
                'æ' => "ae".chars().for_each(&mut *push),
                'œ' => "oe".chars().for_each(&mut *push),
                'ø' => push('o'),
                'ł' => push('l'),
                'đ' | 'ð' => push('d'),
                'ı' => push('i'),
                'ς' => push('σ'),
                // Minus signs and dashes.
                '\u{2010}'..='\u{2015}' | '\u{2212}' => push('-'),
                '±' => "+-".chars().for_each(&mut *push),
                other => push(other),
            }
        }
    });
}

fn class_of(character: char) -> Class {
    match character {
        '0'..='9' => Class::Digit,
        'a'..='z' => Class::Word,
        '\0'..='\u{7f}' => Class::Other,
        // Kana, the unified ideographs and the syllables of Hangul.
        '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' => {
            Class::Ideograph
        }
        other if other.is_numeric() => Class::Digit,
        other if other.is_alphabetic() => Class::Word,
        _ => Class::Other,
    }
}

fn class_at(letters: &[Letter], at: usize) -> Class {
    letters.get(at).map_or(Class::Other, |letter| letter.class)
}

fn collect(letters: &[Letter], from: usize, length: usize) -> String {
    letters.iter().skip(from).take(length).map(|letter| letter.folded).collect()
}

/// A run of digits; `3D` and `2D` stay one token, and zeros behind the point are left out: `5.0` is `5`.
fn number(letters: &[Letter], at: usize) -> (Option<String>, usize) {
    let digits = letters.iter().skip(at).take_while(|letter| letter.class == Class::Digit).count();
    let dimensional = letters.get(at + digits).is_some_and(|letter| letter.folded == 'd')
        && class_at(letters, at + digits + 1) != Class::Word;
    let length = if dimensional && digits == 1 { 2 } else { digits };
    (Some(collect(letters, at, length)), length + zero_fraction(letters, at, at + length))
}

/// Letters of a fraction of zeros at `end` of the number from `start`; none in `1.0.3` and `2.05`.
fn zero_fraction(letters: &[Letter], start: usize, end: usize) -> usize {
    let point = |at: usize| letters.get(at).is_some_and(|letter| matches!(letter.folded, '.' | ','));
    let zeros = letters.iter().skip(end + 1).take_while(|letter| letter.folded == '0').count();
    let behind = end + 1 + zeros;
    let goes_on = class_at(letters, behind) == Class::Digit
        || (point(behind) && class_at(letters, behind + 1) == Class::Digit)
        || start.checked_sub(1).is_some_and(point);
    if point(end) && zeros > 0 && !goes_on { zeros + 1 } else { 0 }
}

/// A word, up to where its case turns; or an abbreviation of single letters with full stops, without these.
fn word(letters: &[Letter], at: usize) -> (Option<String>, usize) {
    if let Some((text, length)) = dotted(letters, at) {
        return (Some(text), length);
    }
    let run: Vec<Letter> = letters.iter().skip(at).take_while(|letter| letter.class == Class::Word).copied().collect();
    let turn = || (1..run.len()).find(|end| case_turns(&run, *end));
    let length = energy_unit(&run).or_else(turn).unwrap_or(run.len());
    (Some(collect(letters, at, length)), length)
}

/// The length of `keV` or `кэВ` that `run` begins with: its case turns inside the unit.
fn energy_unit(run: &[Letter]) -> Option<usize> {
    let [first, second, third, ..] = run else { return None };
    let folded = [first.folded, second.folded, third.folded];
    let is_unit = matches!(folded, ['k', 'e', 'v'] | ['к', 'э', 'в']) && !second.upper && third.upper;
    is_unit.then_some(folded.len())
}

/// `i.v.`, `P.O`, `m.d.c.`: single letters with full stops between them.
fn dotted(letters: &[Letter], at: usize) -> Option<(String, usize)> {
    let single = |index: usize| {
        class_at(letters, index) == Class::Word && !matches!(class_at(letters, index + 1), Class::Word | Class::Digit)
    };
    let dot = |index: usize| letters.get(index).is_some_and(|letter| letter.folded == '.');
    // Where full stops stand for spaces, single letters between them are words: "bez.i.z.kontrastem".
    if at.checked_sub(1).is_some_and(dot) {
        return None;
    }
    let mut text = String::new();
    let mut end = at;
    while single(end) {
        text.push(letters.get(end)?.folded);
        if !(dot(end + 1) && single(end + 2)) {
            break;
        }
        end += 2;
    }
    (text.len() > 1).then_some((text, end + 1 - at))
}

/// Whether a new word begins at `end` of `run`: `AbdomenCAP`, `PelvisDelay`, `CTChest`, but not `mL`, `iDose`, `MIPs`.
fn case_turns(run: &[Letter], end: usize) -> bool {
    let upper = |index: usize| run.get(index).is_some_and(|letter| letter.upper);
    let known = |index: usize| index < run.len();
    let lower = |index: usize| known(index) && !upper(index);
    if !upper(end - 1) && upper(end) {
        return end > 1;
    }
    // The last capital of a run belongs to the small letters behind it; `IVcontrast` is the exception.
    let after_iv = end == 2 && upper(0) && upper(1) && lower(2) && lower(3) && lower(4);
    let is_iv = run.first().is_some_and(|one| one.folded == 'i') && run.get(1).is_some_and(|one| one.folded == 'v');
    if after_iv && is_iv {
        return true;
    }
    let capital = upper(end - 1) && upper(end) && lower(end + 1) && lower(end + 2) && lower(end + 3);
    capital && !(is_iv && end == 1)
}

/// Words that a plus or a minus behind them turns into "with" or "without".
const SIGNED: [&str; 11] = ["contraste", "contrast", "kontrast", "mdc", "ce", "iv", "km", "cm", "ci", "c", "i"];

/// `c+`, `c-` and `c+-` from `C+`, `+C`, `C-`, `-C`, `C(+)`, `I+`, `IV-`, `KM+/-` at `at`, with the length in letters.
fn contrast_sign(letters: &[Letter], at: usize) -> Option<(&'static str, usize)> {
    let wordy = |index: usize| matches!(class_at(letters, index), Class::Word | Class::Digit);
    let starts = |index: usize, text: &str| {
        text.chars().enumerate().all(|(step, one)| letters.get(index + step).is_some_and(|l| l.folded == one))
    };
    let before = at.checked_sub(1);
    let free = before.is_none_or(|index| !wordy(index));
    if let Some(length) = ["+/-", "-/+", "+-", "-+"].into_iter().find(|both| starts(at, both)).map(str::len) {
        return Some(("c+-", length));
    }
    for word in SIGNED.into_iter().filter(|word| free && starts(at, word)) {
        let sign = at + word.len();
        if let Some(both) = ["+/-", "-/+", "+-", "-+", "(+/-)", "(+-)"].into_iter().find(|both| starts(sign, both)) {
            return Some(("c+-", word.len() + both.len()));
        }
        for (bracketed, token) in [("(+)", "c+"), ("(-)", "c-")] {
            if starts(sign, bracketed) {
                return Some((token, word.len() + 3));
            }
        }
        if starts(sign, "+") && !lists_parts(letters, sign + 1) {
            return Some(("c+", word.len() + 1));
        }
        if starts(sign, "-") && !wordy(sign + 1) {
            return Some(("c-", word.len() + 1));
        }
        if let Some(end) = last_minus(letters, sign) {
            return Some(("c-", end - at));
        }
    }
    let ends = !wordy(at + 2) && !starts(at + 2, "+");
    let single_before = before.is_some_and(wordy) && at.checked_sub(2).is_none_or(|index| !wordy(index));
    if starts(at, "+c") && ends && !single_before {
        return Some(("c+", 2));
    }
    let spaced = before.is_none_or(|index| letters.get(index).is_some_and(|one| !wordy(index) && one.folded != '-'));
    (spaced && starts(at, "-c") && ends && !starts(at + 2, "-")).then_some(("c-", 2))
}

/// The end of a minus that is the last sign of the text, behind spaces at `from`: "CONTRAST -". Elsewhere a dash with
/// spaces parts words.
fn last_minus(letters: &[Letter], from: usize) -> Option<usize> {
    let at = from + letters.iter().skip(from).take_while(|letter| letter.folded == ' ').count();
    let last = letters.iter().skip(at + 1).all(|letter| matches!(letter.folded, ' ' | ')' | ']' | '.'));
    (letters.get(at)?.folded == '-' && last).then_some(at + 1)
}

/// Whether a single letter stands at `at`: `C+A+P` is a list of body parts.
fn lists_parts(letters: &[Letter], at: usize) -> bool {
    class_at(letters, at) == Class::Word && class_at(letters, at + 1) != Class::Word
}

/// Joins the tokens of a shorthand.
fn merge_shorthands(tokens: Vec<Token>) -> Vec<Token> {
    let mut merged: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut rest = tokens.into_iter().peekable();
    while let Some(mut token) = rest.next() {
        // The slash of `w/` belongs to it.
        if matches!(token.text.as_str(), "w" | "ww" | "with") {
            while let Some(slash) = rest.next_if(|next| next.text == "/") {
                token.end = slash.end;
            }
        }
        let follows = |next: &Token| {
            Some(match (token.text.as_str(), next.text.as_str()) {
                ("w", "o" | "out") | ("with", "out") => "wo",
                ("ww", "o") => "wwo",
                ("i", "v") => "iv",
                ("p", "o") => "po",
                _ => return None,
            })
        };
        if let Some(joined) = rest.peek().and_then(follows)
            && let Some(next) = rest.next()
        {
            token = Token { text: joined.to_owned(), end: next.end, ..token };
        }
        merged.push(token);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> String {
        tokens(text).list.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn shorthands_become_one_token() {
        for (text, expected) in [
            ("CT Chest W/O", "ct chest wo"),
            ("abd w^o, pel W/ IV", "abd wo pel w iv"),
            ("W_O I.V. cont P.O.", "wo iv cont po"),
            ("C-SPINE C- C+ T1+C", "c spine c- c+ t 1 c+"),
            ("chest -C CHEST+C (C+) C(-) I- IV+", "chest c- chest c+ c+ c- c- c+"),
            ("Crâne C+/- +/- contrast", "crane c+- c+- contrast"),
            ("WW/O C/A/P W/W/O With/out WithOut", "wwo c / a / p w wo wo wo"),
            ("C+A+P N+C C-A-P", "c + a + p n + c c a p"),
        ] {
            assert_eq!(joined(text), expected, "{text}");
        }
    }

    #[test]
    fn words_end_where_case_or_kind_turns() {
        for (text, expected) in [
            ("AbdomenCAP_W_Adult_", "abdomen cap w adult"),
            ("Abd_PelvisDelay CTChest NonCon", "abd pelvis delay ct chest non con"),
            ("ax5x5wo ISOVUE300_100CC 100mL", "ax 5 x 5 wo isovue 300 100 cc 100 ml"),
            ("iDose MIPs IVcontrast IVCON ABD_PEl", "idose mips iv contrast ivcon abd pel"),
            ("3D 2d 3DX m.d.c. C.A.", "3d 2d 3 dx mdc ca"),
            ("bez.i.z.kontrastem W.O.", "bez i z kontrastem wo"),
            ("Ｗ／Ｏ ﾃﾞｰﾀ CT平扫 조영CT", "wo テ ー タ ct 平 扫 조 영 ct"),
            ("Schädel ŻYŁA kontrastsız Й", "schadel zyla kontrastsiz и"),
        ] {
            assert_eq!(joined(text), expected, "{text}");
        }
    }

    #[test]
    fn positions_point_into_the_text() {
        let found = tokens("Thorax m.d.c. W/O");
        let texts: Vec<&str> = found.list.iter().map(|one| &found.source[one.start..one.end]).collect();
        assert_eq!(texts, ["Thorax", "m.d.c", "W/O"]);
    }
}
