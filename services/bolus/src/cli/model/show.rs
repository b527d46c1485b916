//! Arguments of `bolus model show`.

use clap::Args;

use crate::cli::bundles::FolderArgs;

/// Arguments of `bolus model show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The bundle: a name below the model folders, or a bundle's folder.
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub folders: FolderArgs,
    /// Print one JSON object: the manifest, and what belongs to it.
    #[arg(long)]
    pub json: bool,
}
