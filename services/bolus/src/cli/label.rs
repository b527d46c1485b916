//! Arguments of `bolus label`.

use std::path::PathBuf;

use bolus_inference::DeviceChoice;
use clap::Args;

use super::allow::AllowArgs;
use super::bundles::ModelArgs;
use super::lake::LakeArgs;

/// Arguments of `bolus label`.
#[derive(Debug, Args)]
pub struct LabelArgs {
    /// DICOM files, folders, .zip/.tar/.tar.gz archives of DICOM, or s3://bucket/prefix.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    #[command(flatten)]
    pub lake: LakeArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    /// The device: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: DeviceChoice,
    /// Most GPU memory that the CUDA provider's arena may take, in MiB.
    #[arg(long, value_name = "MIB")]
    pub cuda_memory_mib: Option<usize>,
    /// Write a PNG contact sheet per series, and report.png over all, into this folder.
    #[arg(long, value_name = "DIR")]
    pub sheets: Option<PathBuf>,
    /// Print JSON lines instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Label again what is in the lake already.
    #[arg(long)]
    pub relabel: bool,
    /// File with a secret key; stores HMAC-SHA-256 of the patient ID under it. Without it nothing of the patient ID is stored.
    #[arg(long, value_name = "FILE", env = "BOLUS_PATIENT_KEY_FILE")]
    pub patient_key_file: Option<PathBuf>,
    #[command(flatten)]
    pub allow: AllowArgs,
    /// Score slices only until the class of a series is settled. The label says how many; the bundle says when.
    #[arg(long)]
    pub adaptive: bool,
    /// CPU threads for decoding and for the network; all cores by default.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Slices in one batch of the network; by default 4 on a CPU, where more are no faster, and 32 on CUDA.
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Run everything but the network and label everything indeterminate: for `make bench` alone.
    #[arg(long, hide = true)]
    pub bench_skip_inference: bool,
}
