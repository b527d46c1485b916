//! Arguments of `bolus reconcile`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::allow::AllowArgs;
use super::broker::BrokerArgs;
use super::bundles::ModelArgs;
use super::lake::LakeArgs;
use super::listing::ListingArgs;

/// Arguments of `bolus reconcile`.
#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// What to compare with the lake: s3://bucket/prefix.
    #[arg(value_name = "INPUT")]
    pub input: String,
    #[command(flatten)]
    pub lake: LakeArgs,
    #[command(flatten)]
    pub list: ListingArgs,
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

/// How a study of the bucket stands in the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum StudyState {
    /// The lake has no row of it.
    Missing,
    /// An object was written after the newest row was made, or in the same second; by `--deep`: a series or file has no row as it is now.
    Stale,
    /// More objects than the rows account for, none of them newer: they may have been missed, or be no images. `--deep` tells.
    Partial,
    /// The newest outcome of a series, a file or the study's event is a failure.
    Failed,
    /// Nothing contradicts that all of it is labelled or refused.
    Ok,
}

impl StudyState {
    /// Its name on the screen and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Ok => "ok",
        }
    }
}
