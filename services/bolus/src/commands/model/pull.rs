//! `bolus model pull`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use bolus::output::{self, json_line_of, megabytes};
use bolus_bundles::{FoundBundle, Pull, Pulled};
use bolus_inference::Bundle;
use bolus_storage::Location;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::replacing::with_force;
use crate::cli::PullArgs;

/// What became of a pull.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    version: &'a str,
    digest: &'a str,
    /// Whether files were fetched; false where the same bundle was there.
    fetched: bool,
    bytes: u64,
    place: &'a Path,
}

/// Runs the command.
pub async fn run(args: PullArgs) -> anyhow::Result<ExitCode> {
    let source = Location::parse(&args.source)?;
    let parent = args.to.clone().or_else(Bundle::user_folder);
    let parent = parent.context("neither --to, XDG_DATA_HOME nor HOME says where the bundle shall go")?;
    let pull = Pull::find(&source, &parent).await?;
    let bar = bar(pull.bundle());
    let pulled = pull.run(args.force, |bytes| bar.inc(bytes)).await;
    bar.finish_and_clear();
    report(&args, &pulled.map_err(with_force)?)
}

/// A bar over the bundle's bytes; `indicatif` itself hides it where standard error is no terminal.
fn bar(bundle: &FoundBundle) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{bar:28.cyan/blue}] {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let bar = ProgressBar::new(bundle.bytes() - bundle.text.len() as u64);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.with_message(bundle.manifest.name.clone())
}

fn report(args: &PullArgs, pulled: &Pulled) -> anyhow::Result<ExitCode> {
    let Pulled { bundle, place, fetched } = pulled;
    let manifest = &bundle.manifest;
    let line = Line {
        name: &manifest.name,
        version: &manifest.version,
        digest: &bundle.digest,
        fetched: *fetched,
        bytes: if *fetched { bundle.bytes() } else { 0 },
        place,
    };
    if args.json {
        json_line_of("pulled", &line)?;
    } else {
        let what = if *fetched { megabytes(line.bytes) } else { "already there".to_owned() };
        let mut output = output::for_people();
        writeln!(output, "{} {} ({what}): {}", manifest.name, manifest.version, place.display())?;
        writeln!(output, "Intended use: {}", manifest.intended_use)?;
    }
    Ok(ExitCode::SUCCESS)
}
