//! From parsed elements to an [`Instance`].

use bolus_study::{Reason, ReasonCode, SeriesUid, SopInstanceUid, StudyUid};
use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::frames::{Frames, unlike_frames};
use super::meta::Meta;
use super::says::values_of_all;
use crate::data_set::{DataSet, Fields, Found, Place};
use crate::evidence::find_evidence;
use crate::words::{body_parts_of_tag, body_parts_of_words};
use crate::{ExtendedOffsets, FrameInfo, Instance, PixelFormat, PixelLocation};

/// More frames than this in one instance are refused: a number that lies must not cost memory.
const MAX_FRAMES: u64 = 65_536;
/// The fewest bytes of an encapsulated frame: the header of its item, and something coded.
const ITEM_BYTES: u64 = 8 + 2;
/// What a frame takes in an [`Instance`], with its texts, which are short inside functional groups.
const FRAME_BYTES: u64 = size_of::<FrameInfo>() as u64 + 512;
/// Texts of the data set that each frame has a copy of, where its own groups have none.
const FRAME_TEXTS: [Tag; 6] = [
    tags::RESCALE_TYPE,
    tags::IMAGE_TYPE,
    tags::STACK_ID,
    tags::IRRADIATION_EVENT_UID,
    tags::CONVOLUTION_KERNEL,
    tags::FILTER_TYPE,
];
/// Frames may take this much, and [`LISTED_PER_BYTE`] for each byte of the file: a real frame has more bytes in its file
/// than it takes here, a deflated one up to a tenth.
const LISTED_FLOOR_BYTES: u64 = 16 * 1024;
const LISTED_PER_BYTE: u64 = 64;

/// What the bytes of an instance were.
pub(super) struct Source<'a> {
    pub file_len: u64,
    pub meta: &'a Meta,
    /// Numbers are big endian.
    pub big: bool,
    /// Transfer Syntax UID.
    pub syntax: &'a str,
    /// Where the deflate stream starts, where the data set is one.
    pub deflated: Option<u64>,
}

/// Makes the instance of what was kept and found.
pub(super) fn instance(data_set: &DataSet, found: Found, source: &Source<'_>) -> Result<Instance, Reason> {
    let meta = source.meta;
    let fields = Fields::new(data_set, source.big);
    let pixels = found.pixels.map(|place| location(place, found, source.deflated));
    let (format, missing_attributes) = pixel_format(fields, pixels.as_ref());
    let frames = match &format {
        Some(format) if pixels.is_some() => {
            admit_frames(fields, format, pixels.as_ref(), source.file_len)?;
            Frames::of(fields, format.frames, allowed_bytes(source.file_len))?
        }
        _ => Frames::plain(fields),
    };
    let count = format.as_ref().filter(|_| pixels.is_some()).map_or(usize::MAX, |format| format.frames);
    let items = fields.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).count();
    let uid = |tag| fields.text(tag);
    Ok(Instance {
        study_uid: uid(tags::STUDY_INSTANCE_UID).and_then(|uid| StudyUid::of_data(&uid)),
        series_uid: uid(tags::SERIES_INSTANCE_UID).and_then(|uid| SeriesUid::of_data(&uid)),
        sop_instance_uid: [uid(tags::SOP_INSTANCE_UID), meta.sop_instance_uid.clone()]
            .into_iter()
            .flatten()
            .find_map(|uid| SopInstanceUid::of_data(&uid)),
        sop_class_uid: uid(tags::SOP_CLASS_UID).or_else(|| meta.sop_class_uid.clone()),
        transfer_syntax_uid: source.syntax.to_owned(),
        modality: fields.code(tags::MODALITY),
        frame_of_reference_uid: fields.text(tags::FRAME_OF_REFERENCE_UID),
        series_number: fields.text(tags::SERIES_NUMBER),
        series_description: fields.text(tags::SERIES_DESCRIPTION),
        values: values_of_all(fields),
        manufacturer: fields.text(tags::MANUFACTURER),
        kernel: fields.text(tags::CONVOLUTION_KERNEL),
        stated_tilt_deg: fields.number(tags::GANTRY_DETECTOR_TILT),
        patient_id: fields.text(tags::PATIENT_ID),
        body_parts_by_tag: body_parts_of_tag(&fields.text(tags::BODY_PART_EXAMINED).unwrap_or_default()),
        body_parts_by_words: body_parts_by_words(fields),
        evidence: find_evidence(fields, &frames.outer_type),
        format,
        frames: frames.list,
        missing_attributes,
        contradiction: (items > count).then(|| unlike_frames(count, items)),
        pixels,
    })
}

fn location(place: Place, found: Found, deflated: Option<u64>) -> PixelLocation {
    let table = found.extended_offsets.filter(|_| deflated.is_none());
    PixelLocation {
        offset: place.offset,
        length: place.length,
        encapsulated: place.length.is_none(),
        deflated,
        extended_offsets: table.and_then(|table| Some(ExtendedOffsets { offset: table.offset, bytes: table.length? })),
    }
}

fn series_texts(fields: Fields<'_>) -> Vec<String> {
    [tags::SERIES_DESCRIPTION, tags::PROTOCOL_NAME].into_iter().filter_map(|tag| fields.text(tag)).collect()
}

