//! Statements as they are found.

use bolus_study::{Evidence, Says};

use super::tiers::is_of_study;
use crate::words::{Level, Reading, read_contrast};

/// Longest value kept, in characters.
const MAX_VALUE_CHARS: usize = 64;

/// What the words of one description say, with the phrase that says it; `None` where they say nothing.
///
/// `attribute` is the keyword of the attribute that holds `text`, for example `SeriesDescription`: words of the study
/// may speak of series of both kinds, so they are read with more caution.
#[must_use]
pub fn evidence_of_words(attribute: &str, text: &str) -> Option<Evidence> {
    let level = if is_of_study(attribute) { Level::Study } else { Level::Series };
    let Reading { says, rule, phrase } = read_contrast(text, level)?;
    let value = phrase.chars().take(MAX_VALUE_CHARS).collect();
    Some(Evidence { attribute: attribute.to_owned(), value, says, rule: rule.to_owned() })
}

/// Statements found so far.
#[derive(Default)]
pub(super) struct Found {
    pub evidence: Vec<Evidence>,
}

impl Found {
    /// Adds a statement, once.
    pub fn add(&mut self, attribute: &str, value: &str, (says, rule): (Says, &str)) {
        let value = value.chars().take(MAX_VALUE_CHARS).collect();
        let rule = rule.to_owned();
        let one = Evidence { attribute: attribute.to_owned(), value, says, rule };
        if !self.evidence.contains(&one) {
            self.evidence.push(one);
        }
    }

    /// Adds what the words of a description say.
    pub fn text(&mut self, attribute: &str, text: Option<String>) {
        let read = text.and_then(|text| evidence_of_words(attribute, &text));
        self.evidence.extend(read.filter(|one| !self.evidence.contains(one)));
    }
}
