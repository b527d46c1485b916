//! Arguments of `bolus explain`.

use std::path::PathBuf;

use bolus_inference::DeviceChoice;
use clap::Args;

use super::allow::AllowArgs;
use super::bundles::ModelArgs;

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
