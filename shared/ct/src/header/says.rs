//! What the functional groups of single frames say of their values and of contrast (PS3.3 sections C.7.6.16.2.12 and C.8.15.3).

use std::sync::Arc;

use bolus_study::{Reason, ReasonCode};
use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::groups::{converted, shared_converted, type_of};
use crate::data_set::Fields;
use crate::data_set::value_attributes::asked_of_groups;
use crate::evidence::{Agents, frame_evidence};
use crate::values::hints;
use crate::{FrameSays, ValueHints};

/// What may say something of contrast, of a group or of what a frame was converted from; of values, what is asked for there.
const SAYING: [Tag; 13] = [
    tags::IMAGE_TYPE,
    tags::CONTRAST_BOLUS_USAGE_SEQUENCE,
    tags::CONTRAST_BOLUS_AGENT,
    tags::CONTRAST_BOLUS_AGENT_SEQUENCE,
    tags::CONTRAST_BOLUS_ADMINISTRATION_ROUTE_SEQUENCE,
    tags::CONTRAST_BOLUS_ROUTE,
    tags::CONTRAST_BOLUS_VOLUME,
    tags::CONTRAST_BOLUS_START_TIME,
    tags::CONTRAST_BOLUS_STOP_TIME,
    tags::CONTRAST_BOLUS_TOTAL_DOSE,
    tags::CONTRAST_FLOW_RATE,
    tags::CONTRAST_FLOW_DURATION,
    tags::CONTRAST_BOLUS_INGREDIENT,
];
/// So many different sayings are remembered: passes that take turns have one each.
const REMEMBERED: usize = 16;
/// What may be read in bytes as kept, beside what was said before: reading takes time. Frames that all say something else are no study.
const MAX_READ_BYTES: usize = 2 << 20;

/// What the data set says of the values of all its frames.
pub(super) fn values_of_all(fields: Fields<'_>) -> ValueHints {
    let shared = fields.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).next();
    let own = hints(fields);
    match shared.and_then(shared_converted) {
        Some(converted) => hints(converted).over(&own),
        None => own,
    }
}

/// Reads what frame after frame says; those that say the same share it.
pub(super) struct Sayings<'s> {
    agents: Agents,
    /// What is said of all frames.
    outer: ValueHints,
    /// Groups that were read lately, with what they say.
    known: Vec<(Fields<'s>, Option<Arc<FrameSays>>)>,
    /// Which of `known` is the next to go.
    oldest: usize,
    read_bytes: usize,
    bytes: usize,
}

impl<'s> Sayings<'s> {
    pub fn of(fields: Fields<'s>) -> Self {
        Self {
            agents: Agents::of(fields),
            outer: values_of_all(fields),
            known: Vec::new(),
            oldest: 0,
            read_bytes: 0,
            bytes: 0,
        }
    }

    /// What all that was said takes in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the frame says whose functional group is `own`; `None` where it is nothing beyond the instance.
    ///
    /// *Errors*: `TooLarge` where the frames say too much.
    pub fn frame(&mut self, own: Fields<'s>) -> Result<Option<Arc<FrameSays>>, Reason> {
        if let Some((_, says)) = self.known.iter().find(|(known, _)| says_the_same(*known, own)) {
            return Ok(says.clone());
        }
        self.read_bytes += kept_bytes(own);
        if self.read_bytes > MAX_READ_BYTES {
            let detail = format!("the frames say more than {MAX_READ_BYTES} bytes of their contrast and their values");
            return Err(Reason::new(ReasonCode::TooLarge, detail));
        }
        let says = self.read(own).map(Arc::new);
        let texts = says.iter().flat_map(|says| &says.evidence).map(|one| one.attribute.len() + one.value.len() + 128);
        self.bytes += says.iter().map(|_| size_of::<FrameSays>() + 128).chain(texts).sum::<usize>();
        if self.known.len() < REMEMBERED {
            self.known.push((own, says.clone()));
        } else if let Some(place) = self.known.get_mut(self.oldest) {
            *place = (own, says.clone());
            self.oldest = (self.oldest + 1) % REMEMBERED;
        }
        Ok(says)
    }

    fn read(&self, own: Fields<'_>) -> Option<FrameSays> {
        let frame_type = own.items(tags::CT_IMAGE_FRAME_TYPE_SEQUENCE);
        let said = [own].into_iter().chain(frame_type).chain(converted(own)).map(hints);
        let said = said.reduce(|values, more| values.over(&more)).filter(|values| *values != ValueHints::default());
        let values = said.map(|values| values.over(&self.outer));
        let evidence = frame_evidence(own, converted(own), &type_of(own), &self.agents);
        (values.is_some() || !evidence.is_empty()).then_some(FrameSays { values, evidence })
    }
}

fn saying() -> impl Iterator<Item = Tag> {
    SAYING.into_iter().chain(asked_of_groups())
}

/// Whether two groups say the same.
fn says_the_same(one: Fields<'_>, other: Fields<'_>) -> bool {
    let same = |a: Fields<'_>, b: Fields<'_>| saying().all(|tag| a.has_the_same(tag, b));
    let of_converted = match (converted(one), converted(other)) {
        (Some(a), Some(b)) => same(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    // The rest of a frame's content is another in every frame.
    let comments =
        |group: Fields<'_>| group.items(tags::FRAME_CONTENT_SEQUENCE).find_map(|item| item.text(tags::FRAME_COMMENTS));
    of_converted && comments(one) == comments(other) && same(one, other)
}

fn kept_bytes(group: Fields<'_>) -> usize {
    let of = |fields: Fields<'_>| saying().map(|tag| fields.kept_bytes(tag)).sum::<usize>();
    of(group) + converted(group).map_or(0, of)
}
