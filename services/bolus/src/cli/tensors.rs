//! Arguments of the commands on the network's input.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use bolus_inference::DeviceChoice;
use clap::Args;

use super::{AllowArgs, ModelArgs};

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

/// Arguments of `bolus explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// DICOM files, folders, .zip/.tar/.tar.gz archives of DICOM, or s3://bucket/prefix.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// The folder to write: explain.json, and for each series its pictures and maps.npy in a folder of its own.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Only this series; may be given more than once.
    #[arg(long, value_name = "UID")]
    pub series: Vec<String>,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub allow: AllowArgs,
    /// Take a series whatever part of the body it shows, where labelling with the named bundle would refuse it.
    #[arg(long)]
    pub any_body_part: bool,
    /// Slices to look into, spread over the series; those of the highest and the lowest score come on top.
    #[arg(long, value_name = "N", default_value = "6")]
    pub slices: usize,
    /// Edge of the square patch that covers a part of the slice, in millimetres.
    #[arg(long, value_name = "MM", default_value = "24")]
    pub patch_mm: f64,
    /// Distance from one patch to the next, in millimetres; half of it takes four times as long.
    #[arg(long, value_name = "MM", default_value = "12")]
    pub stride_mm: f64,
    /// The device: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: DeviceChoice,
    /// CPU threads for decoding and for the network; all cores by default.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Print JSON lines: one a series, then a summary.
    #[arg(long)]
    pub json: bool,
}
