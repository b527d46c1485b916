//! The attributes that speak of contrast, and how much each weighs.

use bolus_study::Evidence;

/// The attributes read, in the order of their tags, with the tier of what they say.
const ATTRIBUTES: &[(&str, Tier)] = &[
    ("ImageType", Tier::Frames),
    ("StudyDescription", Tier::Study),
    ("ProcedureCodeSequence", Tier::Study),
    ("SeriesDescription", Tier::Series),
    ("ContrastBolusAgent", Tier::Series),
    ("ContrastBolusAgentSequence", Tier::Series),
    ("ContrastBolusAdministrationRouteSequence", Tier::Series),
    ("ProtocolName", Tier::Series),
    ("ContrastBolusRoute", Tier::Series),
    ("ContrastBolusVolume", Tier::Series),
    ("ContrastBolusStartTime", Tier::Series),
    ("ContrastBolusStopTime", Tier::Series),
    ("ContrastBolusTotalDose", Tier::Series),
    ("ContrastFlowRate", Tier::Series),
    ("ContrastFlowDuration", Tier::Series),
    ("ContrastBolusIngredient", Tier::Series),
    ("ContrastBolusIngredientCodeSequence", Tier::Series),
    ("ContrastBolusAgentAdministered", Tier::Frames),
    ("ContrastBolusAgentDetected", Tier::Frames),
    ("ContrastBolusAgentPhase", Tier::Frames),
    ("RequestedProcedureDescription", Tier::Study),
    ("RequestedProcedureCodeSequence", Tier::Study),
    ("PerformedProcedureStepDescription", Tier::Study),
    ("RequestAttributesSequence", Tier::Study),
];

/// How much a statement weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    Frames,
    Series,
    Study,
}

/// The place of an attribute in their order; behind all where it is none of them.
pub(super) fn rank(attribute: &str) -> usize {
    ATTRIBUTES.iter().position(|(keyword, _)| *keyword == attribute).unwrap_or(ATTRIBUTES.len())
}

/// Whether an attribute describes the order and not the series.
pub(super) fn is_of_study(attribute: &str) -> bool {
    ATTRIBUTES.get(rank(attribute)).is_none_or(|(_, tier)| *tier == Tier::Study)
}

/// How much a statement weighs: a virtual native image of the series as what is said of frames.
pub(super) fn tier_of(evidence: &Evidence) -> Tier {
    let of_attribute = ATTRIBUTES.get(rank(&evidence.attribute)).map_or(Tier::Study, |(_, tier)| *tier);
    let virtual_native = evidence.rule == "words-virtual-native" && of_attribute != Tier::Study;
    if virtual_native { Tier::Frames } else { of_attribute }
}
