//! What may tell one pass from another, out of a header (PS3.3 sections C.7.3.1, C.8.2.1 and C.7.6.16.2.2).

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::Fields;
use crate::PassMarks;

/// More frames than a file can have here: keeps the frames of one file together in the order of instance numbers.
const FRAMES: f64 = 65_536.0;

/// Whether `tag` is a sequence that holds marks.
pub(super) fn is_sequence(tag: Tag) -> bool {
    matches!(
        tag,
        tags::FRAME_CONTENT_SEQUENCE
            | tags::CARDIAC_SYNCHRONIZATION_SEQUENCE
            | tags::CT_RECONSTRUCTION_SEQUENCE
            | tags::CTX_RAY_DETAILS_SEQUENCE
    )
}

/// Whether `tag` is an attribute that is a mark.
pub(super) fn is_attribute(tag: Tag) -> bool {
    matches!(
        tag,
        tags::STACK_ID
            | tags::TEMPORAL_POSITION_INDEX
            | tags::TEMPORAL_POSITION_IDENTIFIER
            | tags::ACQUISITION_NUMBER
            | tags::FRAME_ACQUISITION_NUMBER
            | tags::IRRADIATION_EVENT_UID
            | tags::ACQUISITION_DATE_TIME
            | tags::ACQUISITION_DATE
            | tags::ACQUISITION_TIME
            | tags::FRAME_ACQUISITION_DATE_TIME
            | tags::CONTENT_DATE
            | tags::CONTENT_TIME
            | tags::NOMINAL_PERCENTAGE_OF_CARDIAC_PHASE
            | tags::NOMINAL_PERCENTAGE_OF_RESPIRATORY_PHASE
            | tags::TRIGGER_TIME
            | tags::NOMINAL_CARDIAC_TRIGGER_DELAY_TIME
            | tags::KVP
            | tags::FILTER_TYPE
            | tags::INSTANCE_NUMBER
    )
}

/// The marks of a classic instance, which stand in the data set itself.
pub(super) fn plain_marks(fields: Fields<'_>) -> PassMarks {
    let number = |tag| fields.text(tag).and_then(|text| text.parse::<f64>().ok()).filter(|number| number.is_finite());
    let date = |tag| fields.text(tag).and_then(|text| days(&text));
    let time = |tag| fields.text(tag).and_then(|text| seconds_of_day(&text));
    let moment = |date_tag, time_tag| Some(date(date_tag).unwrap_or_default() + time(time_tag)?);
    PassMarks {
        stack_id: fields.text(tags::STACK_ID),
        temporal_position: number(tags::TEMPORAL_POSITION_IDENTIFIER),
        acquisition_number: number(tags::ACQUISITION_NUMBER),
        irradiation_event_uid: fields.text(tags::IRRADIATION_EVENT_UID),
        acquired_s: fields
            .text(tags::ACQUISITION_DATE_TIME)
            .and_then(|text| date_time(&text))
            .or_else(|| moment(tags::ACQUISITION_DATE, tags::ACQUISITION_TIME)),
        made_s: moment(tags::CONTENT_DATE, tags::CONTENT_TIME),
        phase_percent: percent(fields),
        trigger_ms: fields.number(tags::TRIGGER_TIME),
        kvp: fields.number(tags::KVP),
        kernel: fields.text(tags::CONVOLUTION_KERNEL),
        filter: fields.text(tags::FILTER_TYPE),
        instance_number: number(tags::INSTANCE_NUMBER),
    }
}

/// The marks of the frame at `index` of a multi-frame instance: its own, or those of all frames, or the instance's.
pub(super) fn grouped_marks(groups: [Option<Fields<'_>>; 2], instance: &PassMarks, index: usize) -> PassMarks {
    let item = |tag: Tag| groups.into_iter().flatten().find_map(|group| group.items(tag).next());
    let content = item(tags::FRAME_CONTENT_SEQUENCE);
    let heart = item(tags::CARDIAC_SYNCHRONIZATION_SEQUENCE);
    let rays = item(tags::CTX_RAY_DETAILS_SEQUENCE);
    let whole = |tag| content.and_then(|item| item.u16(tag)).map(f64::from);
    let acquired = content.and_then(|item| item.text(tags::FRAME_ACQUISITION_DATE_TIME));
    PassMarks {
        stack_id: content.and_then(|item| item.text(tags::STACK_ID)).or_else(|| instance.stack_id.clone()),
        temporal_position: whole(tags::TEMPORAL_POSITION_INDEX).or(instance.temporal_position),
        acquisition_number: whole(tags::FRAME_ACQUISITION_NUMBER).or(instance.acquisition_number),
        irradiation_event_uid: instance.irradiation_event_uid.clone(),
        acquired_s: acquired.and_then(|text| date_time(&text)).or(instance.acquired_s),
        made_s: instance.made_s,
        phase_percent: heart.and_then(percent).or(instance.phase_percent),
        trigger_ms: heart
            .and_then(|item| item.number(tags::NOMINAL_CARDIAC_TRIGGER_DELAY_TIME))
            .or(instance.trigger_ms),
        kvp: rays.and_then(|item| item.number(tags::KVP)).or(instance.kvp),
        kernel: item(tags::CT_RECONSTRUCTION_SEQUENCE)
            .and_then(|item| item.text(tags::CONVOLUTION_KERNEL))
            .or_else(|| instance.kernel.clone()),
        filter: rays.and_then(|item| item.text(tags::FILTER_TYPE)).or_else(|| instance.filter.clone()),
        instance_number: Some(instance.instance_number.unwrap_or_default() * FRAMES + index as f64),
    }
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
