//! Which study an object belongs to, by its key alone.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use regex::Regex;
use serde::{Deserialize, Deserializer};

/// Which study an object belongs to, by its key alone: the one rule of the assembler, of `bolus submit` and of
/// `bolus reconcile`, so that all of them call a study by the same name.
///
/// As text, in configuration and on the command line: `parent`, `depth=2` or `pattern=^archive/[^/]+/[^/]+`.
#[derive(Debug, Clone)]
pub enum StudyRule {
    /// The folder that the object lies in.
    Parent,
    /// The first so many folders of the key; the folder of the object where it lies less deep.
    Depth(NonZeroUsize),
    /// What the expression matches of the key (its group `study`, else its first group, where it has one), cut back to
    /// whole folders. The match must begin where the key does; where there is none, the folder of the object.
    Pattern(Regex),
}

/// A text that is no [`StudyRule`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is no rule for studies, expected `parent`, `depth=N` with N of at least 1, or `pattern=REGEX`{problem}"
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
        let folder = key.rfind('/').unwrap_or(0);
        let end = match self {
            Self::Parent => folder,
            Self::Depth(folders) => key.match_indices('/').nth(folders.get() - 1).map_or(folder, |(slash, _)| slash),
            Self::Pattern(expression) => matched(expression, key).map_or(folder, |end| whole_folders(key, end)),
        };
        key.get(..end).unwrap_or_default()
    }
}

/// Where the match that begins with the key ends.
fn matched(expression: &Regex, key: &str) -> Option<usize> {
    let groups = expression.captures(key)?;
    let found = groups.name("study").or_else(|| groups.get(1)).or_else(|| groups.get(0))?;
    (found.start() == 0).then(|| found.end())
}

/// The end of the last whole folder of `key` within its first `end` bytes.
fn whole_folders(key: &str, end: usize) -> usize {
    if key.as_bytes().get(end) == Some(&b'/') {
        return end;
    }
    key.as_bytes().iter().take(end).rposition(|byte| *byte == b'/').unwrap_or(0)
}

impl FromStr for StudyRule {
    type Err = StudyRuleError;

    fn from_str(text: &str) -> Result<Self, StudyRuleError> {
        let wrong = |problem: String| StudyRuleError { found: text.to_owned(), problem };
        match text.split_once('=') {
            None if text == "parent" => Ok(Self::Parent),
            Some(("depth", number)) => number.parse().map(Self::Depth).map_err(|_| wrong(String::new())),
            Some(("pattern", expression)) => {
                Regex::new(expression).map(Self::Pattern).map_err(|error| wrong(format!(": {error}")))
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
            ("pattern=^in/[^/]+", "in/s1/x/c.dcm", "in/s1"),
            ("pattern=^in/[^/]+/", "in/s1/x/c.dcm", "in/s1"),
            ("pattern=^in/(?:old/)?(?<study>[^/]+)", "in/s1/x/c.dcm", "in/s1/x"),
            ("pattern=^((?<study>in/s)[0-9])", "in/s1/c.dcm", "in"),
            ("pattern=^(in/[0-9]+)/", "in/77/old/c.dcm", "in/77"),
            ("pattern=^out/", "in/s1/c.dcm", "in/s1"),
            ("pattern=s1", "in/s1/c.dcm", "in/s1"),
            ("pattern=^ü/é", "ü/é/ö/c", "ü/é"),
        ];
        for (rule, key, expected) in cases {
            assert_eq!(rule.parse::<StudyRule>().unwrap().study_prefix(key), expected, "{rule} of {key}");
        }
    }

    #[test]
    fn a_rule_reads_back_what_it_writes() {
        for text in ["parent", "depth=3", "pattern=^a=b/[^/]+"] {
            assert_eq!(text.parse::<StudyRule>().unwrap().to_string(), text);
        }
        for text in ["", "Parent", "depth=0", "depth=", "depth", "pattern=(", "folder"] {
            assert!(text.parse::<StudyRule>().is_err(), "{text}");
        }
    }
}
