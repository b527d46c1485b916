//! `bolus explain`: where in its slices a series' score comes from.

mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use bolus::output::{self, Display, json_line_of};
use bolus::tensors::npy_bytes;
use bolus_ct::Series;
use bolus_inference::{Bundle, BundleSet, Engine};
use bolus_labeling::{
    Chosen, ExplainedSlice, Explainer, Explanation, Inventory, LabelingError, Preparer, Progress, Route, Router,
    discover, take_inventory,
};
use bolus_ops::{CpuPool, threads_or_cores};
use bolus_preprocess::OcclusionGrid;
use bolus_report::{HeatSheet, HeatSlice};
use bolus_setup::EngineSettings;
use bolus_storage::{Location, Spool};
use bolus_study::{BodyPart, Reason};
use tokio_util::sync::CancellationToken;

use self::report::{Refused, Report, SeriesLine, SliceLine};
use super::{find_bundles, locations};
use crate::cli::ExplainArgs;

/// Runs the command.
pub async fn run(args: ExplainArgs) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let inputs = locations(&args.inputs)?;
    let bundles = Arc::new(find_bundles(&args.model)?);
    let progress = Arc::new(Progress::default());
    let cpu = CpuPool::new(threads_or_cores(args.threads))?;
    let run = Run::new(&args, bundles, cpu, &progress)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let display = Display::follow(Arc::clone(&progress));
    let explained = run.all(inputs).await;
    display.finish().await;
    explained?.finish(&args, start.elapsed().as_secs_f64())
}

/// What explains with one bundle.
fn explainer(
    args: &ExplainArgs,
    bundle: &Arc<Bundle>,
    body_parts: Option<Vec<BodyPart>>,
    cpu: &CpuPool,
    progress: &Arc<Progress>,
) -> anyhow::Result<Explainer> {
    let spec = &bundle.manifest.preprocessing;
    let [_, rows, columns] = spec.crop;
    let [_, y_mm, x_mm] = spec.spacing_mm;
    let grid = OcclusionGrid::new([rows, columns], [y_mm, x_mm], args.patch_mm, args.stride_mm)
        .context("--patch-mm and --stride-mm")?;
    let preparer = Preparer::new(spec.clone(), body_parts, cpu.clone(), Arc::clone(progress));
    let preparer = preparer.allowing(args.allow.allowed.clone());
    Ok(Explainer::new(Arc::clone(bundle), preparer, Arc::clone(progress), grid, args.slices))
}

/// One run over its units.
struct Run<'a> {
    args: &'a ExplainArgs,
    router: Router,
    /// One a bundle of the set.
    explainers: Vec<Explainer>,
    /// Their networks, each started for its first series.
    engines: Vec<Option<Engine>>,
    cpu: CpuPool,
    progress: &'a Progress,
    cancel: CancellationToken,
    report: Report,
}

impl<'a> Run<'a> {
    fn new(
        args: &'a ExplainArgs,
        bundles: Arc<BundleSet>,
        cpu: CpuPool,
        progress: &'a Arc<Progress>,
    ) -> anyhow::Result<Self> {
        // Where several bundles share out the parts of the body, the router has seen to it that a series goes to its own.
        let explainers = bundles.bundles().iter().map(|bundle| {
            let whatever = bundles.is_auto() || args.any_body_part;
            let body_parts = (!whatever).then(|| bundle.manifest.body_parts.clone());
            explainer(args, bundle, body_parts, &cpu, progress)
        });
        let explainers = explainers.collect::<anyhow::Result<Vec<_>>>()?;
        let engines = explainers.iter().map(|_| None).collect();
        let cancel = bolus_ops::cancel_on_signal();
        let (router, report) = (Router::new(bundles).allowing(args.allow.allowed.clone()), Report::new(args));
        Ok(Self { args, router, explainers, engines, cpu, progress, cancel, report })
    }

    async fn all(mut self, inputs: Vec<Location>) -> anyhow::Result<Report> {
        let spool = Spool::new(None)?;
        let mut found = discover(&inputs, self.progress, &self.cancel).await?;
        found.exclude(Location::from_path(&self.args.out)?.uri().trim_end_matches('/'));
        for unit in found.into_units() {
            let inventory = take_inventory(unit, &spool, &self.cpu, self.progress, &self.cancel).await?;
            self.unit(&inventory).await?;
        }
        Ok(self.report)
    }

