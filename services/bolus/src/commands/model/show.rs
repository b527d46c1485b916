//! `bolus model show`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use bolus::output::{self, json_line_of, megabytes};
use bolus_inference::{Bundle, Calibration, Dtype, Layout, Manifest};
use serde::Serialize;

use crate::cli::ShowArgs;

/// Width of the names before their values.
const NAMES: usize = 18;

/// A bundle as one JSON object.
#[derive(Serialize)]
struct Line<'a> {
    digest: &'a str,
    place: &'a Path,
    card: Option<PathBuf>,
    weights: Option<u64>,
    network_bytes: usize,
    manifest: &'a Manifest,
}

/// Runs the command.
pub fn run(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let folder = args.folders.locate(&args.name)?;
    let bundle = Bundle::load(&folder).with_context(|| format!("cannot use bundle {}", folder.display()))?;
    let card = Some(folder.join(Bundle::CARD)).filter(|card| card.is_file());
    if args.json {
        let line = Line {
            digest: &bundle.reference.digest,
            place: &folder,
            card,
            weights: bundle.weights(),
            network_bytes: bundle.network_bytes(),
            manifest: &bundle.manifest,
        };
        json_line_of("bundle", &line)?;
        return Ok(ExitCode::SUCCESS);
    }
    let manifest = &bundle.manifest;
    let mut output = output::for_people();
    writeln!(output, "{} {}\n{}\n", manifest.name, manifest.version, manifest.intended_use)?;
    let sections = [about(&bundle, &folder, card), network(&bundle), preprocessing(manifest), decision(manifest)];
    for (index, section) in sections.iter().enumerate() {
        if index > 0 {
            writeln!(output)?;
        }
        for (name, value) in section {
            writeln!(output, "{name:NAMES$}{value}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

type Section = Vec<(&'static str, String)>;

fn about(bundle: &Bundle, folder: &Path, card: Option<PathBuf>) -> Section {
    let manifest = &bundle.manifest;
    let parts = manifest.body_parts.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", ");
    vec![
        ("body parts", parts),
        ("licence", manifest.licence.clone()),
        ("trained on", manifest.training.statement.clone()),
        ("card", card.map_or_else(|| "none".to_owned(), |card| card.display().to_string())),
        ("place", folder.display().to_string()),
        ("digest", bundle.reference.digest.clone()),
    ]
}

fn network(bundle: &Bundle) -> Section {
    let network = &bundle.manifest.network;
    let [_, rows, columns] = bundle.manifest.preprocessing.crop;
    let channels = network.channels;
    let shape = match network.layout {
        Layout::Nchw => format!("[slice, {channels}, {rows}, {columns}]"),
        Layout::Nhwc => format!("[slice, {rows}, {columns}, {channels}]"),
    };
    let dtype = match network.dtype {
        Dtype::Float32 => "float32",
        Dtype::Float16 => "float16",
    };
    let size = megabytes(bundle.network_bytes() as u64);
    let weights = match bundle.weights() {
        Some(count) if count >= 1_000_000 => format!("{:.2} million", count as f64 / 1e6),
        Some(count) => count.to_string(),
        None => "unknown".to_owned(),
    };
    let reference = &bundle.manifest.reference;
    vec![
        ("network", format!("{} ({size}), {}", network.file, network.precision.as_str())),
        ("weights", weights),
        ("input", format!("{} {dtype} {shape}", network.input)),
        ("output", format!("{} {dtype}, a probability a slice", network.output)),
        (
            "reference",
            format!("{} slices give {:?} within {}", reference.slices, reference.expected, reference.tolerance),
        ),
    ]
}

/// The section as it stands in the manifest, key by key: there is no better telling of it.
fn preprocessing(manifest: &Manifest) -> Section {
    let spec = &manifest.preprocessing;
    let [first, last] = spec.kept_slices;
    vec![
        ("grid", format!("{:?} mm, [z, y, x]", spec.spacing_mm)),
        ("crop", format!("{:?} voxels, slices {first} to {last} of it scored", spec.crop)),
        ("short series", text(&spec.short_series)),
        (
            "HU",
            format!(
                "{:?} to 0..1 ({}); above {} HU taken as {}",
                spec.clip_hu,
                text(&spec.scale),
                spec.ceiling_hu,
                spec.above_ceiling_hu
            ),
        ),
        ("outside", format!("{} HU", spec.fill_hu)),
        ("gantry tilt", text(&spec.gantry_tilt)),
        (
            "series",
            format!(
                "{} slice{} or more, {}within {}° of axial",
                spec.min_slices,
                if spec.min_slices == 1 { "" } else { "s" },
                spec.max_slice_spacing_mm.map_or(String::new(), |limit| format!("at most {limit} mm apart, ")),
                spec.axial_tolerance_deg,
            ),
        ),
    ]
}

fn decision(manifest: &Manifest) -> Section {
    let decision = &manifest.decision;
    let [low, high] = decision.indeterminate;
    let calibration = match &manifest.calibration {
        Calibration::Identity { .. } => "none".to_owned(),
        Calibration::Platt { scale, shift, .. } => format!("platt: sigmoid({scale} · logit(mean) + {shift})"),
        Calibration::Isotonic { raw, .. } => format!("isotonic, {} knots", raw.len()),
    };
    let mut section = vec![
        ("slice", format!("positive at {} and above", decision.slice_threshold)),
        ("series", format!("mean of its slices, calibrated; enhanced above {}", decision.scan_threshold)),
        ("indeterminate", format!("{low} to {high}")),
        ("calibration", calibration),
        ("fitted on", manifest.calibration.fitted_on().to_owned()),
    ];
    if let Some(adaptive) = &manifest.adaptive {
        let value = format!(
            "{} outputs at first, {} a round, at most {:.0} %, critical value {}",
            adaptive.first,
            adaptive.step,
            adaptive.share * 100.0,
            adaptive.critical
        );
        section.push(("adaptive", value));
    }
    section
}

/// The name that a manifest gives a choice.
fn text(choice: &impl Serialize) -> String {
    serde_json::to_value(choice).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
