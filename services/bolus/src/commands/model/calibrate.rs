//! `bolus model calibrate`: fits a bundle's calibration and its indeterminate band to series of known status.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use bolus::manifest_edit::{self, Change};
use bolus::output::{self, json_line, short_digest};
use bolus_bundles::{StagedBundle, out_folder};
use bolus_evaluation::calibration::{Band, BandLimits, FOLDS, Fit, Method, Quality, doubts, fit, fit_band, held_out};
use bolus_evaluation::report::{BundleRows, ScoredSeries};
use bolus_evaluation::statistics::Case;
use bolus_evaluation::truth::LabelledSet;
use bolus_inference::Bundle;
use bolus_setup::open_lake;
use serde::Serialize;

use super::blocking::blocking;
use super::replacing::with_force;
use crate::cli::{BundleChoice, CalibrateArgs};
use crate::{exit, labelled_set};

/// What has been fitted, and what it is worth.
#[derive(Serialize)]
struct Outcome {
    r#type: &'static str,
    bundle: String,
    version: String,
    new_version: String,
    method: Method,
    fit: Fit,
    enhanced: usize,
    native: usize,
    /// Rows of which only part of the planned slices was scored.
    scored_in_part: usize,
    quality: Qualities,
    band: Band,
    limits: BandLimits,
    fitted_on: String,
    /// What speaks against it.
    doubts: Vec<String>,
    /// The folder that was written.
    written: Option<String>,
}

/// Brier score, calibration error and log-loss of the same series, four times.
#[derive(Serialize)]
struct Qualities {
    /// The aggregates themselves.
    raw: Quality,
    /// As the bundle calibrates now.
    now: Quality,
    /// With the fit, on what it was fitted on.
    fitted: Quality,
    /// With fits on other series; none where there are too few.
    held_out: Option<Quality>,
}

/// Runs the command.
pub async fn run(args: &CalibrateArgs) -> anyhow::Result<ExitCode> {
    let folder = args.folders.locate(&args.name)?;
    let bundle = Bundle::load(&folder).with_context(|| format!("cannot use bundle {}", folder.display()))?;
    let limits = limits(args, bundle.manifest.decision.scan_threshold)?;
    let whole = labelled_set::read(&args.truth)?;
    let truth = labelled_set::of_split(&whole, args.split.0, &args.truth).context("--split all fits on all series")?;
    let rows = rows_of(args, &bundle, &truth).await?;
    let mut outcome = fitted(args, &bundle, &truth, &rows, limits)?;
    // What speaks against it is told with the figures, before anything is refused for it.
    let refused = !args.dry_run && !args.force && !outcome.doubts.is_empty();
    if !args.dry_run && !refused {
        outcome.written = Some(write(args, &folder, bundle, &outcome).await?.display().to_string());
    }
    tell(&outcome, args.json)?;
    anyhow::ensure!(!refused, "nothing was written: {}; --force writes it all the same", outcome.doubts.join("; "));
    Ok(if outcome.band.kept { ExitCode::SUCCESS } else { ExitCode::from(exit::SOME_REFUSED) })
}

/// Makes the calibrated bundle's folder.
async fn write(args: &CalibrateArgs, source: &Path, bundle: Bundle, outcome: &Outcome) -> anyhow::Result<PathBuf> {
    let name = &bundle.manifest.name;
    let own = || Bundle::user_folder().map(|folder| folder.join(name));
    let out = args.out.clone().or_else(own);
    let out = out.context("neither --out, XDG_DATA_HOME nor HOME says where the bundle shall go")?;
    let out = out_folder(&out, name).context("--out")?;
    anyhow::ensure!(args.force || !out.exists(), "{} is there already; --force replaces it", out.display());
    let change = Change {
        fit: &outcome.fit,
        band: [outcome.band.low, outcome.band.high],
        version: &outcome.new_version,
        fitted_on: &outcome.fitted_on,
    };
    let path = source.join(Bundle::MANIFEST);
    let old = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let new = manifest_edit::changed(&old, &change).with_context(|| format!("cannot change {}", path.display()))?;
    let (source, force) = (source.to_owned(), args.force);
    blocking(move || {
        let staged = StagedBundle::begin(&out)?;
        staged.copy(&bundle, &source)?;
        staged.write(Bundle::MANIFEST, new.as_bytes())?;
        staged.check().context("the calibrated bundle does not hold; nothing was changed")?;
        staged.publish(force).map_err(with_force)
    })
    .await
}

