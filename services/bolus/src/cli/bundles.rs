//! Which bundles, and where they are looked for.

use std::path::PathBuf;

use bolus_inference::Bundle;
use clap::Args;

/// What labels where no bundle is named: the default bundle of each series' body part.
const DEFAULT_MODEL: &str = "auto";

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
        let folder = Bundle::locate(name, &Bundle::folders(&self.folders))?;
        Ok(folder.canonicalize().unwrap_or(folder))
    }
}
