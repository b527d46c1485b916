//! Words and numbers that the page and the terminal share.

use std::collections::BTreeMap;

use bolus_evaluation::report::{BundleEvaluation, Evaluation, Level};

/// What every output says.
pub const RESEARCH_USE: &str = "Research use only: not for diagnosis or treatment.";
/// What stands where there is no figure.
pub const NONE: &str = "-";

/// `1 row`, `2 rows`.
#[must_use]
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `name`, and the number of the stack that is meant where the series has several: `name /2`.
#[must_use]
pub fn stacked(name: &str, stack: Option<u32>) -> String {
    stack.map_or_else(|| name.to_owned(), |number| format!("{name} /{number}"))
}

/// The notes of the two levels of each bundle: bundle, level, note.
pub fn level_notes(evaluation: &Evaluation) -> impl Iterator<Item = (&str, &'static str, &str)> {
    evaluation.bundles.iter().flat_map(|bundle| {
        let scan = bundle.scan.notes.iter().map(move |note| (bundle.label.as_str(), "scan", note.as_str()));
        scan.chain(bundle.slice.notes.iter().map(move |note| (bundle.label.as_str(), "slice", note.as_str())))
    })
}

/// What became of the series of the truth, in words.
#[must_use]
pub fn account_words(bundle: &BundleEvaluation) -> String {
    let account = &bundle.account;
    let reasons = |of: &BTreeMap<String, usize>| {
        of.iter().map(|(reason, count)| format!("{reason} {count}")).collect::<Vec<_>>().join(", ")
    };
    let mut parts = vec![format!("{} evaluated", counted(account.evaluated, "series", "series"))];
    if !account.refused.is_empty() {
        parts.push(format!("refused: {}", reasons(&account.refused)));
    }
    if !account.failed.is_empty() {
        parts.push(format!("failed: {}", reasons(&account.failed)));
    }
    if account.absent > 0 {
        parts.push(format!("{} not in the lake", account.absent));
    }
    if account.without_truth > 0 {
        parts.push(format!("{} without a truth", counted(account.without_truth, "label", "labels")));
    }
    parts.join("; ")
}

/// How many of each class: enhanced + native.
#[must_use]
pub fn classes(level: &Level) -> String {
    format!("{} + {}", level.enhanced, level.native)
}

/// A figure alone.
#[must_use]
pub fn number(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.3}"))
}

/// A share of 0 to 1 in percent.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A p value.
#[must_use]
pub fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// A difference with its sign; what rounds to nothing has none.
#[must_use]
pub fn signed(value: f64) -> String {
    let text = format!("{value:+.3}");
    if text == "-0.000" { "+0.000".to_owned() } else { text }
}
