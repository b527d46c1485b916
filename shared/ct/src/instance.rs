//! What the header of one DICOM instance tells, as far as labelling needs it.

use std::sync::Arc;

use bolus_study::{BodyPart, Evidence, Orientation, SeriesUid, SopInstanceUid, StudyUid, Vector3};
use serde::Serialize;

/// Where the pixel data of an instance lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PixelLocation {
    /// Offset in bytes of the value of PixelData (7FE0,0010): the first pixel, or the first item of an encapsulated stream.
    /// Counted in the file as stored, or, where the data set is deflated, from its start once inflated.
    pub offset: u64,
    /// Length of the value in bytes; `None` where it is undefined (encapsulated).
    pub length: Option<u64>,
    /// Whether the frames are encapsulated (PS3.5 section A.4).
    pub encapsulated: bool,
    /// Where the deflate stream starts in the file, where the data set is deflated as a whole (PS3.5 section A.5).
    pub deflated: Option<u64>,
    /// Where the extended offset table lies, where there is one.
    pub extended_offsets: Option<ExtendedOffsets>,
}

/// Where the Extended Offset Table (7FE0,0001) lies, which tells where frames begin (PS3.3 section C.7.6.3.1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ExtendedOffsets {
    /// Offset of its value in the file.
    pub offset: u64,
    /// Length of its value.
    pub bytes: u64,
}

/// How stored values are laid out (PS3.5 section 8.1.1) and what they mean (PS3.3 section C.11.1.1.2).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PixelFormat {
    /// Rows (0028,0010).
    pub rows: usize,
    /// Columns (0028,0011).
    pub columns: usize,
    /// Number of Frames (0028,0008), 1 where absent.
    pub frames: usize,
    /// Samples per Pixel (0028,0002).
    pub samples_per_pixel: u16,
    /// Photometric Interpretation (0028,0004).
    pub photometric: String,
    /// Planar Configuration (0028,0006) is 1: the samples of one kind lie together, plane after plane.
    pub planar: bool,
    /// Bits Allocated (0028,0100).
    pub bits_allocated: u16,
    /// Bits Stored (0028,0101).
    pub bits_stored: u16,
    /// High Bit (0028,0102).
    pub high_bit: u16,
    /// Pixel Representation (0028,0103) as stated; other values than 0 and 1 mean nothing and are refused.
    pub pixel_representation: u16,
    /// Pixel Representation is 1: two's complement.
    pub signed: bool,
    /// Pixel Padding Value (0028,0120), as a stored value.
    pub padding: Option<i32>,
    /// Pixel Padding Range Limit (0028,0121), as a stored value.
    pub padding_limit: Option<i32>,
}

/// Geometry and units of one frame. Classic CT has one frame; Enhanced CT has one a slice, from its functional groups.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FrameInfo {
    /// Image Position (Patient), the centre of the first pixel.
    pub position_mm: Option<Vector3>,
    /// Image Orientation (Patient), unit vectors.
    pub orientation: Option<Orientation>,
    /// Pixel Spacing, `[y, x]`.
    pub pixel_spacing_mm: Option<[f64; 2]>,
    /// Slice Thickness.
    pub slice_thickness_mm: Option<f64>,
    /// Rescale Slope (0028,1053).
    pub rescale_slope: Option<f64>,
    /// Rescale Intercept (0028,1052).
    pub rescale_intercept: Option<f64>,
    /// Rescale Type (0028,1054), `None` where not stated. CT is in Hounsfield units (`HU`) unless it says otherwise.
    pub rescale_type: Option<String>,
    /// Image Type (0008,0008), or Frame Type (0008,9007) of an Enhanced CT frame.
    pub image_type: Vec<String>,
    /// What may tell the pass that made it from others.
    pub pass: PassMarks,
    /// What the frame's own groups say of its values and of contrast, shared by the frames that say the same; `None` where they say
    /// nothing beyond the instance.
    #[serde(skip)]
    pub says: Option<Arc<FrameSays>>,
}

/// What the functional groups of one frame say beyond the instance (PS3.3 section C.7.6.16).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FrameSays {
    /// What its pixel values are, by its groups or else by the instance; `None` where the groups say nothing of it.
    pub values: Option<ValueHints>,
    /// What its groups say about contrast, beside what [`Instance::evidence`] says of all frames.
    pub evidence: Vec<Evidence>,
}

