//! Arguments of `bolus model calibrate`.

use std::path::PathBuf;

use bolus_evaluation::calibration::Method;
use clap::Args;

use crate::cli::bundles::FolderArgs;
use crate::cli::choice::SplitChoice;
use crate::cli::lake::LakeArgs;

/// What the lake is for here.
const LAKE: &str = "The lake that holds the bundle's labels of these series: a folder or s3://bucket/prefix";

/// Arguments of `bolus model calibrate`.
#[derive(Debug, Args)]
#[command(mut_arg("lake", |lake| lake.help(LAKE)))]
pub struct CalibrateArgs {
    /// The bundle: a name below the model folders, or a bundle's folder. It stays as it is.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The labelled set, CSV or Parquet, as for `bolus evaluate`.
    #[arg(long, value_name = "FILE")]
    pub truth: PathBuf,
    #[command(flatten)]
    pub lake: LakeArgs,
    /// The split to fit on: train, validation, test, or all.
    #[arg(long, value_name = "SPLIT", default_value = "validation")]
    pub split: SplitChoice,
    /// What is fitted: temperature (one number), platt (two) or isotonic (a curve; needs hundreds of series).
    #[arg(long, value_name = "METHOD", default_value = "platt")]
    pub method: Method,
    /// Largest share of the decided series that may be decided wrongly; the indeterminate band is the narrowest that leaves no more.
    #[arg(long, value_name = "SHARE", default_value_t = 0.005)]
    pub max_error: f64,
    /// Width that the band has at least.
    #[arg(long, value_name = "WIDTH", default_value_t = 0.1)]
    pub band_min_width: f64,
    /// Width that the band has at most.
    #[arg(long, value_name = "WIDTH", default_value_t = 0.6)]
    pub band_max_width: f64,
    /// The new version; by default the last number of the old one plus one.
    #[arg(long, value_name = "VERSION")]
    pub version: Option<String>,
    /// Seed of the parts that the fit is checked on.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The calibrated bundle's folder, which is made; its last part is the bundle's name. By default the one of that name among the
    /// user's own, $XDG_DATA_HOME/bolus/models. Nothing is written among the bundles that come with the program.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write it even where the fit rests on few series or is worse on series held out, and replace a bundle that is there.
    #[arg(long)]
    pub force: bool,
    /// Fit and tell, write nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub folders: FolderArgs,
    /// Print the outcome as a JSON line.
    #[arg(long)]
    pub json: bool,
}
