//! The words and phrases that speak of pixel values, by tables of languages, and what each is.

use serde::Deserialize;

use super::lexicon::{Table, table};

/// What a phrase of the tables is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Entry {
    VirtualNative,
    Material,
    /// A name of such an image that no word of contrast is to know: it means other things too.
    MaterialName,
    /// The name of a material, which is a medium beside words of contrast.
    Substance,
    Perfusion,
    PerfusionDerived,
    Subtraction,
    /// Where it is the whole text.
    SubtractionAlone,
    Processed,
    Monoenergetic,
    /// Names monoenergetic images where an energy stands behind it.
    EnergyBehind,
    /// "keV": monoenergetic, with the energy beside it.
    EnergyUnit,
    Projection,
    /// Where it is the whole text.
    ProjectionAlone,
    Localizer,
    Screen,
    /// Where it is the whole text.
    ScreenAlone,
    /// Looks like the above and is not.
    Nothing,
}

/// Words of a phrase that is also read with some of its spaces left out: more would be too many forms.
const MOST_RUN_TOGETHER: usize = 5;

/// The tables of descriptions.
pub(super) const TABLES: [(&str, &str); 9] = [
    ("shared", include_str!("tables/values/shared.toml")),
    ("english", include_str!("tables/values/english.toml")),
    ("germanic", include_str!("tables/values/germanic.toml")),
    ("romance", include_str!("tables/values/romance.toml")),
    ("slavic", include_str!("tables/values/slavic.toml")),
    ("cyrillic", include_str!("tables/values/cyrillic.toml")),
    ("cjk", include_str!("tables/values/cjk.toml")),
    ("nordic", include_str!("tables/values/nordic.toml")),
    ("others", include_str!("tables/values/others.toml")),
];

/// The tables of descriptions, each phrase with the forms that are run together.
pub(super) fn tables() -> Vec<Table<Entry>> {
    TABLES.iter().map(|(_, text)| run_together(table(text))).collect()
}

/// The table that Image Type has more.
pub(super) fn image_type_table() -> Table<Entry> {
    run_together(table(include_str!("tables/values/image_type.toml")))
}

/// Adds to each phrase its forms with spaces left out: `virtual non contrast` is also `virtualnon contrast`, `virtual
/// noncontrast` and `virtualnoncontrast`.
fn run_together(table: Table<Entry>) -> Table<Entry> {
    let with_forms = |phrase: String| std::iter::once(phrase.clone()).chain(glued_forms(&phrase)).collect::<Vec<_>>();
    table.into_iter().map(|(entry, phrases)| (entry, phrases.into_iter().flat_map(with_forms).collect())).collect()
}

fn glued_forms(phrase: &str) -> Vec<String> {
    let words: Vec<&str> = phrase.split(' ').collect();
    let last = words.len().saturating_sub(1);
    let plain = |word: &&str| word.chars().all(char::is_alphanumeric);
    let gluable =
        words.iter().take(last).all(plain) && words.last().is_some_and(|word| plain(&word.trim_end_matches('*')));
    if words.len() < 2 || words.len() > MOST_RUN_TOGETHER || !gluable {
        return Vec::new();
    }
    let form = |spaces: u32| {
        let mut text = String::with_capacity(phrase.len());
        for (place, word) in words.iter().enumerate() {
            text.push_str(word);
            text.push_str(if place < last && spaces >> place & 1 == 1 { " " } else { "" });
        }
        text
    };
    // One bit a space; all of them set is the phrase itself.
    (0..(1_u32 << last) - 1).map(form).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_run_together_are_those_of_their_phrase() {
        assert_eq!(glued_forms("a b"), ["ab"]);
        assert_eq!(glued_forms("one two three*"), ["onetwothree*", "one twothree*", "onetwo three*"]);
        assert!(glued_forms("mono +").is_empty() && glued_forms("one").is_empty() && glued_forms("a* b").is_empty());
    }
}
