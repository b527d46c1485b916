//! Declared contrast: what the attributes of the header say, attribute by attribute, and the verdict over them.
//!
//! Three tiers decide. What is said of the frames themselves (Enhanced CT usage, "virtual non-contrast") outranks the
//! rest: an agent is named in every series of an exam, before the injection too. Then come the contrast attributes
//! and the words of the series. The study's words (description, request, procedure) describe the order, which may
//! hold series of both kinds: they count only where the rest is silent.

mod found;
mod routes;
mod tiers;
mod usage;

use bolus_study::{Declared, DeclaredContrast, Evidence, Says};
use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::data_set::Fields;
use crate::words::{Level, Reading, Route, read_agent, read_contrast, read_route};
use found::Found;
pub use found::evidence_of_words;
use routes::{coded_route, find_route, overall, route_items};
use tiers::{Tier, rank, tier_of};
pub(crate) use usage::Agents;

/// The verdict over `evidence`, which is put into the order of the attributes' tags, each statement once.
///
/// The first tier with a statement that decides gives the verdict; statements that disagree within it contradict.
#[must_use]
pub fn declare(evidence: impl IntoIterator<Item = Evidence>) -> DeclaredContrast {
    let mut evidence: Vec<Evidence> = evidence.into_iter().collect();
    evidence.sort_by_cached_key(|one| (rank(&one.attribute), one.value.clone(), one.rule.clone(), one.says as u8));
    evidence.dedup();
    let verdict_of = |tier| {
        let says = |says| evidence.iter().any(|one| one.says == says && tier_of(one) == tier);
        match (says(Says::Enhanced), says(Says::Native)) {
            (true, true) => Some(Declared::Contradictory),
            (true, false) => Some(Declared::Yes),
            (false, true) => Some(Declared::No),
            (false, false) => None,
        }
    };
    let verdict = [Tier::Frames, Tier::Series, Tier::Study].into_iter().find_map(verdict_of);
    DeclaredContrast { verdict: verdict.unwrap_or(Declared::Absent), evidence }
}

/// What one instance's header says of all its frames, whose Image Type is `image_type` where they have no other. What was moved into
/// the shared group of a Legacy Converted Enhanced CT is read like the data set.
pub(crate) fn find_evidence(fields: Fields<'_>, image_type: &[String]) -> Vec<Evidence> {
    let shared: Vec<Fields<'_>> = fields.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).collect();
    let converted = shared.iter().flat_map(|group| group.items(tags::UNASSIGNED_SHARED_CONVERTED_ATTRIBUTES_SEQUENCE));
    let sets: Vec<Fields<'_>> = [fields].into_iter().chain(converted).collect();
    let route = overall(sets.iter().map(|set| find_route(*set)));
    let agents = Agents::of(fields);
    let mut found = Found::default();
    found.image_type(image_type);
    sets.iter().for_each(|set| found.words(*set));
    sets.iter().for_each(|set| found.contrast(*set, route));
    sets.iter().chain(&shared).for_each(|group| found.usage(*group, &agents));
    found.evidence
}

/// What one frame's functional group says, beside what is said of all frames: its own image type, its usage of contrast, and what stood
/// in the data set that it was `converted` from.
pub(crate) fn frame_evidence(
    group: Fields<'_>,
    converted: Option<Fields<'_>>,
    image_type: &[String],
    agents: &Agents,
) -> Vec<Evidence> {
    let mut found = Found::default();
    found.image_type(image_type);
    if let Some(set) = converted {
        found.contrast(set, find_route(set));
        found.usage(set, agents);
    }
    found.usage(group, agents);
    found.evidence
}

impl Found {
    /// A text of the agent: of it only the known words are kept.
    fn agent(&mut self, attribute: &str, text: &str, route: Route) {
        let Reading { says, rule, phrase } = read_agent(text, route);
        self.add(attribute, &phrase, (says, rule));
    }

    /// Of Image Type or Frame Type only a virtual native image says something.
    fn image_type(&mut self, values: &[String]) {
        if let Some(Reading { says, rule: rule @ "words-virtual-native", phrase }) =
            read_contrast(&values.join(" "), Level::Series)
        {
            self.add("ImageType", &phrase, (says, rule));
        }
    }

    /// What the attributes of contrast say.
    fn contrast(&mut self, fields: Fields<'_>, route: Route) {
        self.agents(fields, route);
        self.routes(fields, route);
        self.doses(fields, route);
        self.ingredients(fields, route);
    }

    /// Words of the descriptions and the meanings of procedure codes.
    fn words(&mut self, fields: Fields<'_>) {
        self.text("SeriesDescription", fields.text(tags::SERIES_DESCRIPTION));
        self.text("ProtocolName", fields.text(tags::PROTOCOL_NAME));
        self.text("StudyDescription", fields.text(tags::STUDY_DESCRIPTION));
        let requested = fields.text(tags::REQUESTED_PROCEDURE_DESCRIPTION);
        self.text("RequestedProcedureDescription", requested);
        let performed = fields.text(tags::PERFORMED_PROCEDURE_STEP_DESCRIPTION);
        self.text("PerformedProcedureStepDescription", performed);
        for item in fields.items(tags::PROCEDURE_CODE_SEQUENCE) {
            self.text("ProcedureCodeSequence", item.text(tags::CODE_MEANING));
        }
        for item in fields.items(tags::REQUESTED_PROCEDURE_CODE_SEQUENCE) {
            self.text("RequestedProcedureCodeSequence", item.text(tags::CODE_MEANING));
        }
        for item in fields.items(tags::REQUEST_ATTRIBUTES_SEQUENCE) {
            let descriptions = [tags::REQUESTED_PROCEDURE_DESCRIPTION, tags::SCHEDULED_PROCEDURE_STEP_DESCRIPTION];
            for tag in descriptions {
                self.text("RequestAttributesSequence", item.text(tag));
            }
            for code in item.items(tags::REQUESTED_PROCEDURE_CODE_SEQUENCE) {
                self.text("RequestAttributesSequence", code.text(tags::CODE_MEANING));
            }
        }
    }

