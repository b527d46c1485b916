//! Tokens of a description, and tables of phrases over them.

use std::collections::HashMap;

/// Splits `text` into lower-case tokens without accents.
///
/// `/`, `+` and `&` are tokens of their own, everything else that is no letter or digit separates. The shorthands of
/// radiology become one token: `w/o`, `w^o` and `w_o` are `wo`; `w/` is `w`; `i.v.` is `iv`; `C+`, `+C`, `C-`, `-C`
/// and `C+/-` are `c+`, `c-` and `c+-`, while `C-spine` is two words.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().flat_map(char::to_lowercase).flat_map(fold).collect();
    let mut tokens: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        if let Some((token, length)) = contrast_sign(&characters, at) {
            tokens.push(token.to_owned());
            at += length;
        } else if character.is_alphanumeric() {
            let rest = characters.iter().skip(at);
            let word: String = rest.take_while(|character| character.is_alphanumeric()).collect();
            at += word.chars().count();
            tokens.push(word);
        } else {
            if matches!(character, '/' | '+' | '&') {
                tokens.push(character.to_string());
            }
            at += 1;
        }
    }
    merge_shorthands(tokens)
}

/// `c+`, `+c`, `c-`, `-c`, `c+/-` (and the same with `iv` and `km`) at `at`, with its length in characters.
fn contrast_sign(characters: &[char], at: usize) -> Option<(&'static str, usize)> {
    let is_word = |index: Option<usize>| {
        index.and_then(|index| characters.get(index)).is_some_and(|character| character.is_alphanumeric())
    };
    let starts = |index: usize, text: &str| {
        text.chars().enumerate().all(|(step, character)| characters.get(index + step) == Some(&character))
    };
    let before = at.checked_sub(1);
    if !is_word(before) {
        for word in ["c", "iv", "km"] {
            let sign = at + word.len();
            let both = ["+/-", "-/+", "+-", "-+"].into_iter().find(|both| starts(at, word) && starts(sign, both));
            if let Some(both) = both {
                return Some(("c+-", word.len() + both.len()));
            }
            if starts(at, word) && starts(sign, "+") {
                return Some(("c+", word.len() + 1));
            }
            if starts(at, word) && starts(sign, "-") && !is_word(Some(sign + 1)) {
                return Some(("c-", word.len() + 1));
            }
        }
    }
    if starts(at, "+c") && !is_word(Some(at + 2)) {
        return Some(("c+", 2));
    }
    let free = before.is_none_or(|index| characters.get(index).is_some_and(|character| character.is_whitespace()));
    (free && starts(at, "-c") && !is_word(Some(at + 2))).then_some(("c-", 2))
}

/// Joins the tokens of a shorthand.
fn merge_shorthands(tokens: Vec<String>) -> Vec<String> {
    let mut merged: Vec<String> = Vec::with_capacity(tokens.len());
    let mut rest = tokens.iter().map(String::as_str).peekable();
    while let Some(token) = rest.next() {
        let slashed = matches!(token, "w" | "c" | "s" | "ww") && rest.next_if_eq(&"/").is_some();
        let joined = match (token, rest.peek().copied()) {
            ("w", Some("o" | "out")) => "wo",
            ("ww", Some("o")) => "wwo",
            ("i", Some("v")) => "iv",
            _ => "",
        };
        if !joined.is_empty() {
            rest.next();
            merged.push(joined.to_owned());
            continue;
        }
        // Iberian shorthand: `c/ contraste` is with, `s/ contraste` without.
        let contrast = slashed && rest.peek().is_some_and(|next| is_contrast_word(next));
        match token {
            "c" if contrast => merged.push("with".to_owned()),
            "s" if contrast => merged.push("without".to_owned()),
            _ => merged.push(token.to_owned()),
        }
        if slashed && token != "w" && !contrast {
            merged.push("/".to_owned());
        }
    }
    merged
}

/// A letter without its accent.
fn fold(character: char) -> impl Iterator<Item = char> {
    let plain = match character {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ą' => "a",
        'ç' | 'ć' | 'č' => "c",
        'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' => "e",
        'ì' | 'í' | 'î' | 'ï' | 'ı' => "i",
        'ñ' | 'ń' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => "o",
        'ù' | 'ú' | 'û' | 'ü' | 'ů' => "u",
        'š' | 'ş' => "s",
        'ż' | 'ź' | 'ž' => "z",
        'ł' => "l",
        'ß' => "ss",
        'æ' => "ae",
        // The combining dot that lower-casing a Turkish capital leaves.
        '\u{307}' => "",
        _ => return Folded::One(Some(character)),
    };
    Folded::Text(plain.chars())
}

