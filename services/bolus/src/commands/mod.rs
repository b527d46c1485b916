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

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use bolus_inference::{Bundle, BundleSet};
use bolus_storage::Location;
use clap::CommandFactory;

use crate::cli::{Cli, ModelArgs};

/// Prints a completion script. It is made first: the generator panics where the reader has gone.
pub fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "bolus", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// The bundles that the arguments name: one, or the default of each body part.
pub fn find_bundles(args: &ModelArgs) -> anyhow::Result<BundleSet> {
    BundleSet::find(&args.model, &Bundle::folders(&args.folders))
        .with_context(|| format!("cannot use the model {:?}", args.model))
}

/// The bundle that the arguments name, for what needs one for all series.
pub fn load_bundle(args: &ModelArgs) -> anyhow::Result<Bundle> {
    match find_bundles(args)?.bundles() {
        [only] => Ok(Bundle::clone(only)),
        several => {
            let names: Vec<&str> = several.iter().map(|bundle| bundle.manifest.name.as_str()).collect();
            anyhow::bail!("{:?} stands for {}: name one with --model", args.model, names.join(" and "))
        }
    }
}

/// Parses the inputs, all before anything is read.
pub fn locations(inputs: &[String]) -> anyhow::Result<Vec<Location>> {
    inputs.iter().map(|input| Location::parse(input).with_context(|| format!("input {input:?}"))).collect()
}

/// Threads to use: those asked for, else one a core.
pub fn threads(asked: Option<usize>) -> usize {
    asked.filter(|threads| *threads > 0).unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}
