//! Tables of phrases, and where they stand in a text.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::tokens::{Token, tokens};

/// One part of a phrase.
#[derive(Debug)]
enum Part {
    /// This token.
    Word(String),
    /// A token that starts so.
    Start(String),
    /// A number.
    Number,
    /// Nothing more: takes no token.
    End,
}

impl Part {
    fn is_slash(&self) -> bool {
        matches!(self, Self::Word(word) if word == "/")
    }
}

#[derive(Debug)]
struct Phrase<T> {
    parts: Vec<Part>,
    meaning: T,
}

/// A phrase at its place: the indices of its first token and of the one after its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit<T> {
    pub meaning: T,
    pub from: usize,
    pub to: usize,
}

/// Phrases and their meanings. Where several match at a place, the one with most tokens wins, then whole words over
/// starts, then the longer start.
#[derive(Debug)]
pub(super) struct Lexicon<T> {
    phrases: Vec<Phrase<T>>,
    /// Indices into `phrases` by the first word of the phrase.
    by_word: HashMap<String, Vec<usize>>,
    /// The same by the first letters of the start that the phrase begins with.
    by_start: HashMap<[char; START], Vec<usize>>,
    /// Those that begin with a number.
    by_number: Vec<usize>,
}

/// Letters that a start of a word has at least: less would match what nobody means.
pub(super) const START: usize = 3;

/// A table of phrases by meaning, as it stands in a file.
pub(super) type Table<T> = BTreeMap<T, Vec<String>>;

/// Reads a table that is part of the program.
pub(super) fn table<T: DeserializeOwned + Ord>(text: &str) -> Table<T> {
    toml::from_str(text).expect("the table is part of the program and read by its tests")
}

impl<T: Copy + for<'de> Deserialize<'de> + Ord> Lexicon<T> {
    /// Builds the lexicon of `tables`. In a phrase `word*` is the start of a word, `#` a number, `$` the end of the
    /// text; everything else is read as descriptions are.
    pub fn new(tables: impl IntoIterator<Item = Table<T>>) -> Self {
        let mut lexicon =
            Self { phrases: Vec::new(), by_word: HashMap::new(), by_start: HashMap::new(), by_number: Vec::new() };
        for (meaning, phrases) in tables.into_iter().flatten() {
            for phrase in phrases {
                lexicon.add(Phrase { parts: phrase.split_whitespace().flat_map(parts).collect(), meaning });
            }
        }
        lexicon
    }

    fn add(&mut self, phrase: Phrase<T>) {
        let index = self.phrases.len();
        match phrase.parts.first() {
            Some(Part::Word(word)) => self.by_word.entry(word.clone()).or_default().push(index),
            Some(Part::Start(start)) => {
                let key = start_of(start).expect("a start has three letters, which the tests of the tables hold");
                self.by_start.entry(key).or_default().push(index);
            }
            Some(Part::Number) => self.by_number.push(index),
            Some(Part::End) | None => return,
        }
        self.phrases.push(phrase);
    }

    /// What stands in `tokens`, from left to right; a token belongs to one phrase at most.
    pub fn hits(&self, tokens: &[Token]) -> Vec<Hit<T>> {
        let mut hits = Vec::new();
        let mut from = 0;
        while from < tokens.len() {
            match self.longest_at(tokens, from) {
                Some((meaning, used)) => {
                    hits.push(Hit { meaning, from, to: from + used });
                    from += used.max(1);
                }
                None => from += 1,
            }
        }
        hits
    }

    /// The phrase at `from`, and how many tokens it takes.
    pub fn longest_at(&self, tokens: &[Token], from: usize) -> Option<(T, usize)> {
        let rest = tokens.get(from..)?;
        let first = &rest.first()?.text;
        let whole = self.by_word.get(first).into_iter().flatten();
        let starts = start_of(first).and_then(|key| self.by_start.get(&key)).into_iter().flatten();
        let numbers = self.by_number.iter().filter(|_| is_number(first));
        whole
            .chain(starts)
            .chain(numbers)
            .filter_map(|index| self.phrases.get(*index))
            .filter_map(|phrase| Some((taken(&phrase.parts, rest)?, phrase)))
            .max_by_key(|((used, letters), _)| (*used, *letters))
            .map(|((used, _), phrase)| (phrase.meaning, used))
    }
}

/// Whether a token is a number, of whatever digits.
pub(super) fn is_number(token: &str) -> bool {
    token.chars().all(char::is_numeric)
}

fn start_of(word: &str) -> Option<[char; START]> {
    let mut letters = word.chars();
    Some([letters.next()?, letters.next()?, letters.next()?])
}

fn parts(text: &str) -> Vec<Part> {
    match (text, text.strip_suffix('*')) {
        ("#", _) => vec![Part::Number],
        ("$", _) => vec![Part::End],
        (_, stem) => {
            let mut parts: Vec<Part> =
                tokens(stem.unwrap_or(text)).list.into_iter().map(|token| Part::Word(token.text)).collect();
            if stem.is_some()
                && let Some(Part::Word(last)) = parts.pop()
            {
                parts.push(Part::Start(last));
            }
            parts
        }
    }
}

/// How many tokens `parts` takes from the start of `tokens`, and how many letters of them it names; `None` where they
/// do not match.
fn taken(parts: &[Part], tokens: &[Token]) -> Option<(usize, usize)> {
    let (mut used, mut letters) = (0, 0);
    for part in parts {
        // A slash parts words as a space does, where the phrase does not ask for it.
        while used > 0 && tokens.get(used).is_some_and(|token| token.text == "/") && !part.is_slash() {
            used += 1;
        }
        let token = tokens.get(used).map(|token| token.text.as_str());
        let named = match (part, token) {
            (Part::End, None) => return Some((used, letters + 1)),
            (Part::Number, Some(token)) if is_number(token) => 1,
            // A whole word beats the start of one.
            (Part::Word(word), Some(token)) if word == token => word.len() + 1,
            (Part::Start(start), Some(token)) if token.starts_with(start.as_str()) => start.len(),
            _ => return None,
        };
        used += 1;
        letters += named;
    }
    Some((used, letters))
}
