//! Arguments of `bolus model verify`.

use bolus_inference::DeviceChoice;
use bolus_ops::config::Period;
use clap::Args;

use crate::cli::bundles::FolderArgs;

/// Arguments of `bolus model verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Bundles: names below the model folders, or bundles' folders. By default all that are found.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub folders: FolderArgs,
    /// The device: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    pub device: DeviceChoice,
    /// How long a network may take to load and to answer its reference.
    #[arg(long, default_value = "5m", value_name = "TIME")]
    pub timeout: Period,
    /// Print JSON lines instead of a table.
    #[arg(long)]
    pub json: bool,
}
