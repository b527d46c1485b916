//! Arguments of `bolus inspect`.

use clap::Args;

use super::allow::AllowArgs;
use super::bundles::ModelArgs;

/// Arguments of `bolus inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// DICOM files, folders, archives or s3://bucket/prefix.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub allow: AllowArgs,
    /// Print one JSON line per file, with the digest of its decoded pixels, then one per series.
    #[arg(long)]
    pub json: bool,
    /// CPU threads; all cores by default.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}
