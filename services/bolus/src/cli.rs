//! The command line's arguments.

use std::path::PathBuf;

use bolus_inference::DeviceChoice;
use clap::{Args, Parser, Subcommand};

/// The bundle that is used where none is named.
const DEFAULT_MODEL: &str = "torso-b4";
/// The lake that is used where none is named.
const DEFAULT_LAKE: &str = "lake";

/// Label CT series for intravenous contrast and query the labels with SQL. Research use only.
#[derive(Debug, Parser)]
#[command(name = "bolus", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Log level: error, warn, info, debug or trace. RUST_LOG wins.
    #[arg(long, global = true, default_value = "warn", value_name = "LEVEL")]
    pub log: String,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Label every CT series found, and commit the labels to the lake.
    ///
    /// Exit status: 0 all labelled, 3 some series or files were refused or failed, 1 nothing could be done.
    Label(LabelArgs),
    /// Show what is there without a model: series, geometry, codec, declared contrast, and what would be labelled.
    Inspect(InspectArgs),
    /// Query the lake: table `labels`, views `series_labels`, `slice_scores`, `failures`.
    Sql(SqlArgs),
    /// Look after the lake.
    #[command(subcommand)]
    Lake(LakeCommand),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Arguments of `bolus label`.
#[derive(Debug, Args)]
pub struct LabelArgs {
    /// DICOM files, folders, .zip/.tar/.tar.gz archives of DICOM, or s3://bucket/prefix.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// The lake: a folder or s3://bucket/prefix.
    #[arg(long, value_name = "URL", env = "BOLUS_LAKE", default_value = DEFAULT_LAKE)]
    pub lake: String,
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

/// Which bundle to use.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// The bundle: a name below the model folders, or a bundle's folder.
    #[arg(long, value_name = "NAME", env = "BOLUS_MODEL", default_value = DEFAULT_MODEL)]
    pub model: String,
    /// Folder that holds bundles; may be given more than once. Searched before ./models.
    #[arg(long = "models", value_name = "DIR", env = "BOLUS_MODELS")]
    pub folders: Vec<PathBuf>,
}

/// Arguments of `bolus inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// DICOM files, folders, archives or s3://bucket/prefix.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    #[command(flatten)]
    pub model: ModelArgs,
    /// Print one JSON line a file, with the digest of its decoded pixels, then one a series.
    #[arg(long)]
    pub json: bool,
    /// CPU threads; all cores by default.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// Arguments of `bolus sql`.
#[derive(Debug, Args)]
pub struct SqlArgs {
    /// The query.
    pub query: String,
    /// The lake: a folder or s3://bucket/prefix.
    #[arg(long, value_name = "URL", env = "BOLUS_LAKE", default_value = DEFAULT_LAKE)]
    pub lake: String,
    /// How to print: table, json (lines) or csv.
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    pub format: Format,
}

/// How a query's answer is printed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Format {
    /// A table for people.
    Table,
    /// One JSON object a row.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// Subcommands of `bolus lake`.
#[derive(Debug, Subcommand)]
pub enum LakeCommand {
    /// Print the live Parquet files of the table, one a line, for DuckDB and others.
    Files {
        /// The lake: a folder or s3://bucket/prefix.
        #[arg(long, value_name = "URL", env = "BOLUS_LAKE", default_value = DEFAULT_LAKE)]
        lake: String,
    },
}