/// The words of the series decide; the study's are asked only where those are silent.
fn body_parts_by_words(fields: Fields<'_>) -> Vec<bolus_study::BodyPart> {
    let of_series = body_parts_of_words(&series_texts(fields).join(" "));
    if !of_series.is_empty() {
        return of_series;
    }
    let study_tags =
        [tags::STUDY_DESCRIPTION, tags::REQUESTED_PROCEDURE_DESCRIPTION, tags::PERFORMED_PROCEDURE_STEP_DESCRIPTION];
    let texts: Vec<String> = study_tags.into_iter().filter_map(|tag| fields.text(tag)).collect();
    body_parts_of_words(&texts.join(" "))
}

/// The layout of the stored values, and the keywords of what is missing. Nothing is guessed, save High Bit, which
/// PS3.5 section 8.1.1 fixes to Bits Stored - 1.
fn pixel_format(fields: Fields<'_>, pixels: Option<&PixelLocation>) -> (Option<PixelFormat>, Vec<String>) {
    let mut missing = Vec::new();
    let mut required = |tag: Tag, keyword: &str| {
        let value = fields.u16(tag);
        if value.is_none() {
            missing.push(keyword.to_owned());
        }
        value.unwrap_or_default()
    };
    let rows = required(tags::ROWS, "Rows");
    let columns = required(tags::COLUMNS, "Columns");
    let samples_per_pixel = required(tags::SAMPLES_PER_PIXEL, "SamplesPerPixel");
    let bits_allocated = required(tags::BITS_ALLOCATED, "BitsAllocated");
    let bits_stored = required(tags::BITS_STORED, "BitsStored");
    let representation = required(tags::PIXEL_REPRESENTATION, "PixelRepresentation");
    let photometric = fields.code(tags::PHOTOMETRIC_INTERPRETATION);
    if photometric.is_none() {
        missing.push("PhotometricInterpretation".to_owned());
    }
    let cells = u64::from(rows) * u64::from(columns) * u64::from(samples_per_pixel);
    let frames = frame_count(fields, pixels, cells.saturating_mul(bits_allocated.into()).div_ceil(8));
    if frames.is_none() {
        missing.push("NumberOfFrames".to_owned());
    }
    let signed = representation == 1;
    let padding = |tag| fields.u16(tag).map(|value| stored_value(value, signed));
    let (Some(photometric), Some(frames), true) = (photometric, frames, missing.is_empty()) else {
        return (None, missing);
    };
    let format = PixelFormat {
        rows: rows.into(),
        columns: columns.into(),
        frames,
        samples_per_pixel,
        photometric,
        planar: fields.u16(tags::PLANAR_CONFIGURATION) == Some(1),
        bits_allocated,
        bits_stored,
        high_bit: fields.u16(tags::HIGH_BIT).unwrap_or(bits_stored.saturating_sub(1)),
        pixel_representation: representation,
        signed,
        padding: padding(tags::PIXEL_PADDING_VALUE),
        padding_limit: padding(tags::PIXEL_PADDING_RANGE_LIMIT),
    };
    (Some(format), missing)
}

/// Number of Frames; 1 where it is absent or empty. One that is no number says nothing: then there is one frame where the
/// pixel data are exactly one of `frame_bytes`, save for the byte that makes them even.
fn frame_count(fields: Fields<'_>, pixels: Option<&PixelLocation>, frame_bytes: u64) -> Option<usize> {
    if fields.text(tags::NUMBER_OF_FRAMES).is_none() {
        return Some(1);
    }
    let one =
        || pixels.and_then(|pixels| pixels.length).is_some_and(|length| length == frame_bytes.next_multiple_of(2));
    fields.count(tags::NUMBER_OF_FRAMES).or_else(|| one().then_some(1))
}

/// A 16-bit attribute of VR US or SS, by Pixel Representation (PS3.5 section 6.2, "US or SS").
fn stored_value(value: u16, signed: bool) -> i32 {
    if signed { i32::from(value.cast_signed()) } else { i32::from(value) }
}

/// What the frames of a file of `file_len` bytes may take.
fn allowed_bytes(file_len: u64) -> u64 {
    LISTED_FLOOR_BYTES.saturating_add(file_len.saturating_mul(LISTED_PER_BYTE))
}

/// Whether so many frames may be listed: each takes some hundred bytes of memory for as long as the series is known.
///
/// *Errors*: `TooLarge` beyond the limits, `InconsistentAttribute` where the file has not the bytes for so many items.
fn admit_frames(
    fields: Fields<'_>,
    format: &PixelFormat,
    pixels: Option<&PixelLocation>,
    file_len: u64,
) -> Result<(), Reason> {
    let frames = format.frames as u64;
    if frames > MAX_FRAMES {
        let detail = format!("{frames} frames declared, at most {MAX_FRAMES} are taken");
        return Err(Reason::new(ReasonCode::TooLarge, detail));
    }
    let left = pixels.map_or(0, |pixels| file_len.saturating_sub(pixels.offset));
    let items = frames.saturating_mul(ITEM_BYTES);
    if frames > 1 && items > left && pixels.is_some_and(|pixels| pixels.encapsulated && pixels.deflated.is_none()) {
        let detail = format!("{frames} frames declared, {left} bytes of pixel data found");
        return Err(Reason::new(ReasonCode::InconsistentAttribute, detail));
    }
    let texts: usize = FRAME_TEXTS.into_iter().filter_map(|tag| fields.text(tag)).map(|text| text.len()).sum();
    let listed = frames.saturating_mul(FRAME_BYTES.saturating_add(texts as u64));
    let allowed = allowed_bytes(file_len);
    if listed > allowed {
        let detail =
            format!("{frames} frames take {listed} bytes of memory, at most {allowed} for a file of {file_len}");
        return Err(Reason::new(ReasonCode::TooLarge, detail));
    }
    Ok(())
}
