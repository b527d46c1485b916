//! From parsed elements to an [`Instance`].

use bolus_study::{Orientation, Reason, ReasonCode, SeriesUid, SopInstanceUid, StudyUid};
use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::parser::Parsed;
use super::{Fields, Meta, charset_of};
use crate::evidence::find_evidence;
use crate::words::{body_parts_of_tag, body_parts_of_words, is_reformat};
use crate::{FrameInfo, Instance, PixelFormat, PixelLocation};

/// More frames than this in one instance are refused: a number that lies must not cost memory.
const MAX_FRAMES: usize = 65_536;
/// How far a direction cosine's length may be from 1, and the product of the two from 0, before the orientation
/// counts as unreadable.
const ORIENTATION_TOLERANCE: f64 = 0.02;

/// Makes the instance of what was parsed.
pub(super) fn instance(
    parsed: &Parsed<'_>,
    big: bool,
    meta: &Meta,
    transfer_syntax_uid: String,
    deflated: bool,
) -> Result<Instance, Reason> {
    let charset = charset_of(&parsed.data_set);
    let fields = Fields::new(&parsed.data_set, big, charset.as_ref());
    let (format, missing_attributes) = pixel_format(fields);
    let frames = match &format {
        Some(format) => frames(fields, format.frames)?,
        None => vec![plain_frame(fields)],
    };
    let uid = |tag| fields.text(tag);
    Ok(Instance {
        study_uid: uid(tags::STUDY_INSTANCE_UID).and_then(|uid| StudyUid::new(&uid).ok()),
        series_uid: uid(tags::SERIES_INSTANCE_UID).and_then(|uid| SeriesUid::new(&uid).ok()),
        sop_instance_uid: [uid(tags::SOP_INSTANCE_UID), meta.sop_instance_uid.clone()]
            .into_iter()
            .flatten()
            .find_map(|uid| SopInstanceUid::new(&uid).ok()),
        sop_class_uid: uid(tags::SOP_CLASS_UID).or_else(|| meta.sop_class_uid.clone()),
        transfer_syntax_uid,
        modality: fields.text(tags::MODALITY),
        frame_of_reference_uid: fields.text(tags::FRAME_OF_REFERENCE_UID),
        series_number: fields.text(tags::SERIES_NUMBER),
        series_description: fields.text(tags::SERIES_DESCRIPTION),
        reformat_by_words: fields.text(tags::SERIES_DESCRIPTION).is_some_and(|text| is_reformat(&text)),
        manufacturer: fields.text(tags::MANUFACTURER),
        kernel: fields.text(tags::CONVOLUTION_KERNEL),
        stated_tilt_deg: fields.number(tags::GANTRY_DETECTOR_TILT),
        patient_id: fields.text(tags::PATIENT_ID),
        body_parts_by_tag: body_parts_of_tag(&fields.text(tags::BODY_PART_EXAMINED).unwrap_or_default()),
        body_parts_by_words: body_parts_by_words(fields),
        evidence: find_evidence(fields),
        format,
        frames,
        missing_attributes,
        pixels: parsed.pixels.map(|pixels| PixelLocation {
            offset: if deflated { 0 } else { pixels.offset },
            length: pixels.length.filter(|_| !deflated),
            encapsulated: pixels.length.is_none(),
            deflated,
        }),
    })
}

fn series_texts(fields: Fields<'_, '_>) -> Vec<String> {
    [tags::SERIES_DESCRIPTION, tags::PROTOCOL_NAME].into_iter().filter_map(|tag| fields.text(tag)).collect()
}

/// The words of the series decide; the study's are asked only where those are silent.
fn body_parts_by_words(fields: Fields<'_, '_>) -> Vec<bolus_study::BodyPart> {
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
fn pixel_format(fields: Fields<'_, '_>) -> (Option<PixelFormat>, Vec<String>) {
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
    let photometric = fields.text(tags::PHOTOMETRIC_INTERPRETATION);
    if photometric.is_none() {
        missing.push("PhotometricInterpretation".to_owned());
    }
    let frames = match fields.text(tags::NUMBER_OF_FRAMES) {
        None => Some(1),
        Some(text) => text.parse::<usize>().ok().filter(|frames| *frames > 0),
    };
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

/// A 16-bit attribute of VR US or SS, by Pixel Representation (PS3.5 section 6.2, "US or SS").
fn stored_value(value: u16, signed: bool) -> i32 {
    if signed { i32::from(value.cast_signed()) } else { i32::from(value) }
}

/// One entry a frame, at least one.
fn frames(fields: Fields<'_, '_>, count: usize) -> Result<Vec<FrameInfo>, Reason> {
    if count > MAX_FRAMES {
        let detail = format!("{count} frames declared, at most {MAX_FRAMES} are taken");
        return Err(Reason::new(ReasonCode::TooLarge, detail));
    }
    let shared = fields.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).next();
    let per_frame: Vec<_> = fields.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).collect();
    if shared.is_none() && per_frame.is_empty() {
        let mut frame = plain_frame(fields);
        if count > 1 {
            // One position cannot hold for several frames.
            frame.position_mm = None;
        }
        return Ok(vec![frame; count]);
    }
    if per_frame.len() < count && !per_frame.is_empty() {
        let detail = format!("{count} frames declared, {} functional group items found", per_frame.len());
        return Err(Reason::new(ReasonCode::InconsistentAttribute, detail));
    }
    let outer = plain_frame(fields);
    // With more items than frames nobody knows which item is whose: the pixels count, the geometry does not.
    let per_frame = if per_frame.len() > count { Vec::new() } else { per_frame };
    let groups = |index| [per_frame.get(index).copied(), shared];
    Ok((0..count).map(|index| grouped_frame(groups(index), &outer.image_type)).collect())
}

