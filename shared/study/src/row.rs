//! The row that one series (or one unreadable file) ends as, and the key that makes it land once.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::codes::codes;
use crate::{
    Audit, BodyPartFinding, DeclaredContrast, PredictedClass, Reason, ReasonCode, Remark, SeriesUid, SopInstanceUid,
    StudyUid,
};

codes! {
    /// How a series or file ended.
    Status {
        /// A bundle labelled it.
        Labelled => "labelled",
        /// It is not for this bundle; the reason says why. Reading it again gives the same.
        Refused => "refused",
        /// It should have been labelled and could not be; the reason says why.
        Failed => "failed",
    }
}

/// What identifies the bytes of one instance without reading them all: its SOP Instance UID and the store's entity tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstanceFingerprint {
    /// The instance, or the object's own name where it has no UID.
    pub instance: String,
    /// The store's entity tag, as the store gave it.
    pub etag: String,
}

/// sha256, as lower-case hex, of the sorted (SOP Instance UID, etag) list of a series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContentDigest(String);

impl ContentDigest {
    /// Digests `fingerprints` in any order: they are sorted first.
    #[must_use]
    pub fn of(mut fingerprints: Vec<InstanceFingerprint>) -> Self {
        fingerprints.sort();
        let mut hasher = Sha256::new();
        for fingerprint in &fingerprints {
            hasher.update(fingerprint.instance.as_bytes());
            hasher.update([0]);
            hasher.update(fingerprint.etag.as_bytes());
            hasher.update([0]);
        }
        Self(hex::encode(hasher.finalize()))
    }

    /// Takes back a digest that was stored as text.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The digest as 64 hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The identity of a row: series UID + content digest + bundle digest. A key lands in the lake once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowKey(String);

impl RowKey {
    /// Builds the key of a series (or, for an unreadable file, of the file's name) under one bundle.
    #[must_use]
    pub fn of(series: &str, content: &ContentDigest, bundle_digest: &str) -> Self {
        let mut hasher = Sha256::new();
        for part in [series, content.as_str(), bundle_digest] {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        Self(hex::encode(hasher.finalize()))
    }

    /// The key of a failure to label what has this key. The key itself stays free for the label that a later attempt makes.
    #[must_use]
    pub fn of_failure(&self) -> Self {
        self.derived("failure", "")
    }

    /// The key of what became of this key's holder in the replay of that name, where it failed again.
    #[must_use]
    pub fn of_replay(&self, replay: &str) -> Self {
        self.derived("replay", replay)
    }

    /// The key of an adaptive label of what has this key: what was decided on a part of the slices is another outcome than what
    /// was decided on all.
    #[must_use]
    pub fn of_adaptive(&self) -> Self {
        self.derived("adaptive", "")
    }

    /// The key of a stack of what has this key, where the series has several: a stack that is told from others now is another outcome
    /// than the whole series before them. A series of one stack keeps its key.
    #[must_use]
    pub fn of_stack(self, stack: Option<&StackRef>) -> Self {
        match stack {
            Some(stack) => self.derived("stack", &stack.number.to_string()),
            None => self,
        }
    }

    /// The key of a label that was made although `overridden` spoke against it: it must not be taken for an ordinary one, and a refusal
    /// that is in the lake must not stand in its way. The key itself where nothing was overridden.
    #[must_use]
    pub fn of_allowed(&self, overridden: &BTreeSet<ReasonCode>) -> Self {
        if overridden.is_empty() {
            return self.clone();
        }
        let names: Vec<&str> = overridden.iter().map(|code| code.as_str()).collect();
        self.derived("allowed", &names.join(","))
    }

    /// The key of a refusal for what the pixel values show. The key itself stays free for the label that is made where the user
    /// overrides the refusal of that code, or a later version judges otherwise.
    #[must_use]
    pub fn of_judged(&self, code: ReasonCode) -> Self {
        self.derived("judged", code.as_str())
    }

    fn derived(&self, purpose: &str, name: &str) -> Self {
        let mut hasher = Sha256::new();
        for part in [purpose, name, self.as_str()] {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        Self(hex::encode(hasher.finalize()))
    }

    /// Takes back a key that was stored as text.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The key as 64 hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which bundle made a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleRef {
    /// The bundle's name.
    pub name: String,
    /// The bundle's version.
    pub version: String,
    /// sha256 over the manifest and the network, as hex.
    pub digest: String,
}

/// Which stack of a series a row is about, where the series holds more than one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackRef {
    /// The stack's number in its series, from 1, in the order of what parts them.
    pub number: u32,
    /// What parts it from the others: attribute and value, for example `AcquisitionNumber 2`. Never patient identity.
    pub parted_by: String,
}

/// The score of one slice of the network's input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceScore {
    /// Position of the scored slice along the slice normal, counted towards the head, in millimetres.
    pub z_mm: f64,
    /// The source instance nearest to that position.
    pub sop_instance_uid: SopInstanceUid,
    /// Probability of intravenous contrast, as the network gave it.
    pub probability: f32,
}

/// What is known of a series without a model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SeriesFacts {
    /// Modality (0008,0060).
    pub modality: Option<String>,
    /// Transfer syntax UIDs of the instances, sorted, each once.
    pub transfer_syntaxes: Vec<String>,
    /// Manufacturer (0008,0070).
    pub manufacturer: Option<String>,
    /// Convolution kernel (0018,1210).
    pub kernel: Option<String>,
    /// Number of slices in the series after duplicates are dropped.
    pub slices: usize,
    /// Rows of a slice.
    pub rows: Option<usize>,
    /// Columns of a slice.
    pub columns: Option<usize>,
    /// Pixel spacing in millimetres, `[y, x]`.
    pub pixel_spacing_mm: Option<[f64; 2]>,
    /// Median distance between slices in millimetres.
    pub slice_spacing_mm: Option<f64>,
    /// Nominal slice thickness in millimetres.
    pub slice_thickness_mm: Option<f64>,
    /// Number of gaps between slices.
    pub gaps: usize,
    /// Shear by gantry tilt, in degrees.
    pub shear_deg: Option<f64>,
}

