//! What the DICOM header declares about contrast, what the network says, and how the two compare.

use serde::{Deserialize, Serialize};

/// What one piece of evidence says about intravenous contrast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// Intravenous contrast was given.
    Enhanced,
    /// No intravenous contrast was given.
    Native,
    /// Contrast is spoken of, but not intravenous or not decidable (oral contrast, "with and without").
    Undecided,
}

/// One statement found in the header, with the rule that read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The attribute's keyword, for example `ContrastBolusAgent` or `SeriesDescription`.
    pub attribute: String,
    /// What says it, as found, cut to 64 characters: of descriptions the words that matched alone, as the rest can hold a
    /// name; of other attributes the value.
    pub value: String,
    /// What the rule takes it to mean.
    pub says: Says,
    /// The name of the rule, for example `agent-named` or `words-without`.
    pub rule: String,
}

/// The verdict over all declared evidence of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Declared {
    /// The header says that intravenous contrast was given.
    Yes,
    /// The header says that none was given.
    No,
    /// The header says nothing that decides.
    Absent,
    /// Statements disagree.
    Contradictory,
}

impl Declared {
    /// The name used in the lake, in JSON and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Absent => "absent",
            Self::Contradictory => "contradictory",
        }
    }
}

/// All declared evidence of a series and its verdict. Evidence, not truth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredContrast {
    /// The verdict.
    pub verdict: Declared,
    /// What was found, without repeats, in the order of the attributes' tags.
    pub evidence: Vec<Evidence>,
}

/// The class that a bundle assigns to a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictedClass {
    /// Intravenous contrast is seen.
    Enhanced,
    /// No intravenous contrast is seen.
    Native,
    /// The probability lies inside the bundle's indeterminate band.
    Indeterminate,
}

impl PredictedClass {
    /// The name used in the lake, in JSON and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enhanced => "enhanced",
            Self::Native => "native",
            Self::Indeterminate => "indeterminate",
        }
    }
}

/// How the pixels' class compares with what the header declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audit {
    /// Header and pixels agree.
    Agrees,
    /// Header and pixels disagree.
    Conflicts,
    /// The header is silent or contradicts itself; the pixels fill the gap.
    FillsGap,
    /// The pixels do not decide.
    Undecided,
}

impl Audit {
    /// Compares `declared` with `predicted`.
    #[must_use]
    pub fn of(declared: Declared, predicted: PredictedClass) -> Self {
        match (declared, predicted) {
            (_, PredictedClass::Indeterminate) => Self::Undecided,
            (Declared::Absent | Declared::Contradictory, _) => Self::FillsGap,
            (Declared::Yes, PredictedClass::Enhanced) | (Declared::No, PredictedClass::Native) => Self::Agrees,
            (Declared::Yes, PredictedClass::Native) | (Declared::No, PredictedClass::Enhanced) => Self::Conflicts,
        }
    }

    /// The name used in the lake, in JSON and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Conflicts => "conflicts",
            Self::FillsGap => "fills_gap",
            Self::Undecided => "undecided",
        }
    }
}
