//! The words and phrases of contrast, by tables of languages, and what each is.

use std::sync::LazyLock;

use serde::Deserialize;

use super::lexicon::{Lexicon, Table, table};
use super::value_tables::{self, Entry};

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

/// All words and phrases with their kinds.
pub(super) static LEXICON: LazyLock<Lexicon<Kind>> = LazyLock::new(|| Lexicon::new(tables()));

/// All tables, with the phrases that the tables of values have of the virtual native.
pub(super) fn tables() -> Vec<Table<Kind>> {
    TABLES.iter().map(|(_, text)| table(text)).chain([virtual_native_phrases()]).collect()
}

/// The phrases of virtual native images, which the words of contrast know too.
fn virtual_native_phrases() -> Table<Kind> {
    let phrases = value_tables::tables().into_iter().filter_map(|mut table| table.remove(&Entry::VirtualNative));
    Table::from([(Kind::VirtualNative, phrases.flatten().collect())])
}
