//! One module a subcommand.

pub mod failures;
pub mod inspect;
pub mod label;
pub mod lake;
pub mod reconcile;
pub mod submit;

use std::path::PathBuf;
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
///
/// Bundles are looked for in the folders named, in `./models`, beside an installed program (`../share/bolus/models`), and in the
/// source tree that the program was built in.
pub fn load_bundle(args: &ModelArgs) -> anyhow::Result<Bundle> {
    let mut folders = args.folders.clone();
    folders.push(PathBuf::from("models"));
    if let Some(installed) =
        std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("../share/bolus/models")))
    {
        folders.push(installed);
    }
    folders.push(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models"));
    let folder = Bundle::locate(&args.model, &folders)?;
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
