//! Why an instance or a frame is not a slice of a CT series.

use bolus_study::{Reason, ReasonCode};
use dicom_dictionary_std::uids;

use crate::geometry::Plane;
use crate::pixel::{check_decodable, checked_format, no_pixel_data};
use crate::values::{localizer_type, named, projection_judgement, screen_type, value_judgement};
use crate::{FrameInfo, Instance, PixelFormat};

/// Storage classes that hold CT images (PS3.4 annex B.5).
const CT_CLASSES: [&str; 3] =
    [uids::CT_IMAGE_STORAGE, uids::ENHANCED_CT_IMAGE_STORAGE, uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE];
/// Secondary capture classes all start so.
const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
/// Photometric interpretations whose stored values measure something (PS3.3 section C.7.6.3.1.2).
const GREY: [&str; 2] = ["MONOCHROME2", "MONOCHROME1"];

/// Values of Image Type that mark images computed from other images in a way that keeps their Hounsfield units, beside `DERIVED` itself.
const REFORMAT_TYPES: &[&str] = &["MPR", "REFORMATTED", "PROJECTION IMAGE", "RESAMPLED", "AVERAGE", "MEAN"];

/// What makes the whole instance none of ours: its modality, class or kind. `None` for CT images.
pub(crate) fn refusal_of(instance: &Instance) -> Option<Reason> {
    let class = instance.sop_class_uid.as_deref();
    let is_ct_class = class.is_some_and(|class| CT_CLASSES.contains(&class));
    match instance.modality.as_deref() {
        Some(modality) if modality.eq_ignore_ascii_case("CT") => {}
        Some(modality) => return Some(Reason::new(ReasonCode::Modality, format!("modality {modality}, CT expected"))),
        None if is_ct_class => {}
        None if class.is_some() => {}
        None => return Some(Reason::new(ReasonCode::MissingAttribute, "neither Modality nor SOPClassUID")),
    }
    if class.is_some_and(|class| class == SECONDARY_CAPTURE || class.starts_with("1.2.840.10008.5.1.4.1.1.7.")) {
        return Some(Reason::new(ReasonCode::SecondaryCapture, "a secondary capture image"));
    }
    match class {
        Some(_) if is_ct_class => {}
        Some(class) => return Some(Reason::new(ReasonCode::SopClass, format!("SOP class {class} is no CT image"))),
        None => return Some(Reason::new(ReasonCode::MissingAttribute, "SOPClassUID")),
    }
    let localizers = || instance.frames.iter().all(|frame| localizer_type(frame).is_some());
    if let Some(kind) = instance.frames.first().and_then(localizer_type).filter(|_| localizers()) {
        return Some(localizer(&kind));
    }
    if instance.pixels.is_none() {
        return Some(no_pixel_data());
    }
    None
}

fn localizer(kind: &str) -> Reason {
    Reason::new(ReasonCode::Localizer, format!("image type {}", kind.escape_debug()))
}

/// What keeps the instance's image from being read although it is CT: a page of text, layout missing, in contradiction or without a
/// decoder. Such a page goes with the stack of its series.
pub(crate) fn image_refusal(instance: &Instance) -> Option<Reason> {
    let mut screens = instance.frames.iter().map(screen_type);
    if let Some(Some(kind)) = screens.next()
        && screens.all(|kind| kind.is_some())
    {
        return Some(screen(&kind));
    }
    let Some(format) = &instance.format else { return checked_format(instance).err() };
    if !GREY.iter().any(|grey| format.photometric.trim().eq_ignore_ascii_case(grey)) {
        let found = format.photometric.escape_debug();
        let detail =
            format!("photometric interpretation {found}: values are no grey levels, {} expected", GREY.join(" or "));
        return Some(Reason::new(ReasonCode::NotHounsfield, detail));
    }
    if format.samples_per_pixel != 1 {
        let detail = format!("{} samples per pixel, 1 expected", format.samples_per_pixel);
        return Some(Reason::new(ReasonCode::InconsistentAttribute, detail));
    }
    let contradiction = || instance.contradiction.as_ref();
    check_decodable(instance)
        .err()
        .or_else(|| contradiction().map(|detail| Reason::new(ReasonCode::InconsistentAttribute, detail)))
}

fn screen(kind: &str) -> Reason {
    Reason::new(ReasonCode::SecondaryCapture, format!("image type {}: a screen or a page of text", kind.escape_debug()))
}

/// Why the pixels of the instance cannot be decoded, as far as its header tells, by the reason that it has in its series; `None` where the
/// bytes of the pixel data decide.
///
/// An RT plan has no pixels because it is no image of CT: one fault, one name.
#[must_use]
pub fn undecodable(instance: &Instance) -> Option<Reason> {
    let reason = check_decodable(instance).err()?;
    // What no decoder is known for is none of a series' matter where the series is of another modality.
    if reason.code == ReasonCode::TransferSyntax {
        return Some(reason);
    }
    Some(refusal_of(instance).or_else(|| image_refusal(instance)).unwrap_or(reason))
}

/// What one frame needs to be a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub plane: Plane,
    pub position_mm: [f64; 3],
    pub rescale_slope: f64,
    pub rescale_intercept: f64,
}

/// Places a frame in space and Hounsfield units.
///
/// # Errors
/// The attribute that is missing; nothing is guessed. And that it is a localizer or a screen, of which an Enhanced CT may hold one among
/// its slices.
pub(crate) fn place(format: &PixelFormat, frame: &FrameInfo) -> Result<Placed, Reason> {
    if let Some(kind) = localizer_type(frame) {
        return Err(localizer(&kind));
    }
    if let Some(kind) = screen_type(frame) {
        return Err(screen(&kind));
    }
    let missing = |keyword: &str| Reason::new(ReasonCode::MissingAttribute, keyword);
    let rescale_slope = frame.rescale_slope.ok_or_else(|| missing("RescaleSlope"))?;
    if rescale_slope == 0.0 {
        return Err(Reason::new(ReasonCode::InconsistentAttribute, "rescale slope 0"));
    }
    Ok(Placed {
        plane: Plane {
            rows: format.rows,
            columns: format.columns,
            orientation: frame.orientation.ok_or_else(|| missing("ImageOrientationPatient"))?,
            pixel_spacing_mm: frame.pixel_spacing_mm.ok_or_else(|| missing("PixelSpacing"))?,
        },
        position_mm: frame.position_mm.ok_or_else(|| missing("ImagePositionPatient"))?,
        rescale_slope,
        rescale_intercept: frame.rescale_intercept.ok_or_else(|| missing("RescaleIntercept"))?,
    })
}

/// What speaks against a frame of the instance although it can be read: the user may know better (`--allow`).
pub(crate) fn judgement_of(instance: &Instance, frame: &FrameInfo) -> Option<Reason> {
    value_judgement(instance, frame).or_else(|| projection_judgement(instance, frame))
}

/// Whether the frame was made from other images.
///
/// `DERIVED\PRIMARY\AXIAL` alone is not: it also marks originals that were compressed with loss.
pub(crate) fn is_derived(instance: &Instance, frame: &FrameInfo) -> bool {
    let value = |index: usize| frame.image_type.get(index).map_or("", |value| value.trim());
    let is = |index: usize, name: &str| value(index).eq_ignore_ascii_case(name);
    let compressed_original = is(1, "PRIMARY") && is(2, "AXIAL");
    let by_type = is(0, "DERIVED") && !compressed_original;
    by_type || frame.values(instance).projection.is_some() || named(&frame.image_type, REFORMAT_TYPES).is_some()
}
