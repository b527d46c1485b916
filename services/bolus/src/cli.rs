//! The command line's arguments.

mod broker;
mod tensors;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use bolus_events::{Names, StudyRule, name_of};
use bolus_inference::DeviceChoice;
use bolus_ops::config::{ByteSize, Period};
use bolus_study::Allowed;
use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};

pub use self::broker::BrokerArgs;
pub use self::tensors::{ExplainArgs, ExportArgs};
use crate::commands::evaluate::EvaluateArgs;
use crate::commands::model::ModelCommand;
use crate::commands::reconcile::StudyState;

/// What labels where no bundle is named: the default bundle of each series' body part.
const DEFAULT_MODEL: &str = "auto";
/// The lake that is used where none is named.
pub const DEFAULT_LAKE: &str = "lake";

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
    /// Exit status: 0 all labelled, 3 some series or files were refused or failed, 1 nothing could be done, 130 stopped on request.
    Label(LabelArgs),
    /// Show what is there without running a model: series, geometry, codec, declared contrast, and what would be labelled.
    Inspect(InspectArgs),
    /// Query the lake: table `labels`, views `series_labels`, `slice_scores`, `failures`.
    Sql(SqlArgs),
    /// Judge the lake's labels by a labelled set: AUC with intervals, thresholds, calibration, subgroups, bundle against bundle.
    ///
    /// Exit status: 0 all series judged, 3 some have no label or a figure cannot be had, 1 nothing could be judged.
    Evaluate(EvaluateArgs),
    /// Send the studies of an archive in S3 to the workers, by way of Kafka.
    ///
    /// Continues where an earlier run of the same command stopped. After a crash some studies may be sent twice; the workers notice.
    /// Exit status: 0 all sent, 3 some keys or studies were refused or the run was stopped, 1 nothing could be done.
    Submit(SubmitArgs),
    /// Compare what a bucket holds with what the lake has labelled, and send what is missing.
    ///
    /// Exit status: 0 nothing is missing or all that was has been sent, 3 something is missing, 1 nothing could be done.
    Reconcile(ReconcileArgs),
    /// List what failed and was not labelled since, and send it to the workers again.
    #[command(subcommand)]
    Failures(FailuresCommand),
    /// Show which parts of its slices a series' score comes from: PNG heat maps, made by covering one part after another.
    ///
    /// Works with every bundle. The network runs about a hundred times per slice: a series takes seconds with a light bundle, and
    /// minutes with EfficientNetB4 on a CPU.
    /// Exit status: 0 all explained, 3 some series were refused, 1 nothing could be done.
    Explain(ExplainArgs),
    /// Write the network's input of every series of a labelled set as NumPy shards, for training.
    ///
    /// These are the tensors that labelling gives to the network, rounded to float16. The files do not depend on the threads.
    /// Exit status: 0 the whole labelled set was exported, 3 a part of it, 1 nothing.
    ExportTensors(ExportArgs),
    /// Maintain the lake.
    #[command(subcommand)]
    Lake(LakeCommand),
    /// List, show, check, fetch and make model bundles.
    #[command(subcommand)]
    Model(ModelCommand),
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

/// Which bundle to use.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// The bundle: a name below the model folders, a bundle's folder, or `auto` for the default bundle of each series' body part.
    #[arg(long, value_name = "NAME", env = "BOLUS_MODEL", default_value = DEFAULT_MODEL)]
    pub model: String,
    /// Folder that holds bundles; may be given more than once. Searched before ./models.
    #[arg(long = "models", value_name = "DIR", env = "BOLUS_MODELS")]
    pub folders: Vec<PathBuf>,
}

/// Which refusals are overridden.
#[derive(Debug, Args)]
pub struct AllowArgs {
    /// Label what would be refused for these reasons, separated by commas: derived, material_map, not_hounsfield,
    /// not_a_patient, not_axial, too_few_slices, spacing, gantry_tilt. The row says so.
    #[arg(long = "allow", value_name = "REASON,...", default_value = "", hide_default_value = true)]
    pub allowed: Allowed,
}

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
    /// With --format csv: leave texts alone that a spreadsheet would run as formulas. Otherwise they start with an apostrophe.
    #[arg(long)]
    pub raw: bool,
    #[command(flatten)]
    pub limits: SqlLimits,
}

/// What one query may cost.
#[derive(Debug, Args)]
pub struct SqlLimits {
    /// How long the query may take to answer, such as 90s or 1h. Printing the answer does not count.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub timeout: Period,
    /// Maximum number of rows in the answer.
    #[arg(long, value_name = "N", default_value = "10000000")]
    pub max_rows: usize,
    /// Maximum memory of the query, such as "4 GiB". A sort that needs more than half of it uses the disk.
    #[arg(long, value_name = "SIZE", default_value = "1 GiB", value_parser = query_memory)]
    pub memory: ByteSize,
    /// Maximum that the query may write to disk, in the folder for temporary files.
    #[arg(long, value_name = "SIZE", default_value = "16 GiB")]
    pub disk: ByteSize,
}

