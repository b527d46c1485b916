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
use bolus_setup::SetupError;
use bolus_storage::Location;
use clap::CommandFactory;

use crate::cli::{BUNDLE_MEND, Cli, ModelArgs};

/// Prints a completion script. It is made first: the generator panics where the reader has gone.
pub fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "bolus", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// The bundles that the arguments name: one, or the default of each body part.
pub fn find_bundles(args: &ModelArgs) -> anyhow::Result<BundleSet> {
    bolus_setup::find_bundles(&args.model, &args.folders, BUNDLE_MEND)
        .with_context(|| format!("cannot use the model {:?}", args.model))
}

/// The bundle that the arguments name, for what needs one for all series.
pub fn load_bundle(args: &ModelArgs) -> anyhow::Result<Bundle> {
    bolus_setup::only_bundle(&find_bundles(args)?, &args.model).map_err(|error| match error {
        several @ SetupError::SeveralBundles { .. } => anyhow::anyhow!("{several}: name one with --model"),
        other => other.into(),
    })
}

/// Parses the inputs, all before anything is read.
pub fn locations(inputs: &[String]) -> anyhow::Result<Vec<Location>> {
    inputs.iter().map(|input| Location::parse(input).with_context(|| format!("input {input:?}"))).collect()
}
