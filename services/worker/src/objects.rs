//! From what an event names to objects that can be read.

use bolus_events::{ObjectEvent, ObjectKey, StudyContent, StudyObject};
use bolus_labeling::{FileRefusal, Found, LabelingError, Progress};
use bolus_storage::{ArchiveKind, ErrorKind, Location, ObjectRef, StorageError, archive_kind, common_prefix, find};
use bolus_study::{Reason, ReasonCode};
use futures::stream::{self, StreamExt};

/// Objects of one event that are looked up at the same time: enough to hide a store's latency.
const LOOKED_UP_AT_ONCE: usize = 64;

/// Why an event's objects cannot be listed.
#[derive(Debug)]
pub enum Trouble {
    /// It may pass.
    Passing(Reason),
    /// There is nothing by these names, which may pass where a store lists with delay.
    Nothing(Reason),
    /// It will not pass.
    Lasting(Reason),
    /// Somebody asked to stop.
    Cancelled,
}

/// What to do about a failed listing or reading.
#[must_use]
pub fn trouble(error: LabelingError) -> Trouble {
    match error {
        LabelingError::Cancelled => Trouble::Cancelled,
        LabelingError::Storage(error) if error.code.is_transient() => Trouble::Passing(error.reason()),
        LabelingError::Storage(error) => Trouble::Nothing(Reason { code: ReasonCode::NothingFound, ..error.reason() }),
        error @ (LabelingError::Inference(_) | LabelingError::Lost(_)) => {
            Trouble::Lasting(Reason::new(ReasonCode::Inference, error.to_string()))
        }
    }
}

/// Where a study lies, as one URI.
#[must_use]
pub fn place_of(bucket: &str, content: &StudyContent) -> String {
    match content {
        StudyContent::Prefix(prefix) => format!("s3://{bucket}/{prefix}"),
        StudyContent::Objects(objects) => {
            let uris: Vec<String> = objects.iter().map(|object| format!("s3://{bucket}/{}", object.key)).collect();
            match common_prefix(uris.iter().map(String::as_str)) {
                shared if shared.is_empty() => format!("s3://{bucket}"),
                shared => shared,
            }
        }
    }
}

/// The study that an object event names: an archive holds one by itself. A key with two readings is settled by a look.
///
/// # Errors
/// [`Trouble::Lasting`] for any other object: the assembler makes studies of those.
pub async fn archive_of(event: &ObjectEvent, locate: fn(&str, &str) -> Location) -> Result<StudyContent, Trouble> {
    if ArchiveKind::of_name(event.key.likely()).is_none() {
        let detail = "a single object that is no archive; objects go to the assembler's topic";
        return Err(Trouble::Lasting(Reason::new(ReasonCode::BadEvent, detail)));
    }
    let key = match &event.key {
        ObjectKey::Exact(key) => key,
        ObjectKey::Ambiguous { encoded, decoded } => {
            match find(&locate(&event.bucket, encoded), event.version_id.clone()).await {
                Ok(_) => encoded,
                Err(error) if error.kind == ErrorKind::Reject => decoded,
                Err(error) => return Err(trouble(error.into())),
            }
        }
    };
    let (etag, version_id) = (event.etag.clone(), event.version_id.clone());
    Ok(StudyContent::Objects(vec![StudyObject { key: key.clone(), etag, version_id, size: event.size }]))
}

/// Looks the named objects up. One that is gone is refused by name, as long as others are there and it is not the `first`
/// attempt: a store may show an object later than it tells of it.
///
/// An object whose entity tag is not the event's has been written again since: what is there now is taken, and whoever wrote
/// it sends an event of his own.
///
/// # Errors
/// [`Trouble`] where the store fails, or nothing is there.
pub async fn find_all(
    bucket: &str,
    named: &[StudyObject],
    locate: fn(&str, &str) -> Location,
    progress: &Progress,
    first: bool,
) -> Result<Found, Trouble> {
    let mut found = Found::default();
    let mut looked_up = stream::iter(named)
        .map(|object| find_one(locate(bucket, &object.key), object))
        .buffered(LOOKED_UP_AT_ONCE)
        // Boxed, or the compiler cannot tell callers that the whole may go to another thread.
        .boxed();
    while let Some(outcome) = looked_up.next().await {
        progress.files_found.add(1);
        match outcome {
            Ok((object, Some(kind))) => found.archives.push((object, kind)),
            Ok((object, None)) => found.objects.push(object),
            Err((error, object)) if error.kind == ErrorKind::Reject && !error.code.is_transient() => {
                let etag = object.etag.clone().unwrap_or_default();
                found.refused.push(FileRefusal { uri: error.uri.clone(), etag, reason: error.reason() });
            }
            Err((error, _)) => return Err(trouble(error.into())),
        }
    }
    match found.refused.first() {
        Some(file) if first || (found.objects.is_empty() && found.archives.is_empty()) => {
            let (gone, all) = (found.refused.len(), named.len());
            let detail = format!("{gone} of {all} objects cannot be found, the first because of {}", file.reason);
            Err(Trouble::Nothing(Reason::new(ReasonCode::NothingFound, detail)))
        }
        _ => Ok(found),
    }
}

async fn find_one(
    location: Location,
    named: &StudyObject,
) -> Result<(ObjectRef, Option<ArchiveKind>), (StorageError, &StudyObject)> {
    let object = find(&location, named.version_id.clone()).await.map_err(|error| (error, named))?;
    if named.etag.as_deref().is_some_and(|etag| etag.trim_matches('"') != object.etag) {
        tracing::debug!("an object has been written again since the event");
    }
    let kind = archive_kind(&object).await.map_err(|error| (error, named))?;
    Ok((object, kind))
}