/// The memory of a query: with less than this, none begins.
fn query_memory(text: &str) -> Result<ByteSize, String> {
    const LEAST: ByteSize = ByteSize::from_mib(64);
    let size: ByteSize = text.parse()?;
    if size < LEAST { Err(format!("expected at least {LEAST}")) } else { Ok(size) }
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

/// How a bucket is gone through.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Which objects are one study: `parent` (the folder they lie in), `depth=N` (the first N folders of the key) or
    /// `pattern=REGEX` (up to the end of its group `study`). The assembler should have the same rule.
    #[arg(long = "studies-by", value_name = "RULE", default_value = "parent")]
    pub rule: StudyRule,
    /// Names of objects and folders to ignore, separated by commas; each may have a `*` at one end. By default those of a lake, as for
    /// the assembler.
    #[arg(long, value_name = "NAMES", default_value_t = Names::of_lakes())]
    pub ignore: Names,
    /// Names of objects that say that their folder is complete, written in the same way.
    #[arg(long, value_name = "NAMES", default_value_t = Names::of_markers())]
    pub markers: Names,
    /// Number of listing requests at the same time.
    #[arg(long = "list-requests", value_name = "N", default_value = "32")]
    pub requests: NonZeroUsize,
}

impl ListArgs {
    /// Whether the object at `key` is part of no study: a folder's stand-in, a marker, or what is to be ignored.
    pub fn pass_over(&self, key: &str) -> bool {
        name_of(key).is_empty() || self.ignore.are_along(key) || self.markers.are_of_object(key)
    }
}

/// Arguments of `bolus submit`.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// The archive: s3://bucket/prefix.
    #[arg(value_name = "INPUT")]
    pub input: String,
    #[command(flatten)]
    pub broker: BrokerArgs,
    #[command(flatten)]
    pub list: ListArgs,
    /// Maximum number of studies to send per second.
    #[arg(long, value_name = "N")]
    pub rate: Option<NonZeroU32>,
    /// Only studies with an object written at or after this time, such as 2026-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub since: Option<DateTime<Utc>>,
    /// Stop after so many studies; the same command then goes on with the next.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// List and count, send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Where an unfinished run is remembered; by default in the user's state folder ($XDG_STATE_HOME/bolus).
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Start over, whatever an earlier run has done.
    #[arg(long)]
    pub restart: bool,
    /// Print the summary as a JSON line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `bolus reconcile`.
#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// What to compare with the lake: s3://bucket/prefix.
    #[arg(value_name = "INPUT")]
    pub input: String,
    /// The lake: a folder or s3://bucket/prefix.
    #[arg(long, value_name = "URL", env = "BOLUS_LAKE", default_value = DEFAULT_LAKE)]
    pub lake: String,
    #[command(flatten)]
    pub list: ListArgs,
    #[command(flatten)]
    pub broker: BrokerArgs,
    /// Count only rows of the bundle of this name.
    #[arg(long, value_name = "NAME")]
    pub bundle: Option<String>,
    /// Read the headers of every study that has rows and compare the rows' keys with those of `--model`: exact, and slow.
    #[arg(long)]
    pub deep: bool,
    /// The workers label adaptively: with `--deep`, compare with the keys of adaptive labels.
    #[arg(long)]
    pub adaptive: bool,
    #[command(flatten)]
    pub allow: AllowArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    /// Send studies in these states to the workers: by default missing and stale; --submit=missing,failed chooses others.
    #[arg(
        long,
        value_name = "STATES",
        value_delimiter = ',',
        num_args = 0..,
        require_equals = true,
        default_missing_values = ["missing", "stale"],
    )]
    pub submit: Option<Vec<StudyState>>,
    /// Maximum number of studies to submit per second.
    #[arg(long, value_name = "N")]
    pub rate: Option<NonZeroU32>,
    /// Also write the studies that are not ok to this file, one JSON object per line.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print JSON lines instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Subcommands of `bolus failures`.
#[derive(Debug, Subcommand)]
pub enum FailuresCommand {
    /// List what failed and has had no other outcome since then.
    List {
        #[command(flatten)]
        choice: FailureArgs,
        /// Print JSON lines instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Send the events of what failed to the workers again.
    ///
    /// Exit status: 0 all sent, 3 some have no event that can be sent, 1 nothing could be sent.
    Replay(ReplayArgs),
}

/// Which failures.
#[derive(Debug, Args)]
pub struct FailureArgs {
    /// The lake: a folder or s3://bucket/prefix.
    #[arg(long, value_name = "URL", env = "BOLUS_LAKE", default_value = DEFAULT_LAKE)]
    pub lake: String,
    /// Only those with this reason, such as store_unavailable.
    #[arg(long, value_name = "CODE")]
    pub reason: Option<String>,
    /// Only those whose row key starts with this.
    #[arg(long, value_name = "PREFIX")]
    pub key: Option<String>,
    /// Only those since this time, such as 2026-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub since: Option<DateTime<Utc>>,
}

/// Arguments of `bolus failures replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub choice: FailureArgs,
    /// Everything that failed; needed if you choose nothing else.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub broker: BrokerArgs,
    /// Also send messages that are not events in a known format, just as they arrived.
    #[arg(long)]
    pub raw: bool,
    /// Print the summary as a JSON line.
    #[arg(long)]
    pub json: bool,
}
