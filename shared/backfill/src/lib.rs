//! Archives that are there already: from a sorted listing to studies, sending these to the workers, and how far a run has come.
//!
//! Invariant: reads no image; a study counts as sent only once the broker has acknowledged it.

mod publish;
mod state;
mod studies;

pub use publish::{Acknowledged, Publisher, Sender};
pub use state::{State, StateError};
pub use studies::{Grouper, Study, closes_before};

use bolus_storage::{Location, OrderedListing};

use bolus_events::{StudyContent, StudyEvent, StudyRule};

/// How our study events name their maker.
const SOURCE: &str = "bolus/submit";

/// An input that lies in no bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}: only a bucket can be submitted, expected s3://bucket/prefix")]
pub struct NoBucket(Location);

/// The bucket of an input and the URI of its root, with a slash at its end.
///
/// # Errors
/// [`NoBucket`] for a place on this machine.
pub fn bucket_of(location: &Location) -> Result<(String, String), NoBucket> {
    match location {
        Location::S3 { bucket, .. } => Ok((bucket.clone(), format!("s3://{bucket}/"))),
        _ => Err(NoBucket(location.clone())),
    }
}

/// How to list a bucket for `rule`; folders whose studies `done` knows are left out.
#[must_use]
pub fn listing_for(rule: &StudyRule, requests: usize, done: Option<String>) -> OrderedListing {
    let whole_at_depth = match rule {
        StudyRule::Depth(folders) => Some(folders.get()),
        StudyRule::Parent | StudyRule::Pattern(_) => None,
    };
    // By a pattern an object may belong to a study above its folder, so no folder can be said to be done.
    let local = !matches!(rule, StudyRule::Pattern(_));
    let skip = done.filter(|_| local).map(|last| -> Box<dyn Fn(&str) -> bool + Send> {
        Box::new(move |folder: &str| folder == last || closes_before(folder, &last))
    });
    OrderedListing { requests, whole_at_depth, skip }
}

/// The event of a study in `bucket`: a new one, which the worker takes by what it finds, not by when it came.
#[must_use]
pub fn event_of(bucket: &str, content: StudyContent) -> StudyEvent {
    let event = match content {
        StudyContent::Prefix(prefix) => StudyEvent::prefix(bucket, prefix),
        StudyContent::Objects(objects) => StudyEvent::objects(bucket, objects),
    };
    event.with_source(SOURCE)
}
