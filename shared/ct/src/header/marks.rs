//! What may tell one pass from another, out of a header (PS3.3 sections C.7.3.1, C.8.2.1, C.7.6.16.2 and C.7.6.17).

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::PassMarks;
use crate::data_set::Fields;

/// More frames than a file can have here: keeps the frames of one file together in the order of instance numbers.
const FRAMES: f64 = 65_536.0;

/// Dimensions that are places of frames in a stack, or in a file.
const PLACES: [Tag; 8] = [
    tags::IMAGE_POSITION_PATIENT,
    tags::IN_STACK_POSITION_NUMBER,
    tags::SLICE_LOCATION,
    tags::IMAGE_POSITION_VOLUME,
    tags::TABLE_POSITION,
    tags::DATA_COLLECTION_CENTER_PATIENT,
    tags::RECONSTRUCTION_TARGET_CENTER_PATIENT,
    tags::INSTANCE_NUMBER,
];
/// Sequences that hold the Irradiation Event UID of a frame.
const IRRADIATION_EVENTS: [Tag; 3] = [
    tags::IRRADIATION_EVENT_IDENTIFICATION_SEQUENCE,
    tags::CT_ACQUISITION_DETAILS_SEQUENCE,
    tags::FRAME_CONTENT_SEQUENCE,
];

/// The marks of a classic instance, which stand in the data set itself.
pub(super) fn plain_marks(fields: Fields<'_>) -> PassMarks {
    let number = |tag| fields.text(tag).and_then(|text| text.parse::<f64>().ok()).filter(|number| number.is_finite());
    let date = |tag| fields.text(tag).and_then(|text| days(&text));
    let time = |tag| fields.text(tag).and_then(|text| seconds_of_day(&text));
    let moment = |date_tag, time_tag| Some(date(date_tag).unwrap_or_default() + time(time_tag)?);
    PassMarks {
        stack_id: fields.text(tags::STACK_ID),
        temporal_position: number(tags::TEMPORAL_POSITION_IDENTIFIER),
        temporal_offset_s: None,
        acquisition_number: number(tags::ACQUISITION_NUMBER),
        irradiation_event_uid: fields.text(tags::IRRADIATION_EVENT_UID),
        acquired_s: fields
            .text(tags::ACQUISITION_DATE_TIME)
            .and_then(|text| date_time(&text))
            .or_else(|| moment(tags::ACQUISITION_DATE, tags::ACQUISITION_TIME)),
        referenced_s: None,
        made_s: moment(tags::CONTENT_DATE, tags::CONTENT_TIME),
        phase_percent: percent(fields),
        trigger_ms: fields.number(tags::TRIGGER_TIME),
        kvp: fields.number(tags::KVP),
        kernel: fields.text(tags::CONVOLUTION_KERNEL),
        filter: fields.text(tags::FILTER_TYPE),
        dimensions: None,
        instance_number: number(tags::INSTANCE_NUMBER),
    }
}

/// What the Dimension Index Values of the frames stand for (PS3.3 section C.7.6.17), where that is not a place.
#[derive(Debug, Default)]
pub(super) struct Dimensions {
    /// Whether each is no place; none where the file does not say what its dimensions are.
    told: Vec<bool>,
}

impl Dimensions {
    pub fn of(fields: Fields<'_>) -> Self {
        let is_place = |pointer: Option<Tag>| pointer.is_some_and(|tag| PLACES.contains(&tag));
        let items = fields.items(tags::DIMENSION_INDEX_SEQUENCE);
        Self { told: items.map(|item| !is_place(item.pointer(tags::DIMENSION_INDEX_POINTER))).collect() }
    }

    /// The values of a frame that are no places. Where nobody says which they are the last is taken for one, as most writers have it.
    fn values(&self, content: Fields<'_>) -> Option<Box<[u32]>> {
        let values = content.numbers(tags::DIMENSION_INDEX_VALUES)?;
        let told = values.len() == self.told.len();
        let is_mark = |index: usize| match told {
            true => self.told.get(index).copied().unwrap_or_default(),
            false => index + 1 < values.len(),
        };
        Some(values.iter().enumerate().filter(|(index, _)| is_mark(*index)).map(|(_, value)| *value as u32).collect())
    }
}

/// A number that has the frames of a file in their order, and files in that of their Instance Numbers.
pub(super) fn number_of(file: Option<f64>, index: usize) -> f64 {
    file.unwrap_or_default() * FRAMES + index as f64
}

