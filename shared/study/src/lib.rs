//! The domain's types: identifiers, evidence, body parts, geometry, reasons and the row that one series ends as.
//!
//! Invariant: no input or output, no async, no knowledge of DICOM encoding, ONNX, Delta or Kafka.
//! Every other crate may depend on this one; it depends on none of them.

mod allow;
mod body;
mod bucket;
mod codes;
mod contrast;
mod geometry;
mod reason;
mod remark;
mod row;
mod uid;

pub use allow::{Allowed, NotAllowable};
pub use body::{BodyPart, BodyPartFinding, BodyPartSource};
pub use bucket::is_bucket_name;
pub use contrast::{Audit, Declared, DeclaredContrast, Evidence, PredictedClass, Says};
pub use geometry::{Orientation, PixelWindow, SeriesGeometry, Vector3};
pub use reason::{Reason, ReasonCode};
pub use remark::{Remark, RemarkCode};
pub use row::{
    BundleRef, ContentDigest, InstanceFingerprint, LabelRow, Outcome, Prediction, RowKey, SeriesFacts, SliceScore,
    StackRef, Status,
};
pub use uid::{SeriesUid, SopInstanceUid, StudyUid, UidError};
