//! `bolus label`: scan, skip what the lake has, label, commit, report.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use bolus_ct::Series;
use bolus_inference::{BundleSet, CudaOptions, EngineOptions};
use bolus_labeling::{
    Engines, Found, Labeled, Labeler, LabelerOptions, LabelingError, PatientKey, Progress, Scan, SeriesKeys, Unit,
    discover, refused_files, scan,
};
use bolus_lake::Lake;
use bolus_ops::CpuPool;
use bolus_storage::{Location, Spool};
use bolus_study::{Reason, ReasonCode, RowKey};
use futures::stream::{self, StreamExt};
use tokio_util::sync::CancellationToken;

use super::{find_bundles, lake, locations, threads};
use crate::cli::LabelArgs;
use crate::commit::{Committer, Entry};
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
    let labeler = Arc::new(labeler(args, patient_key, bundles, &cpu, progress)?);
    // A network that is the only one loads while inputs are listed and the lake is opened.
    let loading = Arc::clone(&labeler);
    let loaded = tokio::spawn(async move { loading.engines().start_only().await });
    let lake = lake::open_or_create(&args.lake).await.with_context(|| format!("cannot use the lake {}", args.lake))?;
    let found = discover(&inputs, progress, &cancel).await;
    loaded.await.context("the network's loading ended unexpectedly")??;
    let summary = Summary { startup_seconds: start.elapsed().as_secs_f64(), ..Summary::default() };
    let report = Report::new(report_options(args))?;
    let lake = Arc::new(lake);
    let run = Run {
        args,
        labeler,
        lake: Arc::clone(&lake),
        committer: Committer::start(lake, args.relabel, report),
        spool: Spool::new(None)?,
        cpu,
        progress,
        cancel,
    };
    run.all(found, summary).await
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

/// The places that the run itself writes to.
fn ours(args: &LabelArgs) -> anyhow::Result<Vec<Location>> {
    let sheets = args.sheets.as_ref().map(|folder| Location::from_path(folder)).transpose()?;
    Ok([Location::parse(&args.lake)?].into_iter().chain(sheets).collect())
}

fn is_cancelled(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<LabelingError>(), Some(LabelingError::Cancelled))
}

/// One run over its units.
struct Run<'a> {
    args: &'a LabelArgs,
    labeler: Arc<Labeler>,
    lake: Arc<Lake>,
    committer: Committer,
    spool: Spool,
    cpu: CpuPool,
    progress: &'a Progress,
    cancel: CancellationToken,
}

impl Run<'_> {
    /// Labels all that was found, and ends the report.
    async fn all(self, found: Result<Found, LabelingError>, mut summary: Summary) -> anyhow::Result<(Report, Summary)> {
        let outcome = match found {
            Ok(mut found) => {
                for ours in ours(self.args)? {
                    found.exclude(ours.uri().trim_end_matches('/'));
                }
                self.units(found.into_units(), &mut summary).await
            }
            Err(error) => Err(error.into()),
        };
        summary.close(self.cancel.is_cancelled());
        summary.slices_fetched = self.progress.slices_fetched.get();
        summary.device = self.labeler.engines().device().map(ToString::to_string);
        // What is finished is committed whatever ended the run; an error of the run itself is told first.
        let report = self.committer.finish().await;
        match outcome {
            Err(error) if !is_cancelled(&error) => Err(error),
            _ => Ok((report?, summary)),
        }
    }

    async fn units(&self, units: Vec<Unit>, summary: &mut Summary) -> anyhow::Result<()> {
        for unit in units {
            let scan = scan(unit, &self.spool, &self.cpu, self.progress, &self.cancel).await?;
            self.unit(&scan, summary).await?;
        }
        Ok(())
    }

    async fn unit(&self, scan: &Scan, summary: &mut Summary) -> anyhow::Result<()> {
        summary.files_seen += scan.files_seen();
        self.refused_files(scan, summary).await?;
        let keys: Vec<SeriesKeys> = scan.series.iter().map(|series| self.labeler.keys(series, &scan.objects)).collect();
        let asked: Vec<RowKey> =
            keys.iter().flat_map(SeriesKeys::all).flat_map(|key| [key.clone(), key.of_failure()]).collect();
        let known = self.known_keys(&asked).await?;
        let mut todo: Vec<&Series> = Vec::new();
        for (series, keys) in scan.series.iter().zip(&keys) {
            match keys.known(|key| known.contains(key)) {
                Some(key) => self.count_known(series, keys.refusal_by_image(key), summary),
                None => todo.push(series),
            }
        }
        self.progress.series_planned.add(todo.len() as u64);
        let to_score = todo.iter().map(|series| self.labeler.slices_at_first(series));
        self.progress.slices_planned.add(to_score.sum::<usize>() as u64);
        let labelled = stream::iter(todo)
            .map(|series| self.labeler.label(scan, series))
            .buffer_unordered(Labeler::concurrency())
            .take_until(self.cancel.cancelled());
        let mut labelled = std::pin::pin!(labelled);
        while let Some(labeled) = labelled.next().await {
            let labeled = labeled?;
            count(&labeled, summary);
            if !self.committer.push(Entry::Series(Box::new(labeled))).await {
                break;
            }
        }
        Ok(())
    }

    /// Files outside every series: counted, told, and kept as rows where they may hold an image.
    async fn refused_files(&self, scan: &Scan, summary: &mut Summary) -> anyhow::Result<()> {
        let mut rows = Vec::new();
        for file in &scan.refused {
            summary.refuse(&file.reason);
            Report::refused_file(self.args.json, &file.uri, &file.reason)?;
            rows.extend(self.labeler.file_row(file));
        }
        let keys: Vec<RowKey> = rows.iter().map(|row| row.key.clone()).collect();
        let known = self.known_keys(&keys).await?;
        for row in rows.into_iter().filter(|row| !known.contains(&row.key)) {
            if !self.committer.push(Entry::File(Box::new(row))).await {
                break;
            }
        }
        Ok(())
    }

    /// The keys that the lake has; none when everything is to be labelled again.
    async fn known_keys(&self, keys: &[RowKey]) -> anyhow::Result<HashSet<RowKey>> {
        if self.args.relabel || keys.is_empty() {
            return Ok(HashSet::new());
        }
        Ok(self.lake.known_keys(keys).await?)
    }

    /// Accounts for a series whose row is in the lake, with the reasons that its headers give again.
    fn count_known(&self, series: &Series, refused_by_image: Option<ReasonCode>, summary: &mut Summary) {
        let by_image = |code| Reason::new(code, "by the image, as the lake says");
        let refusal = self.labeler.refusal(series).or_else(|| refused_by_image.map(by_image));
        let refused = refused_files(series, series.refused.clone(), refusal.as_ref());
        summary.files(series.counted_files().count(), &refused);
        match refusal {
            Some(_) => summary.series_refused += 1,
            None => summary.series_skipped += 1,
        }
    }
}

/// Accounts for a series that has ended now.
fn count(labeled: &Labeled, summary: &mut Summary) {
    summary.series(labeled.row.status());
    if let Some(prediction) = labeled.row.prediction() {
        summary.slices_scored += prediction.slices.len();
        summary.slices_planned += prediction.slices_planned.unwrap_or(0);
    }
    let counted = |(object, _): &&(usize, Reason)| labeled.counted_files.binary_search(object).is_ok();
    let refused: Vec<(usize, Reason)> = labeled.refused_files.iter().filter(counted).cloned().collect();
    summary.files(labeled.counted_files.len(), &refused);
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