/// The frame of a classic instance: everything stands in the data set itself.
fn plain_frame(fields: Fields<'_, '_>) -> FrameInfo {
    FrameInfo {
        position_mm: fields.vector(tags::IMAGE_POSITION_PATIENT),
        orientation: fields.vector(tags::IMAGE_ORIENTATION_PATIENT).and_then(orientation),
        pixel_spacing_mm: fields.vector(tags::PIXEL_SPACING).filter(is_positive),
        slice_thickness_mm: fields.number(tags::SLICE_THICKNESS).filter(|thickness| *thickness > 0.0),
        rescale_slope: fields.number(tags::RESCALE_SLOPE),
        rescale_intercept: fields.number(tags::RESCALE_INTERCEPT),
        rescale_type: fields.text(tags::RESCALE_TYPE),
        image_type: fields.texts(tags::IMAGE_TYPE),
    }
}

/// A frame of an Enhanced CT (PS3.3 section C.7.6.16): each macro stands in the frame's own item or in the shared one.
fn grouped_frame(groups: [Option<Fields<'_, '_>>; 2], outer_type: &[String]) -> FrameInfo {
    let macro_item = |tag: Tag| groups.into_iter().flatten().find_map(|group| group.items(tag).next());
    let measures = macro_item(tags::PIXEL_MEASURES_SEQUENCE);
    let rescale = macro_item(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
    let frame_type = macro_item(tags::CT_IMAGE_FRAME_TYPE_SEQUENCE).map(|item| item.texts(tags::FRAME_TYPE));
    FrameInfo {
        position_mm: macro_item(tags::PLANE_POSITION_SEQUENCE)
            .and_then(|item| item.vector(tags::IMAGE_POSITION_PATIENT)),
        orientation: macro_item(tags::PLANE_ORIENTATION_SEQUENCE)
            .and_then(|item| item.vector(tags::IMAGE_ORIENTATION_PATIENT))
            .and_then(orientation),
        pixel_spacing_mm: measures.and_then(|item| item.vector(tags::PIXEL_SPACING)).filter(is_positive),
        slice_thickness_mm: measures
            .and_then(|item| item.number(tags::SLICE_THICKNESS))
            .filter(|thickness| *thickness > 0.0),
        rescale_slope: rescale.and_then(|item| item.number(tags::RESCALE_SLOPE)),
        rescale_intercept: rescale.and_then(|item| item.number(tags::RESCALE_INTERCEPT)),
        rescale_type: rescale.and_then(|item| item.text(tags::RESCALE_TYPE)),
        image_type: frame_type.filter(|values| !values.is_empty()).unwrap_or_else(|| outer_type.to_vec()),
    }
}

fn is_positive(spacing: &[f64; 2]) -> bool {
    spacing.iter().all(|distance| *distance > 0.0)
}

/// Unit direction cosines; `None` where the six numbers are not two perpendicular unit vectors.
fn orientation(cosines: [f64; 6]) -> Option<Orientation> {
    let [ax, ay, az, bx, by, bz] = cosines;
    let unit = |[x, y, z]: [f64; 3]| {
        let length = (x * x + y * y + z * z).sqrt();
        ((length - 1.0).abs() <= ORIENTATION_TOLERANCE).then(|| [x / length, y / length, z / length])
    };
    let (along_row, along_column) = (unit([ax, ay, az])?, unit([bx, by, bz])?);
    let product: f64 = along_row.iter().zip(&along_column).map(|(a, b)| a * b).sum();
    (product.abs() <= ORIENTATION_TOLERANCE).then_some(Orientation { along_row, along_column })
}
