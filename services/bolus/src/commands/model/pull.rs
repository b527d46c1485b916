//! `bolus model pull`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use bolus::output::{self, json_line_of, megabytes, short_digest};
use bolus_inference::Bundle;
use bolus_ops::files::read_regular;
use bolus_storage::{Location, ObjectRef};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::blocking::blocking;
use super::place::Staged;
use super::shelf::{MOST_MANIFEST_BYTES, Shelved, Unreadable, bundles_at};
use crate::cli::PullArgs;

/// Bytes that are asked for at a time, and held in memory.
const CHUNK: u64 = 8 << 20;
/// Most bytes of one file: an ONNX file cannot be larger.
const MOST_FILE_BYTES: u64 = 2 << 30;

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
    let bundle = the_one(bundles_at(&source).await.with_context(|| format!("cannot list {source}"))?, &args.source)?;
    let target = parent.join(&bundle.manifest.name);
    let replace = match digest_at(&target) {
        // The same manifest may lie beside a damaged network: only a bundle that holds is left alone.
        Some(found) if found == bundle.digest => {
            if Bundle::load(&target).is_ok() {
                return report(&args, &bundle, &target, false);
            }
            true
        }
        Some(found) if !args.force => bail!(
            "{} is there with digest {}, {} has {}; --force replaces it",
            target.display(),
            short_digest(&found),
            bundle.place,
            short_digest(&bundle.digest)
        ),
        Some(_) => true,
        None => false,
    };
    let place = fetch(&bundle, &target, replace).await?;
    report(&args, &bundle, &place, true)
}

/// The only bundle at `source`.
fn the_one(found: Vec<Result<Shelved, Unreadable>>, source: &str) -> anyhow::Result<Shelved> {
    let mut bundles = Vec::new();
    for bundle in found {
        bundles.push(
            bundle.map_err(|unreadable| unreadable.problem.context(format!("not a bundle: {}", unreadable.place)))?,
        );
    }
    match bundles.len() {
        0 => bail!("no bundle at {source}: expected {} there, or in one folder below", Bundle::MANIFEST),
        1 => bundles.pop().context("one bundle was found"),
        _ => {
            let places = bundles.iter().map(|bundle| format!("\n  {}", bundle.place)).collect::<String>();
            bail!("{} bundles at {source}: pull one of{places}", bundles.len())
        }
    }
}

/// The digest of the manifest in `folder`, where there is one.
fn digest_at(folder: &Path) -> Option<String> {
    read_regular(&folder.join(Bundle::MANIFEST), MOST_MANIFEST_BYTES).ok().map(|text| hex::encode(Sha256::digest(text)))
}

/// Fetches, checks and publishes.
async fn fetch(bundle: &Shelved, target: &Path, replace: bool) -> anyhow::Result<PathBuf> {
    let parts = bundle.parts()?;
    if let Some((name, object)) = parts.iter().find(|(_, object)| object.size > MOST_FILE_BYTES) {
        bail!("{}: {name} has {}, more than a bundle's file can have", bundle.place, megabytes(object.size));
    }
    let staged = Staged::begin(target)?;
    let bar = bar(bundle);
    let copied = copy_all(&parts, &staged, &bar).await;
    bar.finish_and_clear();
    copied?;
    staged.write(Bundle::MANIFEST, &bundle.text)?;
    let place = bundle.place.clone();
    blocking(move || {
        staged.check().with_context(|| format!("{place} does not hold; nothing was changed"))?;
        staged.publish(replace)
    })
    .await
}

async fn copy_all(parts: &[(&str, &ObjectRef)], staged: &Staged, bar: &ProgressBar) -> anyhow::Result<()> {
    for (name, object) in parts {
        copy(object, staged.create(name)?, bar).await.with_context(|| format!("cannot fetch {name}"))?;
    }
    Ok(())
}

/// Copies an object a chunk at a time.
async fn copy(object: &ObjectRef, mut file: std::fs::File, bar: &ProgressBar) -> anyhow::Result<()> {
    let mut start = 0;
    while start < object.size {
        let chunk = object.read_range(start..start + CHUNK).await?;
        start += chunk.len() as u64;
        bar.inc(chunk.len() as u64);
        file = blocking(move || {
            file.write_all(&chunk)?;
            Ok(file)
        })
        .await?;
    }
    blocking(move || Ok(file.sync_all()?)).await
}

/// A bar over the bundle's bytes; `indicatif` itself hides it where standard error is no terminal.
fn bar(bundle: &Shelved) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{bar:28.cyan/blue}] {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let bar = ProgressBar::new(bundle.bytes() - bundle.text.len() as u64);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.with_message(bundle.manifest.name.clone())
}

fn report(args: &PullArgs, bundle: &Shelved, place: &Path, fetched: bool) -> anyhow::Result<ExitCode> {
    let manifest = &bundle.manifest;
    let line = Line {
        name: &manifest.name,
        version: &manifest.version,
        digest: &bundle.digest,
        fetched,
        bytes: if fetched { bundle.bytes() } else { 0 },
        place,
    };
    if args.json {
        json_line_of("pulled", &line)?;
    } else {
        let what = if fetched { megabytes(line.bytes) } else { "already there".to_owned() };
        let mut output = output::for_people();
        writeln!(output, "{} {} ({what}): {}", manifest.name, manifest.version, place.display())?;
        writeln!(output, "Intended use: {}", manifest.intended_use)?;
    }
    Ok(ExitCode::SUCCESS)
}
