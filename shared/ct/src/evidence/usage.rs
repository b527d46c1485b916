//! Contrast/Bolus Usage (PS3.3 section C.7.6.16.2.12).

use bolus_study::Says;
use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::found::Found;
use super::routes::find_route;
use crate::data_set::Fields;
use crate::words::{Reading, Route, read_agent};

/// What is written of whether each agent was given, and seen.
const YES_NO: [(Tag, &str, &str); 2] = [
    (tags::CONTRAST_BOLUS_AGENT_ADMINISTERED, "ContrastBolusAgentAdministered", "usage-administered"),
    (tags::CONTRAST_BOLUS_AGENT_DETECTED, "ContrastBolusAgentDetected", "usage-detected"),
];
/// Phases before an agent arrives, beside `PRE_CONTRAST`, without separators.
const BEFORE: [&str; 7] = ["PRECONTRAST", "PRE", "NATIVE", "NONCONTRAST", "NOCONTRAST", "UNENHANCED", "PREINJECTION"];
/// Phases that are none.
const NO_PHASE: [&str; 5] = ["", "NONE", "UNKNOWN", "UNSPECIFIED", "OTHER"];

/// The agents of an instance that usage speaks of by their numbers (PS3.3 section C.8.15.2.8, Enhanced Contrast/Bolus).
#[derive(Debug, Default)]
pub(crate) struct Agents {
    /// Numbers of those that went another way than into a vessel.
    elsewhere: Vec<u16>,
}

impl Agents {
    pub fn of(fields: Fields<'_>) -> Self {
        let is_elsewhere = |agent: &Fields<'_>| {
            let route = find_route(*agent);
            let text = agent.text(tags::CODE_MEANING).or_else(|| agent.text(tags::CODE_VALUE));
            let named = text
                .is_some_and(|text| matches!(read_agent(&text, route), Reading { rule: "agent-not-intravenous", .. }));
            route == Route::Other || (route == Route::Unstated && named)
        };
        let numbered = fields.items(tags::CONTRAST_BOLUS_AGENT_SEQUENCE).zip(1..);
        let elsewhere = numbered.filter(|(agent, _)| is_elsewhere(agent));
        Self {
            elsewhere: elsewhere
                .map(|(agent, place)| agent.u16(tags::CONTRAST_BOLUS_AGENT_NUMBER).unwrap_or(place))
                .collect(),
        }
    }

    /// Whether `usage` speaks of an agent in the bowel or the like.
    fn is_elsewhere(&self, usage: Fields<'_>) -> bool {
        usage.u16(tags::CONTRAST_BOLUS_AGENT_NUMBER).is_some_and(|number| self.elsewhere.contains(&number))
    }
}

impl Found {
    /// The usage of each agent in a frame, or in all frames: one that was given is enough, and what went elsewhere decides nothing.
    pub(super) fn usage(&mut self, group: Fields<'_>, agents: &Agents) {
        let items = || group.items(tags::CONTRAST_BOLUS_USAGE_SEQUENCE);
        let (elsewhere, vascular): (Vec<_>, Vec<_>) = items().partition(|usage| agents.is_elsewhere(*usage));
        for (tag, keyword, rule) in YES_NO {
            let stated = |value: &str| vascular.iter().any(|usage| usage.code(tag).as_deref() == Some(value));
            if stated("YES") {
                self.add(keyword, "YES", (Says::Enhanced, rule));
            } else if stated("NO") {
                self.add(keyword, "NO", (Says::Native, rule));
            }
            if elsewhere.iter().any(|usage| usage.code(tag).as_deref() == Some("YES")) {
                self.add(keyword, "YES", (Says::Undecided, "usage-not-intravenous"));
            }
        }
        let phases = || vascular.iter().filter_map(|usage| usage.code(tags::CONTRAST_BOLUS_AGENT_PHASE));
        let later: Vec<String> = phases().filter(|phase| says_of(phase) == Says::Enhanced).collect();
        let of_all = if later.is_empty() { phases().collect() } else { later };
        for phase in of_all {
            self.add("ContrastBolusAgentPhase", &phase, (says_of(&phase), "usage-phase"));
        }
    }
}

/// What Contrast/Bolus Agent Phase says: `PRE_CONTRAST` is before, all others of the standard are behind.
fn says_of(phase: &str) -> Says {
    let plain: String = phase.chars().filter(char::is_ascii_alphanumeric).collect();
    if BEFORE.contains(&plain.as_str()) {
        Says::Native
    } else if NO_PHASE.contains(&plain.as_str()) {
        Says::Undecided
    } else {
        Says::Enhanced
    }
}
