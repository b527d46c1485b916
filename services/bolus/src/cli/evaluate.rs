//! Arguments of `bolus evaluate`.

use std::path::PathBuf;

use bolus_evaluation::truth::Split;
use clap::Args;

use super::choice::BundleChoice;
use super::lake::LakeArgs;

/// Arguments of `bolus evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// The labelled set, CSV or Parquet: columns series_uid and contrast (1/0, yes/no, enhanced/native), and patient, body_part, split, site
    /// where they are known.
    #[arg(long, value_name = "FILE")]
    pub truth: PathBuf,
    #[command(flatten)]
    pub lake: LakeArgs,
    /// Only this bundle, or this version of it; may be given more than once. All bundles with labels otherwise.
    #[arg(long = "bundle", value_name = "NAME[@VERSION]")]
    pub bundles: Vec<BundleChoice>,
    /// Only series of this split: train, validation or test.
    #[arg(long, value_name = "SPLIT")]
    pub split: Option<Split>,
    /// Resamples of the bootstrap intervals; 0 makes none.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub bootstrap: u32,
    /// Seed of the resamples.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write everything as one JSON document into this file; - is standard output, in place of the tables.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a report with curves into this file (.html), or as evaluation.html into this folder.
    #[arg(long, value_name = "PATH")]
    pub html: Option<PathBuf>,
    /// Folder of contact sheets that `bolus label --sheets` wrote: the report shows those of the worst series.
    #[arg(long, value_name = "DIR", requires = "html")]
    pub sheets: Option<PathBuf>,
    /// How many of the series farthest from the truth are named for each bundle.
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub worst: usize,
    /// Folder that holds bundles, to look up their thresholds; may be given more than once. Searched before ./models.
    #[arg(long = "models", value_name = "DIR", env = "BOLUS_MODELS")]
    pub folders: Vec<PathBuf>,
}
