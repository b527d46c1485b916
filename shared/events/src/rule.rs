//! Which study an object belongs to, by its key alone.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use regex::Regex;
use serde::{Deserialize, Deserializer};

/// The group of a [`StudyRule::Pattern`] whose end is the end of the study's folder.
const STUDY_GROUP: &str = "study";

/// Which study an object belongs to, by its key alone: the one rule of the assembler, of `bolus submit` and of
/// `bolus reconcile`, so that all of them call a study by the same name.
///
/// As text, in configuration and on the command line: `parent`, `depth=2` or `pattern=^archive/(?<study>[^/]+)/`.
#[derive(Debug, Clone)]
pub enum StudyRule {
    /// The folder that the object lies in.
    Parent,
    /// The first so many folders of the key; the folder of the object where it lies less deep.
    Depth(NonZeroUsize),
    /// A regular expression with a group named `study`, which ends where the study's folder does: before a slash. The folder
    /// of the object where it does not match so.
    Pattern(Regex),
}

/// A text that is no [`StudyRule`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is no rule for studies, expected `parent`, `depth=N` with N of at least 1, or `pattern=REGEX` with a group named study{problem}"
)]
pub struct StudyRuleError {
    found: String,
    problem: String,
}

impl StudyRule {
    /// The prefix of the study that the object `key` belongs to: a folder without a slash at its end, as
    /// [`StudyContent::Prefix`](crate::StudyContent::Prefix) has it; empty for the bucket itself.
    #[must_use]
    pub fn study_prefix<'key>(&self, key: &'key str) -> &'key str {
        let end = match self {
            Self::Parent => None,
            Self::Depth(folders) => key.match_indices('/').nth(folders.get() - 1).map(|(slash, _)| slash),
            Self::Pattern(expression) => expression
                .captures(key)
                .and_then(|found| Some(found.name(STUDY_GROUP)?.end()))
                .filter(|end| key.as_bytes().get(*end) == Some(&b'/')),
        };
        let folder = end.or_else(|| key.rfind('/')).and_then(|end| key.get(..end)).unwrap_or_default();
        folder.trim_end_matches('/')
    }
}

impl FromStr for StudyRule {
    type Err = StudyRuleError;

    fn from_str(text: &str) -> Result<Self, StudyRuleError> {
        let wrong = |problem: String| StudyRuleError { found: text.to_owned(), problem };
        match text.split_once('=') {
            None if text == "parent" => Ok(Self::Parent),
            Some(("depth", number)) => number.parse().map(Self::Depth).map_err(|_| wrong(String::new())),
            Some(("pattern", expression)) => {
                let expression = Regex::new(expression).map_err(|error| wrong(format!(": {error}")))?;
                let has_group = expression.capture_names().flatten().any(|name| name == STUDY_GROUP);
                if has_group { Ok(Self::Pattern(expression)) } else { Err(wrong(String::new())) }
            }
            _ => Err(wrong(String::new())),
        }
    }
}

impl fmt::Display for StudyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parent => f.write_str("parent"),
            Self::Depth(folders) => write!(f, "depth={folders}"),
            Self::Pattern(expression) => write!(f, "pattern={expression}"),
        }
    }
}

impl<'de> Deserialize<'de> for StudyRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn each_rule_names_whole_folders() {
        let cases = [
            ("parent", "a/b/c.dcm", "a/b"),
            ("parent", "c.dcm", ""),
            ("depth=1", "a/b/c.dcm", "a"),
            ("depth=2", "a/b/c.dcm", "a/b"),
            ("depth=3", "a/b/c.dcm", "a/b"),
            ("depth=1", "c.dcm", ""),
            ("pattern=^in/(?<study>[^/]+)/", "in/s1/x/c.dcm", "in/s1"),
            ("pattern=/(?<study>[0-9]+)", "in/77/old/c.dcm", "in/77"),
            ("pattern=^in/(?<study>[0-9]+)", "in/12a/b/c.dcm", "in/12a/b"),
            ("pattern=^out/(?<study>.+)", "in/s1/c.dcm", "in/s1"),
            ("pattern=^(?<study>ü/é)", "ü/é/ö/c", "ü/é"),
        ];
        for (rule, key, expected) in cases {
            assert_eq!(rule.parse::<StudyRule>().unwrap().study_prefix(key), expected, "{rule} of {key}");
        }
    }

    #[test]
    fn a_rule_reads_back_what_it_writes() {
        for text in ["parent", "depth=3", "pattern=^a=b/(?<study>[^/]+)"] {
            assert_eq!(text.parse::<StudyRule>().unwrap().to_string(), text);
        }
        for text in ["", "Parent", "depth=0", "depth=", "depth", "pattern=(", "pattern=^[^/]+", "folder"] {
            assert!(text.parse::<StudyRule>().is_err(), "{text}");
        }
    }
}