impl FrameInfo {
    /// Whether nothing that tells what the values are, but for the instance, differs from `other`.
    pub(crate) fn measures_like(&self, other: &Self) -> bool {
        let same_says = match (&self.says, &other.says) {
            (Some(own), Some(others)) => Arc::ptr_eq(own, others),
            (own, others) => own.is_none() && others.is_none(),
        };
        same_says && self.image_type == other.image_type && self.rescale_type == other.rescale_type
    }

    /// What the frame says about contrast, beside its instance.
    pub(crate) fn evidence(&self) -> &[Evidence] {
        self.says.as_ref().map_or(&[], |says| &says.evidence)
    }

    /// What descriptions and attributes say of the frame's values, one of `instance`.
    pub(crate) fn values<'a>(&'a self, instance: &'a Instance) -> &'a ValueHints {
        self.says.as_ref().and_then(|says| says.values.as_ref()).unwrap_or(&instance.values)
    }
}

/// What the header says of the values, beside Image Type and Rescale Type of each frame.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ValueHints {
    /// What names something else than attenuation, with the words that say so.
    pub map: Option<String>,
    /// The words or the code of a projection or a curved plane.
    pub projection: Option<String>,
    /// Whether the images are virtual monoenergetic ones.
    pub monoenergetic: bool,
    /// The energies of such images in keV, by Monoenergetic Energy Equivalent (0018,937C) and by words, each once. They differ
    /// where frames do, or where words contradict an attribute.
    pub energies_kev: Vec<f64>,
    /// The unit of the values by Real World Value Mapping, where none of the mappings is to Hounsfield units.
    pub mapped_unit: Option<String>,
    /// Whether Presentation LUT Shape (2050,0020) turns values over that Photometric Interpretation does not.
    pub inverted: bool,
}

impl ValueHints {
    /// These hints, and those of `outer` where there are none; the energies of both, as one that contradicts is not to be lost.
    pub(crate) fn over(self, outer: &Self) -> Self {
        let text = |own: Option<String>, outer: &Option<String>| own.or_else(|| outer.clone());
        let mut energies_kev: Vec<f64> =
            self.energies_kev.into_iter().chain(outer.energies_kev.iter().copied()).collect();
        energies_kev.sort_by(f64::total_cmp);
        energies_kev.dedup();
        Self {
            map: text(self.map, &outer.map),
            projection: text(self.projection, &outer.projection),
            monoenergetic: self.monoenergetic || outer.monoenergetic,
            energies_kev,
            mapped_unit: text(self.mapped_unit, &outer.mapped_unit),
            inverted: self.inverted || outer.inverted,
        }
    }
}

/// What may tell one pass of the scanner, or one reconstruction of it, from another at the same positions. All of it is optional,
/// and none of it is to be trusted alone: step-and-shoot, for one, numbers every slice.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct PassMarks {
    /// Stack ID (0020,9056).
    pub stack_id: Option<String>,
    /// Temporal Position Index (0020,9128), or Temporal Position Identifier (0020,0100).
    pub temporal_position: Option<f64>,
    /// Acquisition Number (0020,0012), or Frame Acquisition Number (0020,9156).
    pub acquisition_number: Option<f64>,
    /// Temporal Position Time Offset (0020,930D), in seconds.
    pub temporal_offset_s: Option<f64>,
    /// Irradiation Event UID (0008,3010).
    pub irradiation_event_uid: Option<String>,
    /// When the acquisition began, in seconds since any fixed moment: Acquisition DateTime (0008,002A), else Acquisition Date and
    /// Time; of a frame, Frame Acquisition DateTime (0018,9074).
    #[serde(skip)]
    pub acquired_s: Option<f64>,
    /// Which moment the frame stands for, in seconds likewise: Frame Reference DateTime (0018,9151).
    #[serde(skip)]
    pub referenced_s: Option<f64>,
    /// When the image was made, in seconds likewise: Content Date and Time.
    #[serde(skip)]
    pub made_s: Option<f64>,
    /// Nominal Percentage of Cardiac Phase (0020,9241), or of Respiratory Phase (0020,9245).
    pub phase_percent: Option<f64>,
    /// Trigger Time (0018,1060), or the nominal, else actual delay from a cardiac (0020,9153 and 9252) or respiratory (0020,9255 and
    /// 9257) trigger, in milliseconds.
    pub trigger_ms: Option<f64>,
    /// KVP (0018,0060).
    pub kvp: Option<f64>,
    /// Convolution Kernel (0018,1210).
    pub kernel: Option<String>,
    /// Filter Type (0018,1160).
    pub filter: Option<String>,
    /// Dimension Index Values (0020,9157) of the dimensions that are no places.
    pub dimensions: Option<Box<[u32]>>,
    /// Instance Number (0020,0013); where a file holds several frames, a number that has them in their order.
    pub instance_number: Option<f64>,
}

