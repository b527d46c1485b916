//! What is in the way of a new bundle.

use bolus_bundles::BundleError;

/// Names the option that replaces what is in the way.
pub fn with_force(error: BundleError) -> anyhow::Error {
    if error.is_about_replacing() { anyhow::anyhow!("{error}; --force replaces it") } else { error.into() }
}
