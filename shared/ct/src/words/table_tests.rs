//! The tables themselves: what a phrase means is said once, and each phrase can match.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::contrast_tables::{self, Kind};
use super::lexicon::{START, Table};
use super::tokens::tokens;

/// A phrase as the lexicon sees it, with its stars.
fn seen(phrase: &str) -> String {
    let part = |part: &str| {
        let stem = part.strip_suffix('*').unwrap_or(part);
        let words: Vec<String> = tokens(stem).list.into_iter().map(|token| token.text).collect();
        format!("{}{}", words.join(" "), if stem == part { "" } else { "*" })
    };
    let parts = phrase.split_whitespace().map(|one| if matches!(one, "#" | "$") { one.to_owned() } else { part(one) });
    parts.collect::<Vec<_>>().join(" ")
}

fn check<T: Copy + Debug + PartialEq>(tables: Vec<Table<T>>) {
    let mut meanings: BTreeMap<String, T> = BTreeMap::new();
    let phrases = tables.iter().flatten().flat_map(|(meaning, all)| all.iter().map(move |one| (*meaning, one)));
    for (meaning, phrase) in phrases {
        let words = seen(phrase);
        let first = words.split(' ').next().unwrap_or_default();
        assert!(!first.is_empty() && first != "$", "{phrase:?} has no word");
        let starts_well = first.strip_suffix('*').is_none_or(|start| start.chars().count() >= START);
        assert!(starts_well, "{phrase:?} begins with the start of a word of fewer than {START} letters");
        let before = meanings.insert(words, meaning);
        assert!(before.is_none_or(|before| before == meaning), "{phrase:?} is {before:?} and {meaning:?}");
    }
}

#[test]
fn each_phrase_has_one_meaning() {
    check::<Kind>(contrast_tables::tables());
    check(super::value_tables::tables());
    check(vec![super::value_tables::image_type_table()]);
    check(vec![super::body::table_of_words()]);
    check(vec![super::agents::table_of_values()]);
    check(vec![super::agents::table_of_routes()]);
}
