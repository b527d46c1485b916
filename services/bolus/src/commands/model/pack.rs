//! `bolus model pack`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use bolus::output::{self, json_line_of};
use bolus_bundles::{StagedBundle, out_folder};
use bolus_inference::{Bundle, Packed};
use bolus_ops::files::read_regular;
use bolus_ops::threads_or_cores;
use serde::Serialize;

use super::replacing::with_force;
use crate::cli::PackArgs;

/// Most bytes of a part: no network can be larger.
const MOST_BYTES: u64 = 2 << 30;

/// A bundle that was made.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    version: &'a str,
    digest: &'a str,
    expected: &'a [f32],
    place: &'a Path,
}

/// Runs the command.
pub fn run(args: &PackArgs) -> anyhow::Result<ExitCode> {
    let draft =
        String::from_utf8(read(&args.manifest)?).with_context(|| format!("{} is not text", args.manifest.display()))?;
    let card = read(&args.card)?;
    ensure!(!card.trim_ascii().is_empty(), "the card {} is empty", args.card.display());
    if args.out.exists() && !args.force {
        bail!("{} is there already; --force replaces it", args.out.display());
    }
    let packed = Packed::complete(&draft, read(&args.network)?, read(&args.reference)?, threads_or_cores(None))
        .with_context(|| {
            format!("cannot make a bundle of {} and {}", args.network.display(), args.manifest.display())
        })?;
    let manifest = &packed.bundle.manifest;
    let out = out_folder(&args.out, &manifest.name).context("--out")?;
    let staged = StagedBundle::begin(&out)?;
    staged.write(Bundle::CARD, &card)?;
    for (name, bytes) in packed.files() {
        staged.write(name, bytes)?;
    }
    let (bundle, _) = staged.check().context("the bundle that was written does not load")?;
    let place = staged.publish(args.force).map_err(with_force)?;
    report(args, &bundle, &place)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    read_regular(path, MOST_BYTES).with_context(|| format!("cannot read {}", path.display()))
}

fn report(args: &PackArgs, bundle: &Bundle, place: &Path) -> anyhow::Result<ExitCode> {
    let reference = &bundle.reference;
    let line = Line {
        name: &reference.name,
        version: &reference.version,
        digest: &reference.digest,
        expected: &bundle.manifest.reference.expected,
        place,
    };
    if args.json {
        json_line_of("packed", &line)?;
    } else {
        let mut output = output::for_people();
        writeln!(output, "{} {}: {}", line.name, line.version, place.display())?;
        writeln!(output, "digest {}", line.digest)?;
        writeln!(output, "reference output {:?}", line.expected)?;
    }
    Ok(ExitCode::SUCCESS)
}
