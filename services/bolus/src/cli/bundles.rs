//! Which bundles, and where they are looked for.

use std::path::PathBuf;

use clap::Args;

/// What labels where no bundle is named: the default bundle of each series' body part.
const DEFAULT_MODEL: &str = "auto";

/// What mends a bundle that is not found.
pub const BUNDLE_MEND: &str = "name a bundle's folder, or the folder that holds it by --models or BOLUS_MODELS";

/// Which bundle to use.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// The bundle: a name below the model folders, a bundle's folder, or `auto` for the default bundle of each series' body part.
    #[arg(long, value_name = "NAME", env = "BOLUS_MODEL", default_value = DEFAULT_MODEL)]
    pub model: String,
    /// Folder that holds bundles; may be given more than once. Searched before ./models.
    #[arg(long = "models", value_name = "DIR", env = "BOLUS_MODELS")]
    pub folders: Vec<PathBuf>,
}

/// Where bundles are looked for.
#[derive(Debug, Args)]
pub struct FolderArgs {
    /// Folder that holds bundles; may be given more than once. Searched before ./models.
    #[arg(long = "models", value_name = "DIR", env = "BOLUS_MODELS")]
    pub folders: Vec<PathBuf>,
}

impl FolderArgs {
    /// The folder of the bundle called `name`, which may be a folder itself.
    pub fn locate(&self, name: &str) -> anyhow::Result<PathBuf> {
        Ok(bolus_setup::locate_bundle(name, &self.folders, BUNDLE_MEND)?)
    }
}
