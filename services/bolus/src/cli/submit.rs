//! Arguments of `bolus submit`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;

use super::broker::BrokerArgs;
use super::listing::ListingArgs;

/// Arguments of `bolus submit`.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// The archive: s3://bucket/prefix.
    #[arg(value_name = "INPUT")]
    pub input: String,
    #[command(flatten)]
    pub broker: BrokerArgs,
    #[command(flatten)]
    pub list: ListingArgs,
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
