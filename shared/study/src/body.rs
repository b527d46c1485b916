//! Body parts, as coarse as bundles need them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::codes::codes;

/// A body part that a bundle may cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BodyPart {
    /// Head, face, skull base or neck.
    HeadNeck,
    /// Thorax.
    Chest,
    /// Abdomen, from the diaphragm to the iliac crest.
    Abdomen,
    /// Pelvis and hips.
    Pelvis,
    /// Arms, legs, hands, feet.
    Extremity,
}

impl BodyPart {
    /// Every body part, in the order of the body.
    pub const ALL: [Self; 5] = [Self::HeadNeck, Self::Chest, Self::Abdomen, Self::Pelvis, Self::Extremity];

    /// The name used in bundles, in the lake and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HeadNeck => "head-neck",
            Self::Chest => "chest",
            Self::Abdomen => "abdomen",
            Self::Pelvis => "pelvis",
            Self::Extremity => "extremity",
        }
    }
}

impl fmt::Display for BodyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BodyPart {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|part| part.as_str() == text).ok_or_else(|| {
            format!("unknown body part {text:?}: expected one of head-neck, chest, abdomen, pelvis, extremity")
        })
    }
}

codes! {
    /// Where a body part was read from.
    BodyPartSource {
        /// Body Part Examined (0018,0015).
        Tag => "tag",
        /// Words of the series, protocol or study description.
        Words => "words",
        /// The image itself.
        Image => "image",
    }
}

/// The body parts that a series shows, and where that was read.
///
/// More than one part is possible ("chest abdomen pelvis"). None found is an absent finding, never an empty list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyPartFinding {
    /// At least one part, in the order of the body.
    pub parts: Vec<BodyPart>,
    /// Where they were read.
    pub source: BodyPartSource,
}

impl BodyPartFinding {
    /// The parts joined by `+`, for example `chest+abdomen`.
    #[must_use]
    pub fn joined(&self) -> String {
        self.parts.iter().map(|part| part.as_str()).collect::<Vec<_>>().join("+")
    }

    /// Takes back parts that were joined by `+`.
    ///
    /// # Errors
    /// The part that is not known.
    pub fn from_joined(joined: &str, source: BodyPartSource) -> Result<Self, String> {
        let parts = joined.split('+').map(str::parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { parts, source })
    }
}