/// What a bundle says of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The class at the bundle's thresholds.
    pub class: PredictedClass,
    /// The calibrated probability of intravenous contrast.
    pub probability: f64,
    /// The aggregate of the slice probabilities before calibration.
    pub raw_probability: f64,
    /// How the class compares with the header.
    pub audit: Audit,
    /// The scored slices, from caudal to cranial.
    pub slices: Vec<SliceScore>,
    /// Slices that the bundle's preprocessing plans for the series. An adaptive label scores fewer. None in rows of before schema
    /// version 2, which do not tell; every new label does.
    pub slices_planned: Option<usize>,
    /// Share of the planned positions that have a source slice near enough, 0 to 1; the others were not scored. None where the plan
    /// does not ask.
    pub coverage: Option<f64>,
    /// The execution provider that ran the network: `cpu` or `cuda`.
    pub device: String,
    /// Version of ONNX Runtime.
    pub runtime: String,
}

/// What a series or file ended as: a label, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A bundle labelled it.
    Labelled(Prediction),
    /// It is not for this bundle. Reading it again gives the same.
    Refused(Reason),
    /// It should have been labelled and could not be.
    Failed(Reason),
}

impl Outcome {
    /// The outcome by its name.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Labelled(_) => Status::Labelled,
            Self::Refused(_) => Status::Refused,
            Self::Failed(_) => Status::Failed,
        }
    }

    /// The label; none where there is none.
    #[must_use]
    pub fn prediction(&self) -> Option<&Prediction> {
        match self {
            Self::Labelled(prediction) => Some(prediction),
            Self::Refused(_) | Self::Failed(_) => None,
        }
    }

    /// Why there is no label; none where there is one.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Labelled(_) => None,
            Self::Refused(reason) | Self::Failed(reason) => Some(reason),
        }
    }
}

