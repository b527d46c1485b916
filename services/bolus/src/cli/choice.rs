//! Choices that arguments name: bundles by name and version, one split or all.

use std::fmt;
use std::str::FromStr;

use bolus_evaluation::truth::Split;

/// A bundle, or one version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleChoice {
    /// Its name.
    pub name: String,
    /// Its version, if only that is meant.
    pub version: Option<String>,
}

impl BundleChoice {
    /// Whether a bundle of that name and version is meant.
    pub fn is(&self, name: &str, version: &str) -> bool {
        self.name == name && self.version.as_deref().is_none_or(|chosen| chosen == version)
    }
}

impl FromStr for BundleChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        if name.is_empty() || version.is_some_and(str::is_empty) {
            return Err(format!("{text:?} is no bundle: expected NAME or NAME@VERSION"));
        }
        Ok(Self { name: name.to_owned(), version: version.map(str::to_owned) })
    }
}

impl fmt::Display for BundleChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}@{version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// One split, or all series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitChoice(pub Option<Split>);

impl FromStr for SplitChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" { Ok(Self(None)) } else { text.parse().map(|split| Self(Some(split))) }
    }
}

impl fmt::Display for SplitChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(split) => write!(f, "split {split}"),
            None => f.write_str("all splits"),
        }
    }
}