    async fn unit(&mut self, inventory: &Inventory) -> anyhow::Result<()> {
        self.report.files_seen += inventory.files_seen();
        let asked = |series: &&Series| {
            self.args.series.is_empty() || self.args.series.iter().any(|uid| uid == series.uid.as_str())
        };
        let mut todo: Vec<&Series> = inventory.series.iter().filter(asked).collect();
        todo.sort_by_key(|series| (series.uid.clone(), series.stack.as_ref().map(|stack| stack.number)));
        self.progress.series_planned.add(todo.len() as u64);
        // What headers do not send anywhere is planned when the image has been looked at.
        let planned = todo.iter().map(|series| match self.router.by_headers(series) {
            Route::To(place) => self.planned(place, series),
            Route::ByImage | Route::Refused(_) => 0,
        });
        self.progress.slices_planned.add(planned.sum());
        for series in todo {
            let cancel = self.cancel.clone();
            tokio::select! {
                done = self.series(inventory, series) => done?,
                () = cancel.cancelled() => return Err(LabelingError::Cancelled.into()),
            }
            self.progress.series_done.add(1);
        }
        Ok(())
    }

    /// Slices that the network will score at most; none of a series that will be refused.
    fn planned(&self, place: usize, series: &Series) -> u64 {
        self.explainers.get(place).and_then(|explainer| explainer.planned(series).ok()).unwrap_or(0) as u64
    }

    /// Explains one series, or tells why not.
    async fn series(&mut self, inventory: &Inventory, series: &Series) -> anyhow::Result<()> {
        let by_image = self.router.by_headers(series) == Route::ByImage;
        let routed = self.router.route(series, &inventory.objects, &self.cpu, self.progress).await;
        let place = match routed.bundle {
            Ok(place) => place,
            Err(reason) => return self.refused(series, &reason),
        };
        if by_image {
            self.progress.slices_planned.add(self.planned(place, series));
        }
        let engine = self.engine(place).await?;
        match self.explainers[place].explain(&engine, inventory, series).await? {
            Ok(explanation) => {
                let body_part = routed.body_part.or(explanation.body_part);
                self.explained(place, &engine, series, &Explanation { body_part, ..explanation })
            }
            Err(reason) => self.refused(series, &reason),
        }
    }

    /// The network of the bundle at `place`.
    async fn engine(&mut self, place: usize) -> anyhow::Result<Engine> {
        if let Some(engine) = &self.engines[place] {
            return Ok(engine.clone());
        }
        let bundle = Arc::clone(self.explainers[place].bundle());
        let (device, threads) = (self.args.device, self.args.threads);
        let settings = EngineSettings { device, cuda_memory_bytes: None, threads, batch: None };
        let options = settings.options(self.progress, None);
        let started = tokio::task::spawn_blocking(move || Engine::start(&bundle, &options));
        let engine = started.await.context("the network's loading ended unexpectedly")??;
        self.engines[place] = Some(engine.clone());
        Ok(engine)
    }

    /// Writes what was found of one series, and tells of it.
    fn explained(
        &mut self,
        place: usize,
        engine: &Engine,
        series: &Series,
        explanation: &Explanation,
    ) -> anyhow::Result<()> {
        let explainer = &self.explainers[place];
        // Two stacks of one UID go into two folders.
        let uid = series.uid.as_str();
        let earlier = self.report.series.iter().filter(|line| line.series_uid == uid).count();
        let name = if earlier == 0 { uid.to_owned() } else { format!("{uid}-{}", earlier + 1) };
        let number = series.stack.as_ref().map(|stack| stack.number);
        let heat: Vec<HeatSlice> = explanation.slices.iter().map(heat_slice).collect();
        let sheet = sheet(explainer, &output::stacked(uid, number), explanation, &heat);
        let slices = self.pictures(&sheet, &name, explainer.grid().shape()[1], explanation)?;
        let [grid_rows, grid_columns] = explainer.grid().centres();
        let reference = &explainer.bundle().reference;
        let line = SeriesLine {
            series_uid: uid.to_owned(),
            stack: number,
            bundle: reference.name.clone(),
            bundle_version: reference.version.clone(),
            bundle_digest: reference.digest.clone(),
            device: engine.device().name().to_owned(),
            plane: sheet.plane,
            spacing_mm: sheet.spacing_mm,
            grid_rows,
            grid_columns,
            body_part: explanation.body_part.as_ref().map(|finding| finding.joined()),
            predicted_class: explanation.decision.class.as_str(),
            probability: explanation.decision.probability,
            slices_scored: explanation.scores.len(),
            limit: sheet.limit,
            montage: format!("{name}/montage.png"),
            maps: format!("{name}/maps.npy"),
            slices,
        };
        self.report.add(self.args, line)
    }

