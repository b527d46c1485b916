//! The rows that series and files end as.

use bolus_ct::Series;
use bolus_storage::{ObjectRef, common_prefix};
use bolus_study::{
    BundleRef, ContentDigest, InstanceFingerprint, LabelRow, Outcome, Reason, ReasonCode, RowKey, SeriesFacts,
};

use crate::patient::PatientKey;
use crate::refused::FileRefusal;

/// The digest of the instances of `series`.
pub(crate) fn content(series: &Series, objects: &[ObjectRef]) -> ContentDigest {
    let fingerprints = series.content().filter_map(|(object, instance)| {
        let etag = objects.get(object)?.etag.clone();
        Some(InstanceFingerprint { instance: instance.to_owned(), etag })
    });
    ContentDigest::of(fingerprints.collect())
}

/// A row for `series` that has not ended yet.
pub(crate) fn series_row(
    series: &Series,
    objects: &[ObjectRef],
    bundle: &BundleRef,
    patient: Option<&PatientKey>,
) -> LabelRow<()> {
    let uris = series.files().filter_map(|object| objects.get(object)).map(|object| object.uri.as_str());
    let row = unread_row(series.uid.as_str(), common_prefix(uris), content(series, objects), bundle, ());
    LabelRow {
        key: row.key.clone().of_stack(series.stack.as_ref()),
        study_uid: series.study_uid.clone(),
        series_uid: Some(series.uid.clone()),
        series_uid_derived: series.uid_derived,
        stack: series.stack.clone(),
        remarks: series.remarks.clone(),
        patient_key: patient.and_then(|key| key.digest(series.patient_id.as_deref())),
        facts: series.facts.clone(),
        body_part: series.body_part.clone(),
        declared: Some(series.declared.clone()),
        files: series.files().count(),
        ..row
    }
}

/// A row for a file that could not be read although it may hold an image; `None` for files that are simply something else.
pub(crate) fn file_row(file: &FileRefusal, bundle: &BundleRef) -> Option<LabelRow> {
    if matches!(file.reason.code, ReasonCode::NotDicom | ReasonCode::Dicomdir) {
        return None;
    }
    let fingerprint = InstanceFingerprint { instance: file.uri.clone(), etag: file.etag.clone() };
    let outcome = Outcome::Failed(file.reason.clone());
    Some(unread_row(&file.uri, file.uri.clone(), ContentDigest::of(vec![fingerprint]), bundle, outcome))
}

/// A row of one file of which nothing is known but its outcome; `name` is what its key is made of beside content and bundle.
#[must_use]
pub fn unread_row<O>(
    name: &str,
    source_uri: String,
    content: ContentDigest,
    bundle: &BundleRef,
    outcome: O,
) -> LabelRow<O> {
    LabelRow {
        key: RowKey::of(name, &content, &bundle.digest),
        outcome,
        study_uid: None,
        series_uid: None,
        series_uid_derived: false,
        stack: None,
        patient_key: None,
        source_uri,
        content,
        bundle: bundle.clone(),
        facts: SeriesFacts::default(),
        body_part: None,
        declared: None,
        files: 1,
        refused_slices: Vec::new(),
        remarks: Vec::new(),
        seconds: 0.0,
        created_at_us: now_us(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        event: None,
        attempts: 1,
    }
}

/// Microseconds since the Unix epoch, UTC.
pub(crate) fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// Why each file of `series` went into no label: `refused` for those with a reason of their own, `others` for the rest. Without `others`
/// the rest did go into one.
#[must_use]
pub fn refused_files(
    series: &Series,
    mut refused: Vec<(usize, Reason)>,
    others: Option<&Reason>,
) -> Vec<(usize, Reason)> {
    if let Some(reason) = others {
        let known: std::collections::BTreeSet<usize> = refused.iter().map(|(object, _)| *object).collect();
        let rest = series.counted_files().filter(|object| !known.contains(object));
        refused.extend(rest.map(|object| (object, reason.clone())));
    }
    refused
}

/// Counts reasons, sorted by code.
pub(crate) fn counted(refused: &[(usize, Reason)]) -> Vec<(String, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    for (_, reason) in refused {
        *counts.entry(reason.code.as_str().to_owned()).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}
