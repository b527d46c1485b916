//! The frames of an instance: one in a classic one, many with functional groups in an Enhanced CT (PS3.3 section C.7.6.16).
//!
//! Each attribute stands in the groups of the frame, in those that all frames share, or in the data set. A Legacy Converted Enhanced CT
//! (PS3.3 section A.70) keeps what has no group of its own in Unassigned Converted Attributes (C.7.6.16.2.25 and 26), which are read as
//! the data sets that they came from.

use bolus_study::{Orientation, Reason, ReasonCode};
use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::groups::{converted, shared_converted, type_of};
use super::marks::{Dimensions, grouped_marks, number_of, plain_marks};
use super::says::Sayings;
use crate::data_set::Fields;
use crate::values::{names, unlike_plain};
use crate::{FrameInfo, PassMarks};

/// How far a direction cosine's length may be from 1, and the product of the two from 0, before the orientation
/// counts as unreadable.
const ORIENTATION_TOLERANCE: f64 = 0.02;
/// What a text or list of a frame costs beside its bytes: its allocation.
const ALLOCATION_BYTES: usize = 16;

/// The frames of an instance.
pub(super) struct Frames {
    pub list: Vec<FrameInfo>,
    /// What image all frames are, where nothing says otherwise of one: Image Type, or Frame Type of the shared group. Empty where the
    /// groups say of every frame what image it is.
    pub outer_type: Vec<String>,
}

impl Frames {
    /// The frame of a classic instance: everything stands in the data set itself.
    pub fn plain(fields: Fields<'_>) -> Self {
        Self { list: vec![plain_frame(fields)], outer_type: fields.codes(tags::IMAGE_TYPE) }
    }

    /// One entry a frame, `count` of them, which may take `allowed` bytes of memory.
    ///
    /// *Errors*: `InconsistentAttribute` where there are fewer groups than frames, `TooLarge` beyond `allowed`.
    pub fn of(fields: Fields<'_>, count: usize, allowed: u64) -> Result<Self, Reason> {
        let shared = fields.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).next();
        let per_frame: Vec<_> = fields.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).collect();
        let mut outer = plain_frame(fields);
        if let Some(converted) = shared.and_then(shared_converted) {
            outer = layered(plain_frame(converted), &outer);
        }
        if count > 1 {
            // One position cannot hold for several frames.
            outer.position_mm = None;
        }
        if shared.is_none() && per_frame.is_empty() {
            return Ok(Self { outer_type: outer.image_type.clone(), list: vec![outer; count] });
        }
        if per_frame.len() < count && !per_frame.is_empty() {
            return Err(Reason::new(ReasonCode::InconsistentAttribute, unlike_frames(count, per_frame.len())));
        }
        // With more items than frames nobody knows which item is whose: the pixels count, the geometry does not, and
        // `Instance::contradiction` says so.
        let fit = per_frame.len() <= count;
        if !fit {
            outer.position_mm = None;
        }
        let dimensions = Dimensions::of(fields);
        let mut sayings = Sayings::of(fields);
        let shared_type = shared.map(type_of).unwrap_or_default();
        let outer_type = if shared_type.is_empty() { outer.image_type.clone() } else { shared_type };
        let mut list = Vec::with_capacity(count);
        let mut typed = 0;
        let mut taken = 0;
        for index in 0..count {
            let own = per_frame.get(index).copied().filter(|_| fit);
            let mut frame = grouped_frame([own, shared], &dimensions, &outer, index);
            let own_type = own.map(type_of).filter(|image_type| !image_type.is_empty());
            typed += usize::from(own_type.is_some());
            frame.image_type = own_type.unwrap_or_else(|| outer_type.clone());
            frame.says = own.map_or(Ok(None), |own| sayings.frame(own))?;
            taken += bytes(&frame);
            if taken.saturating_add(sayings.bytes()) as u64 > allowed {
                let detail = format!("the frames take more than {allowed} bytes of memory");
                return Err(Reason::new(ReasonCode::TooLarge, detail));
            }
            list.push(frame);
        }
        let outer_type = if typed == count { Vec::new() } else { outer_type };
        let mut frames = Self { list, outer_type };
        frames.heed(&fields.codes(tags::IMAGE_TYPE));
        Ok(frames)
    }

    /// Where the instance's Image Type names something else than planes of attenuation and no frame's own does, the two contradict: the
    /// frames have it from there on, as in doubt they are not what the method takes.
    fn heed(&mut self, image_type: &[String]) {
        let Some((kind, value)) = unlike_plain(image_type) else { return };
        if !self.list.iter().any(|frame| names(&frame.image_type, kind)) {
            self.list.iter_mut().for_each(|frame| frame.image_type.push(value.clone()));
        }
    }
}

/// That Number of Frames and the items of the Per-Frame Functional Groups Sequence differ, which are one a frame (PS3.3 section C.7.6.16).
pub(super) fn unlike_frames(frames: usize, items: usize) -> String {
    format!("{frames} frames by Number of Frames, {items} items in Per-Frame Functional Groups Sequence")
}

