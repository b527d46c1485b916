//! What the DICOM header declares about contrast, what the network says, and how the two compare.

use serde::{Deserialize, Serialize};

use crate::codes::codes;

codes! {
    /// What one piece of evidence says about intravenous contrast.
    Says {
        /// Intravenous contrast was given.
        Enhanced => "enhanced",
        /// No intravenous contrast was given.
        Native => "native",
        /// Contrast is spoken of, but not intravenous or not decidable (oral contrast, "with and without").
        Undecided => "undecided",
    }
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

codes! {
    /// The verdict over all declared evidence of a series.
    Declared {
        /// The header says that intravenous contrast was given.
        Yes => "yes",
        /// The header says that none was given.
        No => "no",
        /// The header says nothing that decides.
        Absent => "absent",
        /// Statements disagree.
        Contradictory => "contradictory",
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

codes! {
    /// The class that a bundle assigns to a series.
    PredictedClass {
        /// Intravenous contrast is seen.
        Enhanced => "enhanced",
        /// No intravenous contrast is seen.
        Native => "native",
        /// The probability lies inside the bundle's indeterminate band.
        Indeterminate => "indeterminate",
    }
}

codes! {
    /// How the pixels' class compares with what the header declares.
    Audit {
        /// Header and pixels agree.
        Agrees => "agrees",
        /// Header and pixels disagree.
        Conflicts => "conflicts",
        /// The header is silent or contradicts itself; the pixels fill the gap.
        FillsGap => "fills_gap",
        /// The pixels do not decide.
        Undecided => "undecided",
    }
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
}
