//! What the texts of Contrast/Bolus Agent and Contrast/Bolus Route say.

use std::sync::LazyLock;

use bolus_study::Says;
use serde::Deserialize;

use super::contrast::{Reading, read_contrast};
use super::lexicon::{Hit, Lexicon, Table, table};
use super::statements::Level;
use super::tokens::{Token, Tokens, tokens};

/// How the agent was given, as far as the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Unstated,
    Vascular,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Value {
    /// There was none, as the whole value and beside other words.
    Negated,
    /// There was none, only as the whole value.
    NegatedAlone,
    /// There was one, where it is the whole value.
    Affirmed,
    /// Nobody knows, where it is the whole value.
    Unknown,
    /// Water, gases: not into a vessel.
    Elsewhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Way {
    Vascular,
    Other,
}

static VALUES: LazyLock<Lexicon<Value>> = LazyLock::new(|| Lexicon::new([table_of_values()]));

static ROUTES: LazyLock<Lexicon<Way>> = LazyLock::new(|| Lexicon::new([table_of_routes()]));

pub(super) fn table_of_values() -> Table<Value> {
    table(include_str!("tables/agent_field.toml"))
}

pub(super) fn table_of_routes() -> Table<Way> {
    table(include_str!("tables/routes.toml"))
}

/// A route in words, and those of them that say it: a vessel outranks the rest.
pub(super) fn read_route(text: &str) -> (Route, String) {
    let tokens = tokens(text);
    let ways = ROUTES.hits(&tokens.list);
    let of = |way| ways.iter().find(|hit| hit.meaning == way).map(|hit| written(&tokens, hit.from, hit.to));
    match (of(Way::Vascular), of(Way::Other)) {
        (Some(words), _) => (Route::Vascular, words),
        (None, Some(words)) => (Route::Other, words),
        (None, None) => (Route::Unstated, String::new()),
    }
}

/// The tokens `from..to` as they stand in the text.
fn written(tokens: &Tokens<'_>, from: usize, to: usize) -> String {
    let ends = tokens.list.get(from).zip(to.checked_sub(1).and_then(|last| tokens.list.get(last)));
    ends.and_then(|(first, last)| tokens.source.get(first.start..last.end)).unwrap_or_default().to_owned()
}

/// What the text of Contrast/Bolus Agent says, where the other attributes state `route`, and the words known to the
/// tables that say it. The field is free text and may hold a name: of a text that names nothing known no word is kept.
pub(super) fn read_agent(text: &str, route: Route) -> Reading {
    let tokens = tokens(text);
    let all = tokens.list.len();
    let reading = |says, rule, phrase| Reading { says, rule, phrase };
    let whole = |says, rule| reading(says, rule, written(&tokens, 0, all));
    let value = VALUES.longest_at(&tokens.list, 0).filter(|(_, used)| *used == all).map(|(value, _)| value);
    match value {
        _ if all == 0 => return whole(Says::Undecided, "agent-unknown"),
        Some(Value::Negated | Value::NegatedAlone) => return whole(Says::Native, "agent-negated"),
        Some(Value::Unknown) => return whole(Says::Undecided, "agent-unknown"),
        Some(Value::Affirmed) if route != Route::Other => return whole(Says::Enhanced, "agent-named"),
        _ if is_zero(&tokens.list) => return whole(Says::Native, "agent-negated"),
        _ => {}
    }
    let words = read_contrast(text, Level::Series);
    let said = words.as_ref().map(|words| (words.says, words.rule));
    let phrase = words.map(|words| with_amount(&tokens, words.phrase)).unwrap_or_default();
    match said {
        Some((Says::Native, _)) => return reading(Says::Native, "agent-negated", phrase),
        Some((Says::Undecided, "words-with-and-without")) => {
            return reading(Says::Undecided, "agent-with-and-without", phrase);
        }
        _ => {}
    }
    let oral = said.is_some_and(|(_, rule)| rule == "words-oral-only");
    let named = said.is_some_and(|(says, _)| says == Says::Enhanced);
    let values = VALUES.hits(&tokens.list);
    let elsewhere = values.iter().find(|hit| hit.meaning == Value::Elsewhere && !named);
    if let Some(denial) = denial(&tokens.list, &values).filter(|_| !named && !oral && elsewhere.is_none()) {
        return reading(Says::Native, "agent-negated", written(&tokens, denial.from, denial.to));
    }
    let (own_route, route_words) = read_route(text);
    let not_vascular = match own_route {
        Route::Vascular => false,
        Route::Other => true,
        Route::Unstated => oral || elsewhere.is_some() || route == Route::Other,
    };
    let elsewhere = elsewhere.map(|hit| written(&tokens, hit.from, hit.to)).unwrap_or_default();
    let known = [phrase, elsewhere, route_words].into_iter().find(|words| !words.is_empty());
    match (not_vascular, known) {
        (true, known) => reading(Says::Undecided, "agent-not-intravenous", known.unwrap_or_default()),
        (false, Some(known)) => reading(Says::Enhanced, "agent-named", known),
        (false, None) => reading(Says::Enhanced, "agent-not-recognised", String::new()),
    }
}

/// A denial beside other words: long enough to be no initial ("none given Dr …"), or of any length behind the vein
/// alone ("IV: no").
fn denial(tokens: &[Token], values: &[Hit<Value>]) -> Option<Hit<Value>> {
    let letters = |hit: &Hit<Value>| tokens.get(hit.from).map_or(0, |token| token.text.chars().count());
    let vein = ROUTES.longest_at(tokens, 0).filter(|(way, _)| *way == Way::Vascular).map(|(_, used)| used);
    let of_vein = |hit: &Hit<Value>| vein == Some(hit.from) && hit.to == tokens.len();
    let denies = |hit: &&Hit<Value>| hit.to - hit.from > 1 || letters(hit) >= SHORTEST_DENIAL || of_vein(hit);
    values.iter().filter(|hit| hit.meaning == Value::Negated).find(denies).copied()
}

/// Letters of the shortest word that denies beside others: shorter ones are initials and words of other languages.
const SHORTEST_DENIAL: usize = 4;

/// `phrase` with the concentration and the amount behind it: short numbers and units name nobody.
fn with_amount(tokens: &Tokens<'_>, phrase: String) -> String {
    let Some(start) = tokens.source.find(&phrase) else { return phrase };
    let end = start + phrase.len();
    let amount = |token: &&Token| {
        let short = token.text.len() <= 3 && token.text.chars().all(|digit| digit.is_ascii_digit());
        short || is_unit(&token.text) || token.text == "/"
    };
    let last = tokens.list.iter().skip_while(|token| token.start < end).take_while(amount).last();
    let with = last.and_then(|last| tokens.source.get(start..last.end)).map(str::to_owned);
    with.unwrap_or(phrase)
}

fn is_unit(text: &str) -> bool {
    matches!(text, "ml" | "mls" | "cc" | "l" | "mg" | "g")
}

/// Whether `tokens` are an amount of nothing: "0", "0.0 ml".
fn is_zero(tokens: &[Token]) -> bool {
    let zero = |text: &str| text.chars().all(|digit| digit == '0');
    tokens.iter().all(|token| zero(&token.text) || is_unit(&token.text)) && tokens.iter().any(|token| zero(&token.text))
}
