//! `bolus model`: bundles in folders and buckets.

mod calibrate;
mod list;
mod pack;
mod pull;
mod show;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use bolus_bundles::BundleError;
use bolus_inference::DeviceChoice;
use bolus_ops::config::Period;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::commands::BUNDLE_MEND;

/// Subcommands of `bolus model`.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// List the bundles in the model folders, or at a place.
    ///
    /// Exit status: 0 all can be read, 3 some cannot, 1 nothing could be listed.
    List(ListArgs),
    /// Show what a bundle is for and all that its manifest says.
    Show(ShowArgs),
    /// Check bundles: manifest, digests, and the network against its reference.
    ///
    /// Exit status: 0 all hold, 3 some do not, 1 nothing could be checked.
    Verify(VerifyArgs),
    /// Fetch a bundle from a folder or bucket into a model folder; it appears there whole and checked, or not at all.
    Pull(PullArgs),
    /// Make a bundle of a network, a draft of the manifest, a reference input and a card.
    ///
    /// The draft is a bundle.toml of format 2 (schemas/bundle.md) in which network.sha256, reference.slices and reference.expected
    /// may be left out: they are made from the network.
    Pack(PackArgs),
    /// Fit a bundle's calibration and its indeterminate band to series of known status, and write a bundle with both.
    ///
    /// The new bundle has a folder and a version of its own; the one that was named stays as it is.
    /// Exit status: 0 done, 3 no band within the limits keeps the errors as few as asked for, 1 nothing was fitted or written.
    Calibrate(calibrate::CalibrateArgs),
}

/// Where bundles are looked for.
#[derive(Debug, Args)]
pub struct FolderArgs {
    /// Folder that holds bundles; may be given more than once. Searched before ./models.
    #[arg(long = "models", value_name = "DIR", env = "BOLUS_MODELS")]
    pub folders: Vec<PathBuf>,
}

impl FolderArgs {
    /// The folder of the bundle called `name`, which may be a folder itself.
    pub fn locate(&self, name: &str) -> anyhow::Result<PathBuf> {
        Ok(bolus_setup::locate_bundle(name, &self.folders, BUNDLE_MEND)?)
    }
}

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

/// Arguments of `bolus model show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The bundle: a name below the model folders, or a bundle's folder.
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub folders: FolderArgs,
    /// Print one JSON object: the manifest, and what belongs to it.
    #[arg(long)]
    pub json: bool,
}

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

/// Arguments of `bolus model pack`.
#[derive(Debug, Args)]
pub struct PackArgs {
    /// The ONNX file.
    #[arg(long, value_name = "FILE")]
    pub network: PathBuf,
    /// The draft of the manifest.
    #[arg(long, value_name = "FILE")]
    pub manifest: PathBuf,
    /// The reference input: bytes, [slice, row, column], two slices or more; value / 255 is the network's input.
    #[arg(long, value_name = "FILE")]
    pub reference: PathBuf,
    /// The card: Markdown for people.
    #[arg(long, value_name = "FILE")]
    pub card: PathBuf,
    /// The bundle's folder, which is made; its last part is the bundle's name.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace a bundle that is there.
    #[arg(long)]
    pub force: bool,
    /// Print the outcome as a JSON line.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub async fn run(command: ModelCommand) -> anyhow::Result<ExitCode> {
    match command {
        ModelCommand::List(args) => list::run(args).await,
        ModelCommand::Show(args) => show::run(&args),
        ModelCommand::Verify(args) => blocking(move || verify::run(&args)).await,
        ModelCommand::Pull(args) => pull::run(args).await,
        ModelCommand::Calibrate(args) => calibrate::run(&args).await,
        ModelCommand::Pack(args) => blocking(move || pack::run(&args)).await,
    }
}

/// Runs what loads networks and runs them, which takes seconds, off the threads that wait.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("the work ended unexpectedly")?
}

/// Names the option that replaces what is in the way.
fn with_force(error: BundleError) -> anyhow::Error {
    if error.is_about_replacing() { anyhow::anyhow!("{error}; --force replaces it") } else { error.into() }
}

/// `71.4 MB`.
fn megabytes(bytes: u64) -> String {
    if bytes < 100_000 { format!("{:.1} kB", bytes as f64 / 1e3) } else { format!("{:.1} MB", bytes as f64 / 1e6) }
}

/// Enough of a digest to tell bundles apart by eye.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// Writes a JSON line of the type `kind`.
fn json_line(kind: &'static str, value: &impl Serialize) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Line<'a, V> {
        r#type: &'static str,
        #[serde(flatten)]
        value: &'a V,
    }
    crate::report::json_line(&Line { r#type: kind, value })
}
