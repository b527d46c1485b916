//! Arguments of `bolus model pull`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `bolus model pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// The bundle's folder or s3://bucket/prefix.
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// The folder in which the bundle's folder is made; by default the user's own, $XDG_DATA_HOME/bolus/models.
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Replace a bundle of the same name and another digest.
    #[arg(long)]
    pub force: bool,
    /// Print the outcome as a JSON line.
    #[arg(long)]
    pub json: bool,
}
