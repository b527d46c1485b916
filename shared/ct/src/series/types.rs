//! What goes into grouping and what comes out: members, slices, series.

use std::collections::BTreeSet;
use std::sync::Arc;

use bolus_study::{
    BodyPartFinding, DeclaredContrast, Reason, ReasonCode, Remark, SeriesFacts, SeriesGeometry, SeriesUid,
    SopInstanceUid, StackRef, StudyUid,
};

use crate::Instance;
use crate::geometry::{Plane, measure};

/// One file that holds an instance, as the caller knows it.
#[derive(Debug, Clone)]
pub struct Member {
    /// The caller's index of the file.
    pub object: usize,
    /// Where the file lies. Read only where the Series Instance UID is missing, to keep folders apart.
    pub folder: String,
    /// Its header.
    pub instance: Instance,
}

/// A member with its SOP Instance UID settled.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub object: usize,
    pub sop_uid: SopInstanceUid,
    pub instance: Arc<Instance>,
}

/// One slice: a frame of one file, placed in space.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The caller's index of the file.
    pub object: usize,
    /// The frame in the file, from 0.
    pub frame: usize,
    /// The SOP Instance UID; derived where the file has none.
    pub sop_uid: SopInstanceUid,
    /// Position along the slice normal, in millimetres.
    pub z_mm: f64,
    /// HU = stored value × slope + intercept.
    pub rescale_slope: f64,
    /// HU = stored value × slope + intercept.
    pub rescale_intercept: f64,
    /// The header, shared by the frames of a file.
    pub instance: Arc<Instance>,
}

/// A frame of a used file that is no slice of the series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedFrame {
    /// The caller's index of the file.
    pub object: usize,
    /// The frame in the file, from 0.
    pub frame: usize,
    /// Why.
    pub reason: Reason,
}

/// A stack: what one pass made of one patient, study, series, frame of reference and plane. Most series are one; where a series is
/// several, each is a `Series` here, with its number in `stack`.
///
/// Every frame of every file ends once: as a slice of a stack, in `refused_frames` of one, or, with all frames of its file, in
/// `refused` of one or in `objects` of one whose `refusal` is set.
#[derive(Debug, Clone)]
pub struct Series {
    /// The Series Instance UID. Where one UID holds several stacks, all keep it.
    pub uid: SeriesUid,
    /// Whether the UID was missing and has been derived from the SOP Instance UIDs.
    pub uid_derived: bool,
    /// Which stack of its Series Instance UID this is; `None` where there is no other.
    pub stack: Option<StackRef>,
    /// Study Instance UID, where stated.
    pub study_uid: Option<StudyUid>,
    /// Geometry of `slices`; `None` where there are none.
    pub geometry: Option<SeriesGeometry>,
    /// The slices, ordered along the slice normal.
    pub slices: Vec<Slice>,
    /// What the headers declare about contrast.
    pub declared: DeclaredContrast,
    /// Body parts by the tag, else by the words; `None` where neither names one.
    pub body_part: Option<BodyPartFinding>,
    /// Facts for the report.
    pub facts: SeriesFacts,
    /// Files none of whose frames is a slice, with the reason, in the order of the index.
    pub refused: Vec<(usize, Reason)>,
    /// Frames left out of files that are used otherwise, here or in another stack.
    pub refused_frames: Vec<RefusedFrame>,
    /// All files of the stack, refused ones too, in the order of the index. A file with frames of several stacks stands in each.
    pub objects: Vec<usize>,
    /// Why nothing of the stack can be used, whatever the bundle wants.
    pub refusal: Option<Reason>,
    /// What speaks against its images although they can be read: the user may know better.
    pub judgement: Option<Reason>,
    /// Whether one of the slices was made from other images.
    pub derived: bool,
    /// What a reader of the label should know of how the slices were found, and of their values.
    pub remarks: Vec<Remark>,
    /// Patient ID, for the keyed digest alone. Never logged.
    pub patient_id: Option<String>,
    /// What identifies the content: files, each with its SOP Instance UID and, where others of its frames are another stack's, the
    /// frames.
    pub(super) content: Vec<(usize, String)>,
    /// Files that another stack, before this one, has been counted with.
    pub(super) counted_before: BTreeSet<usize>,
}

impl Series {
    /// All files of the stack, refused ones too.
    pub fn files(&self) -> impl Iterator<Item = usize> + '_ {
        self.objects.iter().copied()
    }

    /// The files that count as this stack's where files are counted: each file once, however many stacks it holds frames of.
    pub fn counted_files(&self) -> impl Iterator<Item = usize> + '_ {
        self.files().filter(|object| !self.counted_before.contains(object))
    }

    /// What identifies the stack's content: each file with the SOP Instance UID that it holds.
    pub fn content(&self) -> impl Iterator<Item = (usize, &str)> + '_ {
        self.content.iter().map(|(object, instance)| (*object, instance.as_str()))
    }

    /// The geometry of the slices `kept`, indices into `slices` in growing order: what remains when some turn out
    /// to be unreadable.
    ///
    /// # Errors
    /// `TooFewSlices` where none is left, `MissingAttribute` where the series has no geometry.
    pub fn geometry_of(&self, kept: &[usize]) -> Result<SeriesGeometry, Reason> {
        let Some(geometry) = &self.geometry else {
            return Err(Reason::new(ReasonCode::MissingAttribute, "the series has no geometry"));
        };
        if kept.len() == geometry.depth() {
            return Ok(geometry.clone());
        }
        let positions: Vec<_> = kept.iter().filter_map(|index| geometry.positions_mm.get(*index).copied()).collect();
        if positions.is_empty() {
            return Err(Reason::new(ReasonCode::TooFewSlices, "no slice is left"));
        }
        let plane = Plane {
            rows: geometry.rows,
            columns: geometry.columns,
            orientation: geometry.orientation,
            pixel_spacing_mm: geometry.pixel_spacing_mm,
        };
        Ok(measure(&plane, positions, geometry.slice_thickness_mm))
    }
}
