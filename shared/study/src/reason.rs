//! Why a file, a slice or a series was not labelled.

use serde::{Deserialize, Serialize};

use crate::codes::codes;

codes! {
    /// A closed list of reasons, so that they can be counted and queried.
    ReasonCode {
    /// The file has no bytes.
    EmptyFile => "empty_file",
    /// The bytes are not DICOM.
    NotDicom => "not_dicom",
    /// A DICOMDIR or another media index (PS3.10 section 8.6): it names images and holds none.
    Dicomdir => "dicomdir",
    /// DICOM whose data set cannot be parsed.
    BadDicom => "bad_dicom",
    /// The file ends before its data set or its pixel data do.
    Truncated => "truncated",
    /// The modality is not CT.
    Modality => "modality",
    /// The SOP class holds no CT image.
    SopClass => "sop_class",
    /// A localizer (scout) image.
    Localizer => "localizer",
    /// A secondary capture or a screen: not reconstructed from the scanner's data.
    SecondaryCapture => "secondary_capture",
    /// Derived images (reformats, projections, maps) where originals are wanted.
    Derived => "derived",
    /// Values that are no attenuation of tissue by tube voltage: a material's share, an atomic number, images with a material taken out,
    /// perfusion maps, monoenergetic images of an energy that the method was not made for.
    MaterialMap => "material_map",
    /// Values that are not Hounsfield units, by what the header says of them or by where air, fat, soft tissue and bone lie in them.
    NotHounsfield => "not_hounsfield",
    /// What the image shows is no patient's trunk, neck or head: a test object, a limb, nothing.
    NotAPatient => "not_a_patient",
    /// The slices are not axial.
    NotAxial => "not_axial",
    /// A required attribute is missing or cannot be read.
    MissingAttribute => "missing_attribute",
    /// Attributes contradict each other or the data.
    InconsistentAttribute => "inconsistent_attribute",
    /// No maintained decoder exists for the transfer syntax.
    TransferSyntax => "transfer_syntax",
    /// The pixel data is absent.
    NoPixelData => "no_pixel_data",
    /// The pixel data cannot be decoded.
    PixelData => "pixel_data",
    /// The image is larger than the limits allow.
    TooLarge => "too_large",
    /// The same SOP instance was seen before in this series, or the same image at the same position under another SOP Instance UID.
    DuplicateInstance => "duplicate_instance",
    /// Another slice lies at the same position; where it shows something else, neither is used.
    DuplicatePosition => "duplicate_position",
    /// Positions are taken more than once, and nothing tells which slices one pass of the scanner made.
    AmbiguousPositions => "ambiguous_positions",
    /// The series has fewer slices than the bundle needs.
    TooFewSlices => "too_few_slices",
    /// Slices are further apart than the bundle allows.
    Spacing => "spacing",
    /// The stack is sheared by gantry tilt and the bundle refuses that.
    GantryTilt => "gantry_tilt",
    /// No bundle covers the body part.
    BodyPart => "body_part",
    /// Too many slices of the series were refused.
    TooManyRefusedSlices => "too_many_refused_slices",
    /// An archive breaks a limit or a rule (nesting, path traversal, expansion ratio).
    Archive => "archive",
    /// The object could not be read from where it lies, and reading it again would not help: no permission, no such file.
    Unreadable => "unreadable",
    /// The store or the machine failed for the moment, after the store client's own retries: network, 5xx, throttling,
    /// expired credentials, a full disk. Transient.
    StoreUnavailable => "store_unavailable",
    /// The object was replaced or removed between its listing and its reading. Transient: list again.
    ChangedWhileReading => "changed_while_reading",
    /// The network or the runtime failed.
    Inference => "inference",
    /// The worker's process died while it handled this, as often as the configuration allows, the last time with nothing else
    /// under way: killed for its memory, a full stack, an abort.
    KilledWorker => "killed_worker",
    /// A message that is no event, or an event that asks for what is not done: another bucket, a single plain object.
    BadEvent => "bad_event",
    /// The event names nothing that is there: an empty prefix, objects that are all gone.
    NothingFound => "nothing_found",
    }
}

impl ReasonCode {
    /// The reasons that are a judgement on what can be read: the user may know better and override them.
    pub const JUDGEMENTS: [Self; 8] = [
        Self::Derived,
        Self::MaterialMap,
        Self::NotHounsfield,
        Self::NotAPatient,
        Self::NotAxial,
        Self::TooFewSlices,
        Self::Spacing,
        Self::GantryTilt,
    ];

    /// Whether the same input may end otherwise when it is listed and read again: the reason lies in the moment, not in
    /// the data. A label made around such a reason misses slices that are there, so a caller that can try again should
    /// throw the whole attempt away rather than commit it.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::StoreUnavailable | Self::ChangedWhileReading)
    }
}

/// A reason with its particulars: what was expected and what was found. Never patient identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Reason {
    /// The countable part.
    pub code: ReasonCode,
    /// The particulars, lower case, without a final period.
    pub detail: String,
}

impl Reason {
    /// Joins a code with its particulars.
    pub fn new(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// A reason that is one of [`ReasonCode::JUDGEMENTS`]: its particulars end with how to override it.
    pub fn judgement(code: ReasonCode, detail: impl std::fmt::Display) -> Self {
        debug_assert!(ReasonCode::JUDGEMENTS.contains(&code), "{code} cannot be overridden");
        Self { code, detail: format!("{detail}; --allow {code} overrides this") }
    }

    /// Whether the reason may pass by itself: see [`ReasonCode::is_transient`].
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.code.is_transient()
    }
}
