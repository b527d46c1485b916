//! What the texts of Contrast/Bolus Agent and Contrast/Bolus Route say.

use std::sync::LazyLock;

use bolus_study::Says;
use serde::Deserialize;

use super::contrast::{Level, read_contrast};
use super::lexicon::{Lexicon, Table, table};
use super::tokens::{Token, tokens};

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
    /// There was none, where it is the whole value.
    Negated,
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

/// A route in words: a vessel outranks the rest.
pub(super) fn read_route(text: &str) -> Route {
    let ways = ROUTES.hits(&tokens(text).list);
    let names = |way| ways.iter().any(|hit| hit.meaning == way);
    match () {
        () if names(Way::Vascular) => Route::Vascular,
        () if names(Way::Other) => Route::Other,
        () => Route::Unstated,
    }
}

/// What the text of Contrast/Bolus Agent says, where the other attributes state `route`.
pub(super) fn read_agent(text: &str, route: Route) -> (Says, &'static str) {
    let tokens = tokens(text).list;
    let whole = VALUES.longest_at(&tokens, 0).filter(|(_, used)| *used == tokens.len()).map(|(value, _)| value);
    match whole {
        _ if tokens.is_empty() => return (Says::Undecided, "agent-unknown"),
        Some(Value::Negated) => return (Says::Native, "agent-negated"),
        Some(Value::Unknown) => return (Says::Undecided, "agent-unknown"),
        _ if is_zero(&tokens) => return (Says::Native, "agent-negated"),
        _ => {}
    }
    let words = read_contrast(text, Level::Series).map(|reading| (reading.says, reading.rule));
    match words {
        Some((Says::Native, _)) => return (Says::Native, "agent-negated"),
        Some((Says::Undecided, "words-with-and-without")) => return (Says::Undecided, "agent-with-and-without"),
        _ => {}
    }
    let own_route = read_route(text);
    let oral = words.is_some_and(|(_, rule)| rule == "words-oral-only");
    let named = words.is_some_and(|(says, _)| says == Says::Enhanced);
    let elsewhere = VALUES.hits(&tokens).iter().any(|hit| hit.meaning == Value::Elsewhere) && !named;
    let not_vascular = match own_route {
        Route::Vascular => false,
        Route::Other => true,
        Route::Unstated => oral || elsewhere || route == Route::Other,
    };
    if not_vascular { (Says::Undecided, "agent-not-intravenous") } else { (Says::Enhanced, "agent-named") }
}

/// Whether `tokens` are an amount of nothing: "0", "0.0 ml".
fn is_zero(tokens: &[Token]) -> bool {
    let zero = |text: &str| text.chars().all(|digit| digit == '0');
    let unit = |text: &str| matches!(text, "ml" | "mls" | "cc" | "l" | "mg" | "g");
    tokens.iter().all(|token| zero(&token.text) || unit(&token.text)) && tokens.iter().any(|token| zero(&token.text))
}