/// The marks of a frame of a multi-frame instance, out of its own groups, then those of all frames: attribute by
/// attribute, then those of `base`.
pub(super) fn grouped_marks(groups: [Option<Fields<'_>>; 2], dimensions: &Dimensions, base: &PassMarks) -> PassMarks {
    let content = |tag| found(groups, tags::FRAME_CONTENT_SEQUENCE, |item| item.u16(tag)).map(f64::from);
    let moment = |tag| found(groups, tags::FRAME_CONTENT_SEQUENCE, |item| date_time(&item.text(tag)?));
    let (heart, breath) = (tags::CARDIAC_SYNCHRONIZATION_SEQUENCE, tags::RESPIRATORY_SYNCHRONIZATION_SEQUENCE);
    let of_heart = [tags::NOMINAL_CARDIAC_TRIGGER_DELAY_TIME, tags::ACTUAL_CARDIAC_TRIGGER_DELAY_TIME];
    let of_breath = [tags::NOMINAL_RESPIRATORY_TRIGGER_DELAY_TIME, tags::ACTUAL_RESPIRATORY_TRIGGER_DELAY_TIME];
    let delay =
        |trigger, tags: [Tag; 2]| found(groups, trigger, |item| tags.into_iter().find_map(|tag| item.number(tag)));
    let own = PassMarks {
        stack_id: found(groups, tags::FRAME_CONTENT_SEQUENCE, |item| item.text(tags::STACK_ID)),
        temporal_position: content(tags::TEMPORAL_POSITION_INDEX),
        temporal_offset_s: found(groups, tags::TEMPORAL_POSITION_SEQUENCE, |item| {
            item.number(tags::TEMPORAL_POSITION_TIME_OFFSET)
        }),
        acquisition_number: content(tags::FRAME_ACQUISITION_NUMBER),
        irradiation_event_uid: irradiation_event(groups),
        acquired_s: moment(tags::FRAME_ACQUISITION_DATE_TIME),
        referenced_s: moment(tags::FRAME_REFERENCE_DATE_TIME),
        made_s: None,
        phase_percent: found(groups, heart, percent).or_else(|| found(groups, breath, percent)),
        trigger_ms: delay(heart, of_heart).or_else(|| delay(breath, of_breath)),
        kvp: found(groups, tags::CTX_RAY_DETAILS_SEQUENCE, |item| item.number(tags::KVP)),
        kernel: found(groups, tags::CT_RECONSTRUCTION_SEQUENCE, |item| item.text(tags::CONVOLUTION_KERNEL)),
        filter: found(groups, tags::CTX_RAY_DETAILS_SEQUENCE, |item| item.text(tags::FILTER_TYPE)),
        dimensions: found(groups, tags::FRAME_CONTENT_SEQUENCE, |item| dimensions.values(item)),
        instance_number: None,
    };
    own.over(base)
}

/// Where the standard has it (PS3.3 section C.8.15.3.13 and its neighbours), and where writers put it.
fn irradiation_event(groups: [Option<Fields<'_>>; 2]) -> Option<String> {
    let uid = |fields: Fields<'_>| fields.text(tags::IRRADIATION_EVENT_UID);
    let group = |group: Fields<'_>| {
        IRRADIATION_EVENTS
            .into_iter()
            .find_map(|sequence| group.items(sequence).next().and_then(uid))
            .or_else(|| uid(group))
    };
    groups.into_iter().flatten().find_map(group)
}

/// What `read` finds in the first group whose first item of `sequence` has it. These macros have one item, or one a source of rays; the
/// shared one is asked for every frame, so it must not take long.
fn found<'s, T>(groups: [Option<Fields<'s>>; 2], sequence: Tag, read: impl Fn(Fields<'s>) -> Option<T>) -> Option<T> {
    groups.into_iter().flatten().find_map(|group| group.items(sequence).next().and_then(&read))
}

fn percent(fields: Fields<'_>) -> Option<f64> {
    fields
        .number(tags::NOMINAL_PERCENTAGE_OF_CARDIAC_PHASE)
        .or_else(|| fields.number(tags::NOMINAL_PERCENTAGE_OF_RESPIRATORY_PHASE))
}

/// The digits of a date or a time, without the separators that old writers put in.
fn digits(text: &str) -> Option<&str> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text)
}

/// Seconds from some fixed day to the date (VR DA); months count 31 days, so that later is greater and no more is promised.
fn days(text: &str) -> Option<f64> {
    let text: String = text.chars().filter(|c| !matches!(c, '.' | '-' | '/')).collect();
    let part = |from: usize, to: usize| digits(text.get(from..to)?)?.parse::<f64>().ok();
    Some(((part(0, 4)? * 12.0 + part(4, 6)?) * 31.0 + part(6, 8)?) * 86_400.0)
}

/// Seconds from midnight (VR TM): hours, and what follows of minutes, seconds and fraction.
fn seconds_of_day(text: &str) -> Option<f64> {
    let text: String = text.chars().filter(|c| *c != ':').collect();
    let part = |from: usize, to: usize| match text.get(from..to) {
        Some(two) => digits(two)?.parse::<f64>().ok(),
        None => Some(0.0),
    };
    let fraction = match text.get(6..) {
        Some(rest) if !rest.is_empty() => format!("0{}", rest.trim()).parse::<f64>().ok()?,
        _ => 0.0,
    };
    digits(text.get(0..2)?)?;
    Some(part(0, 2)? * 3_600.0 + part(2, 4)? * 60.0 + part(4, 6)? + fraction)
}

/// Seconds from some fixed day (VR DT). The offset from UTC is left out: it is the same through a series.
fn date_time(text: &str) -> Option<f64> {
    let local = text.split(['+', '-', '&']).next()?;
    Some(days(local.get(0..8)?)? + seconds_of_day(local.get(8..)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_of_the_standard_and_of_old_writers() {
        assert_eq!(seconds_of_day("101530.25"), Some(36_930.25));
        assert_eq!(seconds_of_day("10:15:30"), Some(36_930.0));
        assert_eq!((seconds_of_day("10"), seconds_of_day("1015")), (Some(36_000.0), Some(36_900.0)));
        assert_eq!((seconds_of_day("morning"), seconds_of_day("1"), seconds_of_day("101530x")), (None, None, None));
        assert_eq!(days("2026.01.02"), days("20260102"));
        assert!(days("20260201") > days("20260131"));
        let [early, late] = ["20251231235959.5+0100", "20260101000000"].map(|text| date_time(text).unwrap());
        assert!(early < late);
        assert_eq!((date_time("2026"), date_time("")), (None, None));
    }
}