    /// Saves the pictures and the maps of one series into its folder `name`. The patches lie in lines of `columns`.
    fn pictures(
        &self,
        sheet: &HeatSheet,
        name: &str,
        columns: usize,
        explanation: &Explanation,
    ) -> anyhow::Result<Vec<SliceLine>> {
        let folder = self.args.out.join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut slices = Vec::with_capacity(explanation.slices.len());
        for (slice, heat) in explanation.slices.iter().zip(sheet.slices) {
            let picture = format!("{name}/slice-{:03}.png", slice.slice);
            sheet.save_slice(heat, &self.args.out.join(&picture))?;
            slices.push(SliceLine {
                slice: slice.slice,
                chosen: slice.chosen.as_str(),
                z_mm: slice.z_mm,
                sop_instance_uid: slice.sop_uid.as_str().to_owned(),
                probability: slice.probability,
                drops: slice.drops.chunks(columns).map(<[_]>::to_vec).collect(),
                picture,
            });
        }
        sheet.save_montage(&folder.join("montage.png"))?;
        let [rows, width] = sheet.plane;
        let maps = explanation.slices.iter().flat_map(|slice| slice.map.drops.iter().copied());
        let path = folder.join("maps.npy");
        std::fs::write(&path, npy_bytes([slices.len(), rows, width], maps))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(slices)
    }

    fn refused(&mut self, series: &Series, reason: &Reason) -> anyhow::Result<()> {
        let refused = Refused {
            series_uid: series.uid.as_str().to_owned(),
            stack: series.stack.as_ref().map(|stack| stack.number),
            code: reason.code.as_str(),
            detail: reason.detail.clone(),
        };
        if self.args.json {
            json_line_of("refused_series", &refused)?;
        }
        self.report.refused.push(refused);
        Ok(())
    }
}

/// A slice as pictures show it.
fn heat_slice(slice: &ExplainedSlice) -> HeatSlice<'_> {
    HeatSlice {
        chosen: if slice.chosen == Chosen::Spread { "" } else { slice.chosen.as_str() },
        z_mm: slice.z_mm,
        probability: slice.probability,
        pixels: &slice.pixels,
        patch_drops: &slice.drops,
        pixel_drops: &slice.map.drops,
    }
}

/// The pictures of one series.
fn sheet<'h>(
    explainer: &Explainer,
    uid: &str,
    explanation: &Explanation,
    slices: &'h [HeatSlice<'h>],
) -> HeatSheet<'h> {
    let Explanation { decision, body_part, scores, .. } = explanation;
    let manifest = &explainer.bundle().manifest;
    let [_, rows, columns] = manifest.preprocessing.crop;
    let [_, y_mm, x_mm] = manifest.preprocessing.spacing_mm;
    let part = body_part.as_ref().map_or_else(|| "unknown part".to_owned(), |finding| finding.joined());
    HeatSheet {
        title: format!("series {uid}"),
        finding: format!(
            "{part}   predicted: {} ({:.3})   {} slices scored   bundle {} {}   research use only",
            decision.class.as_str(),
            decision.probability,
            scores.len(),
            manifest.name,
            manifest.version,
        ),
        class: decision.class,
        plane: [rows, columns],
        spacing_mm: [y_mm, x_mm],
        patch: explainer.grid().patch(),
        limit: HeatSheet::limit_of(slices),
        slice_threshold: manifest.decision.slice_threshold,
        slices,
    }
}
