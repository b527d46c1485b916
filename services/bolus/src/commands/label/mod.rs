//! `bolus label`: list, skip what the lake has, label, commit, report; all of it at the same time.

mod account;
mod commit;
mod known;
mod report;
mod run;
mod summary;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use bolus::output::Display;
use bolus_inference::{BundleSet, EngineOptions};
use bolus_labeling::{Engines, Feed, FeedOptions, Labeler, LabelerOptions, LabelingError, PatientKey, Progress};
use bolus_lake::Lake;
use bolus_ops::{CpuPool, threads_or_cores};
use bolus_setup::{EngineSettings, open_or_create_lake, read_patient_key};
use bolus_storage::{Location, Spool};

use self::commit::Committer;
use self::report::{Report, ReportOptions};
use self::run::Run;
use self::summary::Summary;
use super::{find_bundles, locations};
use crate::cli::LabelArgs;

/// Slices on a contact sheet: four lines of five.
const SHEET_SLICES: usize = 20;

/// Runs the command.
pub async fn run(args: LabelArgs) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let inputs = locations(&args.inputs)?;
    let patient_key = args.patient_key_file.as_deref().map(read_patient_key).transpose()?;
    let progress = Arc::new(Progress::default());
    let display = Display::follow(Arc::clone(&progress));
    let outcome = label_all(&args, inputs, patient_key, &progress, start).await;
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
    progress: &Arc<Progress>,
    start: Instant,
) -> anyhow::Result<(Report, Summary)> {
    let cancel = bolus_ops::cancel_on_signal();
    let cpu = CpuPool::new(threads_or_cores(args.threads))?;
    let options = FeedOptions {
        excluded: ours(args)?,
        spool: Spool::new(None)?,
        cpu: cpu.clone(),
        progress: Arc::clone(progress),
        cancel: cancel.clone(),
    };
    // Listing and headers go on while bundles are checked, a network loads and the lake is opened.
    let feed = match Feed::start(&inputs, options).await {
        Err(LabelingError::Cancelled) => Feed::of_nothing(),
        feed => feed?,
    };
    let Ready { labeler, lake, report } = match ready(args, patient_key, &cpu, progress).await {
        Ok(ready) => ready,
        Err(error) => {
            feed.stop().await;
            return Err(error);
        }
    };
    let startup_seconds = start.elapsed().as_secs_f64();
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

/// What a run needs beside its inputs.
struct Ready {
    labeler: Arc<Labeler>,
    lake: Arc<Lake>,
    report: Report,
}

/// Checks the bundles first: without them no lake is made.
async fn ready(
    args: &LabelArgs,
    patient_key: Option<PatientKey>,
    cpu: &CpuPool,
    progress: &Arc<Progress>,
) -> anyhow::Result<Ready> {
    let model = args.model.clone();
    // A digest of every network, so off the async threads.
    let finding = tokio::task::spawn_blocking(move || find_bundles(&model));
    let bundles = finding.await.context("the check of the bundles ended unexpectedly")??;
    let labeler = Arc::new(labeler(args, patient_key, Arc::new(bundles), cpu, progress)?);
    // A network that is the only one loads while the lake is opened.
    let loading = Arc::clone(&labeler);
    let loading = tokio::spawn(async move { loading.engines().start_only().await });
    let (loaded, lake) = tokio::join!(loading, open_or_create_lake(&args.lake.url));
    loaded.context("the network's loading ended unexpectedly")??;
    let lake = Arc::new(lake?);
    Ok(Ready { labeler, lake, report: Report::new(report_options(args))? })
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
    let places = [Location::parse(&args.lake.url)?].into_iter().chain(sheets);
    Ok(places.map(|place| place.uri().trim_end_matches('/').to_owned()).collect())
}

fn engine_options(args: &LabelArgs, progress: &Progress) -> Option<EngineOptions> {
    let settings = EngineSettings {
        device: args.device,
        cuda_memory_bytes: args.cuda_memory_mib.map(|mib| mib << 20),
        threads: args.threads,
        batch: args.batch,
    };
    (!args.bench_skip_inference).then(|| settings.options(progress, None))
}

fn report_options(args: &LabelArgs) -> ReportOptions {
    let (sheets, lake) = (args.sheets.clone(), args.lake.url.clone());
    ReportOptions { json: args.json, sheets, lake, adaptive: args.adaptive }
}
