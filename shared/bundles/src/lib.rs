//! Model bundles as files: found in folders and buckets, fetched, and written to their places whole or not at all.
//!
//! Invariant: a folder that holds a manifest is a whole and checked bundle. What is in the making is hidden.

mod error;
mod found;
mod pull;
mod staged;

pub use error::{BundleError, Cause};
pub use found::{FoundBundle, UnreadableBundle, bundle_folders, bundles_at, existing_folders};
pub use pull::{Pull, Pulled};
pub use staged::{StagedBundle, out_folder};
