//! The command line's arguments: a file a command, and one for each group that several share.
//!
//! Arguments know nothing of the commands that they are for.

mod allow;
mod broker;
mod bundles;
mod choice;
mod evaluate;
mod explain;
mod export_tensors;
mod failures;
mod inspect;
mod label;
mod lake;
mod listing;
mod model;
mod reconcile;
mod sql;
mod submit;

use clap::{Parser, Subcommand};

pub use self::bundles::{BUNDLE_MEND, ModelArgs};
pub use self::choice::BundleChoice;
pub use self::evaluate::EvaluateArgs;
pub use self::explain::ExplainArgs;
pub use self::export_tensors::ExportArgs;
pub use self::failures::{FailureArgs, FailuresCommand, ReplayArgs};
pub use self::inspect::InspectArgs;
pub use self::label::LabelArgs;
pub use self::lake::LakeCommand;
pub use self::model::{CalibrateArgs, ListArgs, ModelCommand, PackArgs, PullArgs, ShowArgs, VerifyArgs};
pub use self::reconcile::{ReconcileArgs, StudyState};
pub use self::sql::{Format, SqlArgs};
pub use self::submit::SubmitArgs;

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
