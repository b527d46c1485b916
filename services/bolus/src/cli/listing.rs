//! How a bucket is gone through.

use std::num::NonZeroUsize;

use bolus_events::{Names, StudyRule, name_of};
use clap::Args;

/// How a bucket is gone through.
#[derive(Debug, Args)]
pub struct ListingArgs {
    /// Which objects are one study: `parent` (the folder they lie in), `depth=N` (the first N folders of the key) or
    /// `pattern=REGEX` (up to the end of its group `study`). The assembler should have the same rule.
    #[arg(long = "studies-by", value_name = "RULE", default_value = "parent")]
    pub rule: StudyRule,
    /// Names of objects and folders to ignore, separated by commas; each may have a `*` at one end. By default those of a lake, as for
    /// the assembler.
    #[arg(long, value_name = "NAMES", default_value_t = Names::of_lakes())]
    pub ignore: Names,
    /// Names of objects that say that their folder is complete, written in the same way.
    #[arg(long, value_name = "NAMES", default_value_t = Names::of_markers())]
    pub markers: Names,
    /// Number of listing requests at the same time.
    #[arg(long = "list-requests", value_name = "N", default_value = "32")]
    pub requests: NonZeroUsize,
}

impl ListingArgs {
    /// Whether the object at `key` is part of no study: a folder's stand-in, a marker, or what is to be ignored.
    pub fn pass_over(&self, key: &str) -> bool {
        name_of(key).is_empty() || self.ignore.are_along(key) || self.markers.are_of_object(key)
    }
}
