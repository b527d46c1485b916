//! `bolus model verify`.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use bolus::output::{self, json_line_of, short_digest};
use bolus_bundles::{bundle_folders, existing_folders};
use bolus_inference::{Bundle, Verified};
use bolus_ops::threads_or_cores;
use serde::Serialize;

use crate::cli::VerifyArgs;
use crate::exit;

/// What the check of one bundle found.
#[derive(Serialize)]
struct Line {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    holds: bool,
    /// The largest difference from the expected output.
    #[serde(skip_serializing_if = "Option::is_none")]
    deviation: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tolerance: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    place: PathBuf,
}

/// Runs the command.
pub fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let folders = folders(args)?;
    if folders.is_empty() {
        let looked = Bundle::folders(&args.folders.folders);
        let looked = looked.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
        bail!("no bundles found in {looked}");
    }
    let mut lines = Vec::new();
    for folder in folders {
        let line = check(&folder, args);
        if args.json {
            json_line_of("verified", &line)?;
        }
        lines.push(line);
    }
    if !args.json {
        print_table(&lines)?;
    }
    Ok(if lines.iter().all(|line| line.holds) { ExitCode::SUCCESS } else { ExitCode::from(exit::SOME_REFUSED) })
}

/// The folders of the bundles that the arguments name, or of all in the model folders, each once.
fn folders(args: &VerifyArgs) -> anyhow::Result<Vec<PathBuf>> {
    if !args.names.is_empty() {
        return args.names.iter().map(|name| args.folders.locate(name)).collect();
    }
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for folder in existing_folders(&Bundle::folders(&args.folders.folders)) {
        found.extend(bundle_folders(&folder)?.into_iter().filter(|folder| seen.insert(folder.clone())));
    }
    Ok(found)
}

fn check(folder: &Path, args: &VerifyArgs) -> Line {
    let mut line = Line {
        name: folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned(),
        version: None,
        digest: None,
        holds: false,
        deviation: None,
        tolerance: None,
        device: None,
        problem: None,
        place: folder.to_owned(),
    };
    let outcome = Bundle::load(folder).and_then(|bundle| {
        line.name = bundle.reference.name.clone();
        line.version = Some(bundle.reference.version.clone());
        line.digest = Some(bundle.reference.digest.clone());
        line.tolerance = Some(bundle.manifest.reference.tolerance);
        bundle.verify(args.device, threads_or_cores(None), args.timeout.0)
    });
    match outcome {
        Ok(Verified { deviation, device, .. }) => {
            line.holds = true;
            line.deviation = Some(deviation);
            line.device = Some(device.name());
        }
        Err(error) => line.problem = Some(format!("{:#}", anyhow::Error::from(error))),
    }
    line
}

fn print_table(lines: &[Line]) -> anyhow::Result<()> {
    let headers = ["name", "version", "digest", "deviation", "tolerance", "verdict"].map(str::to_owned);
    let dash = || "-".to_owned();
    let row = |line: &Line| {
        vec![
            line.name.clone(),
            line.version.clone().unwrap_or_else(dash),
            line.digest.as_deref().map_or_else(dash, |digest| short_digest(digest).to_owned()),
            line.deviation.map_or_else(dash, |deviation| format!("{deviation:.1e}")),
            line.tolerance.map_or_else(dash, |tolerance| format!("{tolerance:.1e}")),
            if line.holds { "holds" } else { "does not hold" }.to_owned(),
        ]
    };
    let numeric = [false, false, false, true, true, false];
    let mut output = output::for_people();
    writeln!(output, "{}", output::table(&headers, lines.iter().map(row).collect(), &numeric))?;
    for line in lines {
        if let Some(problem) = &line.problem {
            writeln!(output, "{}: {problem}", line.place.display())?;
        }
    }
    Ok(())
}