/// Fits calibration and band, and says what they are worth.
fn fitted(
    args: &CalibrateArgs,
    bundle: &Bundle,
    truth: &LabelledSet,
    rows: &BundleRows,
    limits: BandLimits,
) -> anyhow::Result<Outcome> {
    let cases = cases(rows, truth, |scan| scan.raw_probability);
    let fitted = fit(args.method, &cases).with_context(|| format!("{} cannot be fitted", args.method))?;
    let calibrated = applied(&fitted, &cases);
    let in_part = |scan: &&ScoredSeries| scan.slices_planned.is_some_and(|planned| planned > scan.slices.len());
    let version = &bundle.manifest.version;
    let enhanced = cases.iter().filter(|case| case.positive).count();
    let native = cases.len() - enhanced;
    let quality = Qualities {
        raw: Quality::of(&cases),
        now: Quality::of(&self::cases(rows, truth, |scan| scan.probability)),
        fitted: Quality::of(&calibrated),
        held_out: held_out(args.method, &cases, args.seed).map(|cases| Quality::of(&cases)),
    };
    let doubts = doubts(enhanced, native, &quality.now, quality.held_out.as_ref());
    Ok(Outcome {
        r#type: "calibration",
        bundle: bundle.manifest.name.clone(),
        version: version.clone(),
        new_version: args.version.clone().map_or_else(|| manifest_edit::bumped(version), Ok)?,
        method: args.method,
        enhanced,
        native,
        scored_in_part: rows.scans.iter().filter(in_part).count(),
        quality,
        band: fit_band(&calibrated, &limits),
        limits,
        fitted_on: fitted_on(args, bundle, &cases),
        fit: fitted,
        doubts: doubts.iter().map(ToString::to_string).collect(),
        written: None,
    })
}

fn limits(args: &CalibrateArgs, threshold: f64) -> anyhow::Result<BandLimits> {
    let (max_error, min_width, max_width) = (args.max_error, args.band_min_width, args.band_max_width);
    anyhow::ensure!((0.0..0.5).contains(&max_error), "--max-error {max_error}: expected a share from 0 to 0.5");
    anyhow::ensure!(
        0.0 <= min_width && min_width <= max_width && max_width < 1.0,
        "--band-min-width {min_width} and --band-max-width {max_width}: expected 0 or more, not falling, below 1"
    );
    Ok(BandLimits { threshold, max_error, min_width, max_width })
}

/// The rows that this very bundle made, by its digest.
async fn rows_of(args: &CalibrateArgs, bundle: &Bundle, truth: &LabelledSet) -> anyhow::Result<BundleRows> {
    let reference = &bundle.reference;
    let choice = BundleChoice { name: reference.name.clone(), version: None };
    let all = labelled_set::read_rows(&open_lake(&args.lake.url).await?, truth, &[choice]).await?;
    let others: Vec<String> = all
        .iter()
        .filter(|rows| rows.bundle.digest != reference.digest && !rows.scans.is_empty())
        .map(|rows| format!("{}@{} {}", rows.bundle.name, rows.bundle.version, short_digest(&rows.bundle.digest)))
        .collect();
    let own = all.into_iter().find(|rows| rows.bundle.digest == reference.digest && !rows.scans.is_empty());
    own.with_context(|| {
        let others = others.join(", ");
        let others = if others.is_empty() { others } else { format!("; it has labels by {others}") };
        format!(
            "the lake {} has no label by {}@{} {} of a series of {} ({}){others}: run `bolus label --model \
             {}` over them first",
            args.lake.url,
            reference.name,
            reference.version,
            short_digest(&reference.digest),
            args.truth.display(),
            args.split,
            args.name,
        )
    })
}

