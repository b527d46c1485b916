//! Frames in space, and those of them that lie in parallel planes.

use std::sync::Arc;

use bolus_study::{Reason, ReasonCode, Vector3};

use super::types::{Candidate, Slice};
use crate::geometry::Plane;
use crate::refusal::judgement_of;
use crate::values::energy_kev;
use crate::{FrameInfo, PassMarks};

/// A frame that can be a slice.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub slice: Slice,
    pub position_mm: Vector3,
    pub plane: Plane,
    /// What speaks against the frame: see [`judgement_of`].
    pub judged: Option<ReasonCode>,
    /// Whether its pixels are known. Two frames at one place whose pixels are known show different images: copies have been dropped.
    pub seen: bool,
}

impl Placed {
    pub fn info(&self) -> Option<&FrameInfo> {
        self.slice.instance.frames.get(self.slice.frame)
    }

    /// Its file and frame.
    pub fn place(&self) -> (usize, usize) {
        (self.slice.object, self.slice.frame)
    }

    pub fn marks(&self) -> &PassMarks {
        static NONE: PassMarks = PassMarks::NONE;
        self.info().map_or(&NONE, |frame| &frame.pass)
    }

    pub fn image_type(&self) -> &[String] {
        self.info().map_or(&[], |frame| &frame.image_type)
    }

    /// The energy of a virtual monoenergetic frame, in keV.
    pub fn kev(&self) -> Option<f64> {
        self.info().and_then(|frame| energy_kev(&self.slice.instance, frame))
    }

    /// What speaks against the frame, in words.
    pub fn judgement(&self) -> Option<Reason> {
        self.judged.and_then(|_| judgement_of(&self.slice.instance, self.info()?))
    }

    pub fn candidate(&self) -> Candidate {
        let Slice { object, sop_uid, instance, .. } = &self.slice;
        Candidate { object: *object, sop_uid: sop_uid.clone(), instance: Arc::clone(instance) }
    }
}

/// A frame that repeats another.
#[derive(Debug)]
pub(super) struct Copy {
    pub frame: Placed,
    /// Why it is left out.
    pub reason: Reason,
    /// The file and frame that it repeats.
    pub of: (usize, usize),
}

/// Frames in parallel planes of one size, class and frame of reference, against which the same speaks.
#[derive(Debug)]
pub(super) struct PlaneGroup {
    pub plane: Plane,
    pub class: Option<String>,
    pub reference: Option<String>,
    pub judged: Option<ReasonCode>,
    pub frames: Vec<Placed>,
    /// Frames that repeat one of `frames`.
    pub copies: Vec<Copy>,
}

impl PlaneGroup {
    /// The attribute by which the group differs from another of its series.
    pub fn differs_by(&self, other: &Self) -> &'static str {
        let (own, others) = (&self.plane, &other.plane);
        if self.class != other.class {
            "SOPClassUID"
        } else if self.judged != other.judged {
            "what Image Type, Rescale Type or the description say of the values"
        } else if (own.rows, own.columns) != (others.rows, others.columns) {
            "Rows and Columns"
        } else if self.reference != other.reference {
            "FrameOfReferenceUID"
        } else if !own.is_parallel_to(others) {
            "ImageOrientationPatient"
        } else {
            "PixelSpacing"
        }
    }
}