/// One outcome: a row of the lake's table `labels`. `schemas/labels.json` describes it column by column.
///
/// `LabelRow<()>` is one in the making: all but how it ends. [`LabelRow::ended`] makes it a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelRow<O = Outcome> {
    /// The identity of the row.
    pub key: RowKey,
    /// How it ended.
    pub outcome: O,
    /// Study Instance UID, where known.
    pub study_uid: Option<StudyUid>,
    /// Series Instance UID, where known.
    pub series_uid: Option<SeriesUid>,
    /// Whether the series UID was missing and has been derived from the instances.
    pub series_uid_derived: bool,
    /// Which stack of the series; none where the series is one stack.
    pub stack: Option<StackRef>,
    /// Keyed HMAC-SHA-256 of PatientID as hex; none unless the user gave a key.
    pub patient_key: Option<String>,
    /// URI of what was read: the longest common prefix of the instances, or the file.
    pub source_uri: String,
    /// Digest of the instances.
    pub content: ContentDigest,
    /// The bundle.
    pub bundle: BundleRef,
    /// Facts of the series.
    pub facts: SeriesFacts,
    /// Body parts and their source.
    pub body_part: Option<BodyPartFinding>,
    /// Declared contrast; none for a file that could not be read.
    pub declared: Option<DeclaredContrast>,
    /// Number of input files the row stands for.
    pub files: usize,
    /// Slices of the series that could not be used, by reason code, sorted, with counts.
    pub refused_slices: Vec<(String, usize)>,
    /// What a reader should know beside the outcome.
    pub remarks: Vec<Remark>,
    /// Time from the first read of pixel data to the label, in seconds.
    pub seconds: f64,
    /// When the row was made, microseconds since the Unix epoch, UTC.
    pub created_at_us: i64,
    /// Version of Bolus.
    pub program_version: String,
    /// The event that led here, as received; none for `bolus label`.
    pub event: Option<String>,
    /// Attempts made, at least 1.
    pub attempts: u32,
}

impl LabelRow {
    /// How it ended, by name.
    #[must_use]
    pub fn status(&self) -> Status {
        self.outcome.status()
    }

    /// The label; none where it has none.
    #[must_use]
    pub fn prediction(&self) -> Option<&Prediction> {
        self.outcome.prediction()
    }

    /// Why it was refused or failed; none for a labelled series.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        self.outcome.reason()
    }
}

impl LabelRow<()> {
    /// The row that ends as `outcome`.
    #[must_use]
    pub fn ended(self, outcome: Outcome) -> LabelRow {
        LabelRow {
            outcome,
            key: self.key,
            study_uid: self.study_uid,
            series_uid: self.series_uid,
            series_uid_derived: self.series_uid_derived,
            stack: self.stack,
            patient_key: self.patient_key,
            source_uri: self.source_uri,
            content: self.content,
            bundle: self.bundle,
            facts: self.facts,
            body_part: self.body_part,
            declared: self.declared,
            files: self.files,
            refused_slices: self.refused_slices,
            remarks: self.remarks,
            seconds: self.seconds,
            created_at_us: self.created_at_us,
            program_version: self.program_version,
            event: self.event,
            attempts: self.attempts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(instance: &str, etag: &str) -> InstanceFingerprint {
        InstanceFingerprint { instance: instance.into(), etag: etag.into() }
    }

    #[test]
    fn content_digest_ignores_order_and_sees_every_part() {
        let one = ContentDigest::of(vec![fingerprint("1.2", "a"), fingerprint("1.3", "b")]);
        assert_eq!(one, ContentDigest::of(vec![fingerprint("1.3", "b"), fingerprint("1.2", "a")]));
        assert_ne!(one, ContentDigest::of(vec![fingerprint("1.2", "b"), fingerprint("1.3", "a")]));
        assert_ne!(RowKey::of("1.9", &one, "d"), RowKey::of("1.9", &one, "e"));
    }

    #[test]
    fn a_failure_leaves_the_key_free() {
        let key = RowKey::from_stored("k");
        let keys = [
            key.clone(),
            key.of_failure(),
            key.of_replay("a"),
            key.of_replay("b"),
            key.of_failure().of_replay("a"),
            key.of_adaptive(),
            key.of_adaptive().of_failure(),
            key.clone().of_stack(Some(&StackRef { number: 1, parted_by: String::new() })),
            key.clone().of_stack(Some(&StackRef { number: 2, parted_by: String::new() })),
            key.of_judged(ReasonCode::NotAPatient),
            key.of_judged(ReasonCode::NotHounsfield),
            key.of_allowed(&BTreeSet::from([ReasonCode::Derived])),
            key.of_allowed(&BTreeSet::from([ReasonCode::Derived, ReasonCode::NotAPatient])),
        ];
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(key.of_failure(), key.of_failure());
        assert_eq!(key.clone().of_stack(None), key);
    }
}
