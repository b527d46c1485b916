//! Arguments of `bolus export-tensors`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::allow::AllowArgs;
use super::bundles::ModelArgs;

/// Arguments of `bolus export-tensors`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// DICOM files, folders, .zip/.tar/.tar.gz archives of DICOM, or s3://bucket/prefix.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// The labelled set: CSV or Parquet with the columns series_uid and contrast (1/0, yes/no, enhanced/native), and optionally patient,
    /// body_part, split and site. Series that do not stand in it are left out.
    #[arg(long, value_name = "FILE")]
    pub truth: PathBuf,
    /// The folder to write: shard-00000.npy and so on, index.csv, and at the end export.json.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub allow: AllowArgs,
    /// A TOML file with a table [preprocessing], and body_parts if only some are wanted, instead of a bundle: for a network
    /// that is not trained yet. A bundle's own bundle.toml will do.
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Take a series whatever part of the body it shows, where labelling with the bundle would refuse it.
    #[arg(long)]
    pub any_body_part: bool,
    /// Most slices in one shard.
    #[arg(long, value_name = "N", default_value = "4096")]
    pub shard_slices: NonZeroUsize,
    /// CPU threads; all cores by default. The files are the same whatever the number.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Replace a finished export.
    #[arg(long)]
    pub force: bool,
    /// Print JSON lines: one a series that was refused, then a summary.
    #[arg(long)]
    pub json: bool,
}
