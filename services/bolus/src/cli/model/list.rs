//! Arguments of `bolus model list`.

use clap::Args;

use crate::cli::bundles::FolderArgs;

/// Arguments of `bolus model list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// A folder or s3://bucket/prefix that holds bundles; by default the model folders.
    #[arg(value_name = "SOURCE")]
    pub source: Option<String>,
    #[command(flatten)]
    pub folders: FolderArgs,
    /// Print JSON lines instead of a table.
    #[arg(long)]
    pub json: bool,
}
