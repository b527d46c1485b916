//! Which lake, and the arguments of `bolus lake`.

use clap::{Args, Subcommand};

/// The lake that is used where none is named.
const DEFAULT_LAKE: &str = "lake";

/// Which lake.
#[derive(Debug, Clone, Args)]
pub struct LakeArgs {
    /// The lake: a folder or s3://bucket/prefix.
    #[arg(id = "lake", long, value_name = "URL", env = "BOLUS_LAKE", default_value = DEFAULT_LAKE)]
    pub url: String,
}

/// Subcommands of `bolus lake`.
#[derive(Debug, Subcommand)]
pub enum LakeCommand {
    /// Print the live Parquet files of the table, one a line, for DuckDB and others.
    Files(LakeArgs),
}
