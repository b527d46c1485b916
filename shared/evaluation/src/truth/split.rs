//! The parts of a labelled set.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which part of the labelled set a series belongs to. Splits are made by patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The network's weights are fitted on it.
    Train,
    /// When to stop, calibration and the indeterminate band are fitted on it.
    Validation,
    /// Nothing is fitted on it.
    Test,
}

impl Split {
    /// Every split.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name used in truth files and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Split {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let named = |split: &Self| split.as_str() == text.trim().to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(named)
            .ok_or_else(|| format!("unknown split {text:?}: expected train, validation or test"))
    }
}