/// The header of one instance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Instance {
    /// Study Instance UID; `None` where absent or empty.
    pub study_uid: Option<StudyUid>,
    /// Series Instance UID; `None` where absent or empty.
    pub series_uid: Option<SeriesUid>,
    /// SOP Instance UID, of the data set or else of the file meta group.
    pub sop_instance_uid: Option<SopInstanceUid>,
    /// SOP Class UID, of the data set or else of the file meta group.
    pub sop_class_uid: Option<String>,
    /// Transfer Syntax UID; implicit little endian or what the bytes show, where there is no file meta group.
    pub transfer_syntax_uid: String,
    /// Modality (0008,0060).
    pub modality: Option<String>,
    /// Frame of Reference UID (0020,0052).
    pub frame_of_reference_uid: Option<String>,
    /// Series Number (0020,0011): a hint for grouping where the series UID is missing, nothing else.
    pub series_number: Option<String>,
    /// Series Description (0008,103E).
    pub series_description: Option<String>,
    /// What descriptions and attributes say of the pixel values, and of projections.
    pub values: ValueHints,
    /// Manufacturer (0008,0070).
    pub manufacturer: Option<String>,
    /// Convolution Kernel (0018,1210).
    pub kernel: Option<String>,
    /// Gantry/Detector Tilt (0018,1120) in degrees, as stated; the geometry decides, this is for the report.
    pub stated_tilt_deg: Option<f64>,
    /// Patient ID (0010,0020), kept in memory for the keyed digest alone. Never logged, never serialised.
    #[serde(skip)]
    pub patient_id: Option<String>,
    /// The body parts that Body Part Examined (0018,0015) names.
    pub body_parts_by_tag: Vec<BodyPart>,
    /// The body parts that the words of the descriptions name.
    pub body_parts_by_words: Vec<BodyPart>,
    /// What the header says about contrast in all frames; [`FrameSays`] has what it says of some.
    pub evidence: Vec<Evidence>,
    /// Layout of the stored values; `None` where the instance has no image.
    pub format: Option<PixelFormat>,
    /// One entry a frame, at least one where `format` is given.
    pub frames: Vec<FrameInfo>,
    /// Keywords of attributes of the image that are required and missing or unreadable; `format` is `None` where
    /// there are any.
    pub missing_attributes: Vec<String>,
    /// Why nobody can tell which frame lies where: attributes that contradict each other. The pixels can be read all the same.
    pub contradiction: Option<String>,
    /// Where the pixel data lies; `None` where there is none.
    pub pixels: Option<PixelLocation>,
}

impl PassMarks {
    /// No mark at all.
    pub(crate) const NONE: Self = Self {
        stack_id: None,
        temporal_position: None,
        acquisition_number: None,
        temporal_offset_s: None,
        irradiation_event_uid: None,
        acquired_s: None,
        referenced_s: None,
        made_s: None,
        phase_percent: None,
        trigger_ms: None,
        kvp: None,
        kernel: None,
        filter: None,
        dimensions: None,
        instance_number: None,
    };

    /// These marks, and those of `outer` where there are none.
    pub(crate) fn over(self, outer: &Self) -> Self {
        let text = |own: Option<String>, outer: &Option<String>| own.or_else(|| outer.clone());
        Self {
            stack_id: text(self.stack_id, &outer.stack_id),
            temporal_position: self.temporal_position.or(outer.temporal_position),
            acquisition_number: self.acquisition_number.or(outer.acquisition_number),
            temporal_offset_s: self.temporal_offset_s.or(outer.temporal_offset_s),
            irradiation_event_uid: text(self.irradiation_event_uid, &outer.irradiation_event_uid),
            acquired_s: self.acquired_s.or(outer.acquired_s),
            referenced_s: self.referenced_s.or(outer.referenced_s),
            made_s: self.made_s.or(outer.made_s),
            phase_percent: self.phase_percent.or(outer.phase_percent),
            trigger_ms: self.trigger_ms.or(outer.trigger_ms),
            kvp: self.kvp.or(outer.kvp),
            kernel: text(self.kernel, &outer.kernel),
            filter: text(self.filter, &outer.filter),
            dimensions: self.dimensions.or_else(|| outer.dimensions.clone()),
            instance_number: self.instance_number.or(outer.instance_number),
        }
    }
}
