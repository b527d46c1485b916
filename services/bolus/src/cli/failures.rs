//! Arguments of `bolus failures`.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::broker::BrokerArgs;
use super::lake::LakeArgs;

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
    #[command(flatten)]
    pub lake: LakeArgs,
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
