//! `bolus model list`.

use std::io::Write;
use std::process::ExitCode;

use bolus::output::{self, json_line_of, megabytes, short_digest};
use bolus_bundles::{FoundBundle, UnreadableBundle, bundles_at, existing_folders};
use bolus_inference::{Bundle, Manifest};
use bolus_storage::Location;
use serde::Serialize;

use crate::cli::ListArgs;
use crate::exit;

/// A folder with a manifest that cannot be read, and why.
struct Unreadable {
    place: String,
    problem: String,
}

/// Runs the command.
pub async fn run(args: ListArgs) -> anyhow::Result<ExitCode> {
    let found = match &args.source {
        Some(source) => bundles_at(&Location::parse(source)?).await?,
        None => in_model_folders(&args).await?,
    };
    let (mut bundles, mut unreadable) = (Vec::new(), Vec::new());
    for bundle in found {
        match bundle {
            Ok(bundle) => bundles.push(bundle),
            Err(UnreadableBundle { place, problem }) => {
                unreadable.push(Unreadable { place, problem: format!("{:#}", anyhow::Error::from(problem)) })
            }
        }
    }
    if args.json {
        print_json(&bundles, &unreadable)?
    } else {
        print_table(&bundles)?
    }
    for Unreadable { place, problem } in &unreadable {
        output::complain(&format!("not a bundle: {place}: {problem}"));
    }
    Ok(if unreadable.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::SOME_REFUSED) })
}

/// The bundles of all model folders that are there, each folder once.
async fn in_model_folders(args: &ListArgs) -> anyhow::Result<Vec<Result<FoundBundle, UnreadableBundle>>> {
    let mut found = Vec::new();
    for folder in existing_folders(&Bundle::folders(&args.folders.folders)) {
        found.extend(bundles_at(&Location::from_path(&folder)?).await?);
    }
    Ok(found)
}

fn body_parts(manifest: &Manifest) -> String {
    manifest.body_parts.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", ")
}

fn print_table(bundles: &[FoundBundle]) -> anyhow::Result<()> {
    let headers =
        ["name", "version", "body parts", "precision", "size", "digest", "calibration", "place"].map(str::to_owned);
    let row = |bundle: &FoundBundle| {
        let manifest = &bundle.manifest;
        vec![
            manifest.name.clone(),
            manifest.version.clone(),
            body_parts(manifest),
            manifest.network.precision.as_str().to_owned(),
            megabytes(bundle.bytes()),
            short_digest(&bundle.digest).to_owned(),
            if manifest.calibration.is_identity() { "none" } else { manifest.calibration.method() }.to_owned(),
            bundle.place.clone(),
        ]
    };
    let numeric = [false, false, false, false, true, false, false, false];
    let mut output = output::for_people();
    writeln!(output, "{}", output::table(&headers, bundles.iter().map(row).collect(), &numeric))?;
    writeln!(output, "{}", output::counted(bundles.len(), "bundle", "bundles"))?;
    Ok(())
}

/// One bundle as a JSON line.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    version: &'a str,
    digest: &'a str,
    body_parts: &'a [bolus_study::BodyPart],
    precision: &'a str,
    bytes: u64,
    calibration: &'a str,
    calibrated: bool,
    adaptive: bool,
    intended_use: &'a str,
    place: &'a str,
}

fn print_json(bundles: &[FoundBundle], unreadable: &[Unreadable]) -> anyhow::Result<()> {
    for bundle in bundles {
        let manifest = &bundle.manifest;
        let line = Line {
            name: &manifest.name,
            version: &manifest.version,
            digest: &bundle.digest,
            body_parts: &manifest.body_parts,
            precision: manifest.network.precision.as_str(),
            bytes: bundle.bytes(),
            calibration: manifest.calibration.method(),
            calibrated: !manifest.calibration.is_identity(),
            adaptive: manifest.adaptive.is_some(),
            intended_use: &manifest.intended_use,
            place: &bundle.place,
        };
        json_line_of("bundle", &line)?;
    }
    for Unreadable { place, problem } in unreadable {
        json_line_of("unreadable", &serde_json::json!({ "place": place, "problem": problem }))?;
    }
    Ok(())
}
