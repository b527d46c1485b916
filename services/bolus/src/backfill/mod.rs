//! Archives that are there already: which studies a bucket holds, and sending them to the workers.

mod kafka;
mod publish;
mod state;
mod studies;

pub use kafka::{BrokerArgs, Sender};
pub use publish::{Acknowledged, Publisher};
pub use state::State;
pub use studies::{Grouper, Study, closes_before};

use bolus_storage::{Location, OrderedListing};

use bolus_events::StudyRule;

/// How our study events name their maker.
pub const SOURCE: &str = "bolus/submit";

/// The bucket of an input and the URI of its root, with a slash at its end.
pub fn bucket_of(location: &Location) -> anyhow::Result<(String, String)> {
    match location {
        Location::S3 { bucket, .. } => Ok((bucket.clone(), format!("s3://{bucket}/"))),
        _ => anyhow::bail!("{location}: only a bucket can be submitted, expected s3://bucket/prefix"),
    }
}

/// How to list a bucket for `rule`; folders whose studies `done` knows are left out.
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
