//! One module a subcommand.

pub mod evaluate;
pub mod explain;
pub mod export_tensors;
pub mod failures;
pub mod inspect;
pub mod label;
pub mod lake;
pub mod model;
pub mod reconcile;
pub mod submit;

use std::process::ExitCode;

use anyhow::Context;
use bolus_inference::Bundle;
use bolus_storage::Location;
use clap::CommandFactory;

use crate::cli::{Cli, ModelArgs};

/// Exit status when some of the work could not be done.
pub const SOME_REFUSED: u8 = 3;

/// Prints a completion script.
pub fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    clap_complete::generate(shell, &mut Cli::command(), "bolus", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}

/// Loads the bundle that the arguments name.
pub fn load_bundle(args: &ModelArgs) -> anyhow::Result<Bundle> {
    let folder = Bundle::locate(&args.model, &Bundle::folders(&args.folders))?;
    Bundle::load(&folder).with_context(|| format!("cannot use bundle {}", folder.display()))
}

/// Parses the inputs, all before anything is read.
pub fn locations(inputs: &[String]) -> anyhow::Result<Vec<Location>> {
    inputs.iter().map(|input| Location::parse(input).with_context(|| format!("input {input:?}"))).collect()
}

/// Threads to use: those asked for, else one a core.
pub fn threads(asked: Option<usize>) -> usize {
    asked.filter(|threads| *threads > 0).unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}
