//! `bolus label`: list, skip what the lake has, label, commit, report; all of it at the same time.

mod account;
mod known;
mod run;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use bolus_inference::{BundleSet, CudaOptions, EngineOptions};
use bolus_labeling::{Engines, Feed, FeedOptions, Labeler, LabelerOptions, LabelingError, PatientKey, Progress};
use bolus_lake::Lake;
use bolus_ops::CpuPool;
use bolus_storage::{Location, Spool};

use self::run::Run;
use super::{find_bundles, lake, locations, threads};
use crate::cli::LabelArgs;
use crate::commit::Committer;
use crate::report::{Report, ReportOptions, Summary};
use crate::show::Display;

/// Slices on a contact sheet: four lines of five.
const SHEET_SLICES: usize = 20;

/// Runs the command.
pub async fn run(args: LabelArgs) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let inputs = locations(&args.inputs)?;
    let patient_key = read_patient_key(&args)?;
    let bundles = Arc::new(find_bundles(&args.model)?);
    let progress = Arc::new(Progress::default());
    let display = Display::follow(Arc::clone(&progress));
    let outcome = label_all(&args, inputs, patient_key, bundles, &progress, start).await;
    display.finish().await;
    let (report, mut summary) = outcome?;
    summary.elapsed_seconds = start.elapsed().as_secs_f64();
    report.finish(&summary)?;
    if summary.files_seen == 0 && !summary.stopped {
        anyhow::bail!("no files found in {}", args.inputs.join(", "));
    }
    Ok(ExitCode::from(summary.exit_code()))
}

/// Everything between the arguments and the report.
async fn label_all(
    args: &LabelArgs,
    inputs: Vec<Location>,
    patient_key: Option<PatientKey>,
    bundles: Arc<BundleSet>,
    progress: &Arc<Progress>,
    start: Instant,
) -> anyhow::Result<(Report, Summary)> {
    let cancel = bolus_ops::cancel_on_signal();
    let cpu = CpuPool::new(threads(args.threads))?;
    let options = FeedOptions {
        excluded: ours(args)?,
        spool: Spool::new(None)?,
        cpu: cpu.clone(),
        progress: Arc::clone(progress),
        cancel: cancel.clone(),
    };
    let labeler = Arc::new(labeler(args, patient_key, bundles, &cpu, progress)?);
    // A network that is the only one loads while the lake is opened and the first headers are read.
    let loading = Arc::clone(&labeler);
    let loading = tokio::spawn(async move { loading.engines().start_only().await });
    let (loaded, opened) = tokio::join!(loading, open(args, &inputs, options));
    let (lake, feed, report) = opened?;
    if let Err(error) = loaded.context("the network's loading ended unexpectedly").and_then(|done| Ok(done?)) {
        feed.stop().await;
        return Err(error);
    }
    let startup_seconds = start.elapsed().as_secs_f64();
    let lake = Arc::new(lake);
    let run = Run {
        labeler,
        committer: Committer::start(Arc::clone(&lake), args.relabel, report),
        lake,
        progress: Arc::clone(progress),
        cancel,
        relabel: args.relabel,
        json: args.json,
    };
    let (report, summary) = run.all(feed).await?;
    Ok((report, Summary { startup_seconds, ..summary }))
}

/// The lake, the inputs, which are all there, and the report.
async fn open(args: &LabelArgs, inputs: &[Location], options: FeedOptions) -> anyhow::Result<(Lake, Feed, Report)> {
    let report = Report::new(report_options(args))?;
    let lake = lake::open_or_create(&args.lake).await.with_context(|| format!("cannot use the lake {}", args.lake))?;
    match Feed::start(inputs, options).await {
        Ok(feed) => Ok((lake, feed, report)),
        Err(LabelingError::Cancelled) => Ok((lake, Feed::of_nothing(), report)),
        Err(error) => Err(error.into()),
    }
}

fn labeler(
    args: &LabelArgs,
    patient_key: Option<PatientKey>,
    bundles: Arc<BundleSet>,
    cpu: &CpuPool,
    progress: &Arc<Progress>,
) -> anyhow::Result<Labeler> {
    let previews = if args.sheets.is_some() { SHEET_SLICES } else { 0 };
    let options =
        LabelerOptions { patient_key, previews, adaptive: args.adaptive, allowed: args.allow.allowed.clone() };
    let engines = match engine_options(args, progress) {
        Some(options) => Engines::lazily(bundles, options),
        None => Engines::skipped(bundles),
    };
    Ok(Labeler::new(engines, cpu.clone(), options, Arc::clone(progress))?)
}

/// The places that the run itself writes to: they are no inputs.
fn ours(args: &LabelArgs) -> anyhow::Result<Vec<String>> {
    let sheets = args.sheets.as_ref().map(|folder| Location::from_path(folder)).transpose()?;
    let places = [Location::parse(&args.lake)?].into_iter().chain(sheets);
    Ok(places.map(|place| place.uri().trim_end_matches('/').to_owned()).collect())
}

fn engine_options(args: &LabelArgs, progress: &Progress) -> Option<EngineOptions> {
    (!args.bench_skip_inference).then(|| EngineOptions {
        device: args.device,
        cuda: CudaOptions { memory_limit_bytes: args.cuda_memory_mib.map(|mib| mib << 20) },
        threads: threads(args.threads),
        batch: args.batch,
        scored: progress.slices_scored.shared(),
        on_batch: None,
    })
}

fn report_options(args: &LabelArgs) -> ReportOptions {
    let (sheets, lake) = (args.sheets.clone(), args.lake.clone());
    ReportOptions { json: args.json, sheets, lake, adaptive: args.adaptive }
}

fn read_patient_key(args: &LabelArgs) -> anyhow::Result<Option<PatientKey>> {
    let Some(path) = &args.patient_key_file else { return Ok(None) };
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the patient key {}", path.display()))?;
    PatientKey::new(&bytes).map(Some).map_err(|problem| anyhow::anyhow!("patient key {}: {problem}", path.display()))
}