/// What `frame` takes in memory, but for what it shares with others.
fn bytes(frame: &FrameInfo) -> usize {
    let PassMarks { stack_id, irradiation_event_uid, kernel, filter, dimensions, .. } = &frame.pass;
    let texts = [stack_id, irradiation_event_uid, kernel, filter, &frame.rescale_type].into_iter().flatten();
    let types = frame.image_type.iter().map(|value| size_of::<String>() + value.len() + ALLOCATION_BYTES);
    let dimensions = dimensions.iter().map(|values| size_of_val(values.as_ref()) + ALLOCATION_BYTES);
    let texts = texts.map(|text| text.len() + ALLOCATION_BYTES);
    size_of::<FrameInfo>() + texts.chain(types).chain(dimensions).sum::<usize>()
}

fn plain_frame(fields: Fields<'_>) -> FrameInfo {
    FrameInfo {
        position_mm: fields.vector(tags::IMAGE_POSITION_PATIENT),
        orientation: fields.vector(tags::IMAGE_ORIENTATION_PATIENT).and_then(orientation),
        pixel_spacing_mm: fields.vector(tags::PIXEL_SPACING).filter(is_positive),
        slice_thickness_mm: fields.number(tags::SLICE_THICKNESS).filter(|thickness| *thickness > 0.0),
        rescale_slope: fields.number(tags::RESCALE_SLOPE),
        rescale_intercept: fields.number(tags::RESCALE_INTERCEPT),
        rescale_type: fields.text(tags::RESCALE_TYPE),
        image_type: fields.codes(tags::IMAGE_TYPE),
        pass: plain_marks(fields),
        says: None,
    }
}

/// `own`, and `outer` where it has nothing. Slope and intercept belong together.
fn layered(own: FrameInfo, outer: &FrameInfo) -> FrameInfo {
    let rescale = |frame: &FrameInfo| (frame.rescale_slope, frame.rescale_intercept);
    let (rescale_slope, rescale_intercept) = if rescale(&own) == (None, None) { rescale(outer) } else { rescale(&own) };
    FrameInfo {
        position_mm: own.position_mm.or(outer.position_mm),
        orientation: own.orientation.or(outer.orientation),
        pixel_spacing_mm: own.pixel_spacing_mm.or(outer.pixel_spacing_mm),
        slice_thickness_mm: own.slice_thickness_mm.or(outer.slice_thickness_mm),
        rescale_slope,
        rescale_intercept,
        rescale_type: own.rescale_type.or_else(|| outer.rescale_type.clone()),
        image_type: if own.image_type.is_empty() { outer.image_type.clone() } else { own.image_type },
        pass: own.pass.over(&outer.pass),
        says: None,
    }
}

/// The frame at `index` of an Enhanced CT: each macro stands in the frame's own item or in the shared one. Where neither has it, what the
/// frame was converted from is meant, or what stands in the data set itself.
fn grouped_frame(
    groups: [Option<Fields<'_>>; 2],
    dimensions: &Dimensions,
    outer: &FrameInfo,
    index: usize,
) -> FrameInfo {
    let items = |tag: Tag| groups.into_iter().flatten().filter_map(move |group| group.items(tag).next());
    let [own, _] = groups;
    let converted = own.and_then(converted).map(plain_frame);
    // The number that the frame had as a file tells more than its place in this one.
    let number = converted.as_ref().and_then(|frame| frame.pass.instance_number);
    let mut frame = converted.map_or_else(|| outer.clone(), |converted| layered(converted, outer));
    frame.pass.instance_number = number.or_else(|| Some(number_of(outer.pass.instance_number, index)));
    if let Some(item) = items(tags::PLANE_POSITION_SEQUENCE).next() {
        frame.position_mm = item.vector(tags::IMAGE_POSITION_PATIENT);
    }
    if let Some(item) = items(tags::PLANE_ORIENTATION_SEQUENCE).next() {
        frame.orientation = item.vector(tags::IMAGE_ORIENTATION_PATIENT).and_then(orientation);
    }
    if let Some(item) = items(tags::PIXEL_MEASURES_SEQUENCE).next() {
        frame.pixel_spacing_mm = item.vector(tags::PIXEL_SPACING).filter(is_positive);
        frame.slice_thickness_mm = item.number(tags::SLICE_THICKNESS).filter(|thickness| *thickness > 0.0);
    }
    if let Some(item) = items(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE).next() {
        frame.rescale_slope = item.number(tags::RESCALE_SLOPE);
        frame.rescale_intercept = item.number(tags::RESCALE_INTERCEPT);
    }
    let unit = items(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE).find_map(|item| item.text(tags::RESCALE_TYPE));
    frame.rescale_type = unit.or(frame.rescale_type);
    frame.pass = grouped_marks(groups, dimensions, &frame.pass);
    frame
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