enum Folded {
    One(Option<char>),
    Text(std::str::Chars<'static>),
}

impl Iterator for Folded {
    type Item = char;
    fn next(&mut self) -> Option<char> {
        match self {
            Self::One(character) => character.take(),
            Self::Text(characters) => characters.next(),
        }
    }
}

/// Words that stand for the contrast medium behind "with", "without", "no" or "post".
pub(super) fn is_contrast_word(token: &str) -> bool {
    #[rustfmt::skip]
    let exact = [
        "con", "cont", "contr", "cm", "km", "iv", "mdc", "pdc", "pc", "civ", "ci", "ivc", "dye", "c", "ce",
    ];
    #[rustfmt::skip]
    let starts = [
        "contrast", "kontrast", "enhanc", "inject", "injekt", "inyec", "iniez", "injec", "intraven", "gadolin",
        "omnipaque", "isovue", "ultravist", "visipaque", "iohexol", "iopamid", "iodixan", "iomeprol", "iopromid",
        "optiray", "iodin", "контраст",
    ];
    exact.contains(&token) || starts.iter().any(|start| token.starts_with(start))
}

/// One part of a phrase.
enum Part {
    /// This token.
    Word(String),
    /// A token that starts so.
    Start(String),
    /// A token that stands for the contrast medium.
    Contrast,
    /// Nothing more, or a number: takes no token.
    End,
}

struct Phrase<T> {
    parts: Vec<Part>,
    meaning: T,
}

/// Phrases and their meanings. Where several match at a place, the one with most parts wins, then the first listed.
pub(super) struct PhraseTable<T> {
    phrases: Vec<Phrase<T>>,
    /// Indices into `phrases` by the first letter of the phrase, longest phrase first.
    by_letter: HashMap<char, Vec<usize>>,
}

impl<T: Copy> PhraseTable<T> {
    /// Builds the table from `(meaning, phrases)`: phrases are separated by `|`, their parts by spaces; `word*` is
    /// a start, `@` a contrast word, `#` the end of the text or a number.
    pub fn new(rows: &[(T, &str)]) -> Self {
        let mut phrases = Vec::new();
        for (meaning, row) in rows {
            for phrase in row.split('|').map(str::trim).filter(|phrase| !phrase.is_empty()) {
                let parts = phrase.split_whitespace().map(part).collect();
                phrases.push(Phrase { parts, meaning: *meaning });
            }
        }
        phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.parts.len()));
        let mut by_letter: HashMap<char, Vec<usize>> = HashMap::new();
        for (index, phrase) in phrases.iter().enumerate() {
            if let Some(Part::Word(word) | Part::Start(word)) = phrase.parts.first() {
                by_letter.entry(word.chars().next().unwrap_or_default()).or_default().push(index);
            }
        }
        Self { phrases, by_letter }
    }

    /// The meanings found from left to right; a token belongs to one phrase at most.
    pub fn matches(&self, tokens: &[String]) -> Vec<T> {
        let mut found = Vec::new();
        let mut rest = tokens;
        while let Some((first, after)) = rest.split_first() {
            match self.longest_at(first, rest) {
                Some((meaning, used)) => {
                    found.push(meaning);
                    rest = rest.get(used.max(1)..).unwrap_or_default();
                }
                None => rest = after,
            }
        }
        found
    }

    fn longest_at(&self, first: &str, tokens: &[String]) -> Option<(T, usize)> {
        let candidates = self.by_letter.get(&first.chars().next()?)?;
        let phrases = candidates.iter().filter_map(|index| self.phrases.get(*index));
        phrases.into_iter().find_map(|phrase| Some((phrase.meaning, taken(&phrase.parts, tokens)?)))
    }
}

fn part(text: &str) -> Part {
    match (text, text.strip_suffix('*')) {
        ("@", _) => Part::Contrast,
        ("#", _) => Part::End,
        (_, Some(start)) => Part::Start(start.to_owned()),
        (word, None) => Part::Word(word.to_owned()),
    }
}

/// How many tokens `parts` takes from the start of `tokens`; `None` where they do not match.
fn taken(parts: &[Part], tokens: &[String]) -> Option<usize> {
    let mut used = 0;
    for part in parts {
        let token = tokens.get(used).map(String::as_str);
        let matched = match (part, token) {
            (Part::End, None) => true,
            (Part::End, Some(token)) => token != "3d" && token.starts_with(|first: char| first.is_ascii_digit()),
            (_, None) => false,
            (Part::Word(word), Some(token)) => word == token,
            (Part::Start(start), Some(token)) => token.starts_with(start.as_str()),
            (Part::Contrast, Some(token)) => is_contrast_word(token),
        };
        if !matched {
            return None;
        }
        if !matches!(part, Part::End) {
            used += 1;
        }
    }
    Some(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorthands_become_one_token() {
        for (text, expected) in [
            ("CT Chest W/O", "ct chest wo"),
            ("abd w^o, pel W/ IV", "abd wo pel w iv"),
            ("W_O I.V. cont", "wo iv cont"),
            ("C-SPINE C- C+ T1+C", "c spine c- c+ t1 c+"),
            ("chest -c", "chest c-"),
            ("Crâne C+/-", "crane c+-"),
            ("WW/O s/ contraste c/contraste C/A/P", "wwo without contraste with contraste c / a / p"),
        ] {
            assert_eq!(tokens(text).join(" "), expected, "{text}");
        }
    }
}