/// The rows with their truth; `score` says what is calibrated or judged.
fn cases(rows: &BundleRows, truth: &LabelledSet, score: fn(&ScoredSeries) -> f64) -> Vec<Case> {
    let clusters = truth.clusters();
    let case = |scan: &ScoredSeries| {
        let known = truth.get(&scan.series, scan.stack)?;
        let cluster = *clusters.get(&scan.series)?;
        Some(Case { positive: known.contrast, score: score(scan), decision: None, cluster })
    };
    rows.scans.iter().filter_map(case).collect()
}

fn applied(fit: &Fit, cases: &[Case]) -> Vec<Case> {
    cases.iter().map(|case| Case { score: fit.apply(case.score), ..*case }).collect()
}

/// What the manifest says of where the numbers come from.
fn fitted_on(args: &CalibrateArgs, bundle: &Bundle, cases: &[Case]) -> String {
    let enhanced = cases.iter().filter(|case| case.positive).count();
    let file = args.truth.file_name().unwrap_or(args.truth.as_os_str()).to_string_lossy().into_owned();
    format!(
        "{} of {file}: {enhanced} enhanced and {} native series as labelled by version {} (digest {}), {}",
        args.split,
        cases.len() - enhanced,
        bundle.manifest.version,
        short_digest(&bundle.reference.digest),
        args.method,
    )
}

fn tell(outcome: &Outcome, json: bool) -> anyhow::Result<()> {
    if json {
        return json_line(outcome);
    }
    let mut output = output::for_people();
    let (band, limits) = (&outcome.band, &outcome.limits);
    writeln!(output, "{} {}, fitted on {}.", outcome.bundle, outcome.version, outcome.fitted_on)?;
    writeln!(output, "{}", quality_table(&outcome.quality))?;
    match &outcome.fit {
        Fit::Sigmoid { scale, shift } => writeln!(output, "Calibration: sigmoid({scale:.4} · logit(raw) {shift:+.4})")?,
        Fit::Knots { raw, .. } => writeln!(output, "Calibration: {} knots", raw.len())?,
    }
    writeln!(
        output,
        "Indeterminate: {:.3} to {:.3}; {} of {} decided series are decided wrongly, {} are undecided.",
        band.low, band.high, band.errors, band.decided, band.undecided
    )?;
    if !band.kept {
        let (share, width) = (limits.max_error, limits.max_width);
        writeln!(
            output,
            "No band of width {width} or less leaves a share of errors of {share} or less: this one leaves \
             the smallest."
        )?;
    }
    if outcome.scored_in_part > 0 {
        writeln!(output, "{} of the labels rest on part of the slices (--adaptive).", outcome.scored_in_part)?;
    }
    if outcome.written.is_none() {
        for doubt in &outcome.doubts {
            writeln!(output, "Against it: {doubt}.")?;
        }
    }
    match &outcome.written {
        Some(path) => {
            writeln!(output, "Written: {path}, version {}.", outcome.new_version)?;
            writeln!(output, "Label with it: bolus label --model {path} …")?;
        }
        None => writeln!(output, "Nothing written.")?,
    }
    Ok(())
}

fn quality_table(quality: &Qualities) -> comfy_table::Table {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let row = |name: String, quality: &Quality| {
        vec![name, number(quality.brier), number(quality.calibration_error), number(quality.log_loss)]
    };
    let mut rows = vec![
        row("raw aggregate".to_owned(), &quality.raw),
        row("as the bundle is now".to_owned(), &quality.now),
        row("fitted, on the same series".to_owned(), &quality.fitted),
    ];
    match &quality.held_out {
        Some(held_out) => rows.push(row(format!("fitted, on series held out ({FOLDS} parts)"), held_out)),
        None => rows.push(vec![
            format!("fitted, on series held out: too few for {FOLDS} parts"),
            "-".into(),
            "-".into(),
            "-".into(),
        ]),
    }
    let headers = ["probability", "Brier", "ECE", "log-loss"].map(str::to_owned);
    output::table(&headers, rows, &[false, true, true, true])
}
