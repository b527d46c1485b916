//! `bolus model`: bundles in folders and buckets.

mod blocking;
mod calibrate;
mod list;
mod pack;
mod pull;
mod replacing;
mod show;
mod verify;

use std::process::ExitCode;

use self::blocking::blocking;
use crate::cli::ModelCommand;

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