    fn agents(&mut self, fields: Fields<'_>, route: Route) {
        if let Some(text) = fields.text(tags::CONTRAST_BOLUS_AGENT) {
            self.agent("ContrastBolusAgent", &text, route);
        }
        for item in fields.items(tags::CONTRAST_BOLUS_AGENT_SEQUENCE) {
            let own = find_route(item);
            let route = if own == Route::Unstated { route } else { own };
            let text = item.text(tags::CODE_MEANING).or_else(|| item.text(tags::CODE_VALUE));
            if let Some(text) = text {
                self.agent("ContrastBolusAgentSequence", &text, route);
            }
        }
    }

    /// A route alone says only where the agent went: a vascular one implies that there was one.
    fn routes(&mut self, fields: Fields<'_>, overall: Route) {
        let says = |route| match route {
            Route::Vascular => Some((Says::Enhanced, "route-intravenous")),
            Route::Other => Some((Says::Undecided, "route-not-intravenous")),
            Route::Unstated => None,
        };
        if let Some((route, words)) = fields.text(tags::CONTRAST_BOLUS_ROUTE).map(|text| read_route(&text))
            && let Some(read) = says(route)
            && !self.agent_is_negated()
        {
            self.add("ContrastBolusRoute", &words, read);
        }
        if overall == Route::Unstated || self.agent_is_negated() {
            return;
        }
        for item in route_items(fields) {
            let words = item.text(tags::CODE_MEANING).map(|text| read_route(&text).1).filter(|words| !words.is_empty());
            let text = words.or_else(|| item.text(tags::CODE_VALUE));
            if let (Some(text), Some(read)) = (text, says(coded_route(item))) {
                self.add("ContrastBolusAdministrationRouteSequence", &text, read);
            }
        }
    }

    /// Scanners fill the route in from the protocol, so it says nothing beside an agent that is denied.
    fn agent_is_negated(&self) -> bool {
        self.evidence.iter().any(|one| one.rule == "agent-negated")
    }

    /// A dose, a flow or a time above zero means that something was given.
    fn doses(&mut self, fields: Fields<'_>, route: Route) {
        let not_vascular = route == Route::Other || self.evidence.iter().any(|one| one.rule == "agent-not-intravenous");
        let read =
            if not_vascular { (Says::Undecided, "dose-not-intravenous") } else { (Says::Enhanced, "dose-stated") };
        for (tag, keyword) in DOSES {
            if let (Some(text), Some(true)) =
                (fields.text(tag), fields.numbers(tag).map(|n| n.iter().any(|n| *n > 0.0)))
            {
                self.add(keyword, &text, read);
            }
        }
        for profile in fields
            .items(tags::CONTRAST_BOLUS_AGENT_SEQUENCE)
            .flat_map(|agent| agent.items(tags::CONTRAST_ADMINISTRATION_PROFILE_SEQUENCE))
        {
            let volume = tags::CONTRAST_BOLUS_VOLUME;
            if let (Some(text), Some(true)) = (profile.text(volume), profile.number(volume).map(|ml| ml > 0.0)) {
                self.add("ContrastBolusVolume", &text, read);
            }
        }
        for (tag, keyword) in TIMES {
            // A time of zeros only is a writer's blank.
            if let Some(text) = fields.text(tag).filter(|text| text.contains(|digit| ('1'..='9').contains(&digit))) {
                self.add(keyword, &text, read);
            }
        }
    }

    fn ingredients(&mut self, fields: Fields<'_>, route: Route) {
        let read = |text: &str| {
            let upper = text.to_ascii_uppercase();
            let vascular = upper.contains("IODI") || upper.contains("GADO") || upper.contains("IOD");
            match (vascular, route) {
                (true, Route::Other) => (Says::Undecided, "ingredient-not-intravenous"),
                (true, _) => (Says::Enhanced, "ingredient-named"),
                (false, _) => (Says::Undecided, "ingredient-not-intravenous"),
            }
        };
        if let Some(text) = fields.text(tags::CONTRAST_BOLUS_INGREDIENT) {
            self.add("ContrastBolusIngredient", &text, read(&text));
        }
        for code in fields
            .items(tags::CONTRAST_BOLUS_AGENT_SEQUENCE)
            .flat_map(|agent| agent.items(tags::CONTRAST_BOLUS_INGREDIENT_CODE_SEQUENCE))
        {
            if let Some(text) = code.text(tags::CODE_MEANING) {
                self.add("ContrastBolusIngredientCodeSequence", &text, read(&text));
            }
        }
    }
}

const DOSES: [(Tag, &str); 4] = [
    (tags::CONTRAST_BOLUS_VOLUME, "ContrastBolusVolume"),
    (tags::CONTRAST_BOLUS_TOTAL_DOSE, "ContrastBolusTotalDose"),
    (tags::CONTRAST_FLOW_RATE, "ContrastFlowRate"),
    (tags::CONTRAST_FLOW_DURATION, "ContrastFlowDuration"),
];

const TIMES: [(Tag, &str); 2] = [
    (tags::CONTRAST_BOLUS_START_TIME, "ContrastBolusStartTime"),
    (tags::CONTRAST_BOLUS_STOP_TIME, "ContrastBolusStopTime"),
];

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
