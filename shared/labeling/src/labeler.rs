//! The path of one series from storage to its row.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bolus_ct::Series;
use bolus_inference::{Adaptive, Bundle, BundleSet, Decision, Kind};
use bolus_ops::CpuPool;
use bolus_storage::ObjectRef;
use bolus_study::{
    Allowed, Audit, BundleRef, Declared, LabelRow, Outcome, PredictedClass, Prediction, Reason, ReasonCode, RowKey,
    SliceScore, Status,
};
use tokio::sync::Semaphore;

use crate::engines::Engines;
use crate::error::LabelingError;
use crate::frames::FrameIndexes;
use crate::inventory::Inventory;
use crate::keys::{BY_VALUES, SeriesKeys, Ways, key_of};
use crate::patient::PatientKey;
use crate::prepare::{Preparation, Prepared, Preview, Unprepared, previews};
use crate::progress::Progress;
use crate::refused::FileRefusal;
use crate::remarks::{Told, remarks};
use crate::rounds::{Network, Rounds, Unscored};
use crate::router::{Route, Routed, Router};
use crate::row::{counted, file_row, now_us, refused_files, series_row};
use crate::stages::{PixelStages, Stage, Stages};

/// Series that are prepared or wait for the network at the same time. Each holds its planes and its tensor, about 30 MB
/// with the published preprocessing, so memory does not depend on how many series a run has.
const SERIES_IN_FLIGHT: usize = 3;

/// How series are labelled.
#[derive(Debug, Clone, Default)]
pub struct LabelerOptions {
    /// The key of Patient ID digests.
    pub patient_key: Option<PatientKey>,
    /// Slices of each series to keep as pictures.
    pub previews: usize,
    /// Whether slices are scored only until the class is settled. The bundles must be able to: see [`Labeler::new`].
    pub adaptive: bool,
    /// Refusals that are overridden.
    pub allowed: Allowed,
}

/// A series that has ended as a row.
#[derive(Debug)]
pub struct Labeled {
    /// The row.
    pub row: LabelRow,
    /// Files of the series that did not go into a label, with reasons; the others did.
    pub refused_files: Vec<(usize, Reason)>,
    /// The files that count as this series' where files are counted: see [`Series::counted_files`].
    pub counted_files: Vec<usize>,
    /// Pictures, as many as the options ask for.
    pub previews: Vec<Preview>,
    /// Where the time went; zero for what was not reached.
    pub stages: Stages,
    /// Slices at or above this are positive, by the bundle.
    pub slice_threshold: f32,
}

impl Labeled {
    /// The first transient reason among the series' files: pixel data that was not read although it may be there. A caller
    /// that can try again drops the row, whatever its status (few lost slices still make a label), and begins anew with
    /// the listing; one that cannot commits the row, which names the reason in `refused_slices`.
    #[must_use]
    pub fn transient(&self) -> Option<&Reason> {
        self.refused_files.iter().map(|(_, reason)| reason).find(|reason| reason.is_transient())
    }
}

/// Labels series, each with the bundle that is for it. Clones of the handles inside are cheap; many series may be labelled at once.
pub struct Labeler {
    router: Router,
    engines: Engines,
    cpu: CpuPool,
    options: LabelerOptions,
    progress: Arc<Progress>,
    in_flight: Semaphore,
}

/// A series on its way to its row.
struct Work<'a> {
    series: &'a Series,
    objects: &'a [ObjectRef],
    row: LabelRow<()>,
    refused_files: Vec<(usize, Reason)>,
    stages: Stages,
    start: Instant,
}

/// A bundle of the set, with its place there.
#[derive(Clone, Copy)]
struct Chosen<'a> {
    bundle: &'a Bundle,
    place: usize,
}

impl Labeler {
    /// Ties bundles, their engines and the CPU pool together.
    ///
    /// # Errors
    /// [`LabelingError::Inference`] names the bundle that cannot be adaptive, where the options ask for that.
    pub fn new(
        engines: Engines,
        cpu: CpuPool,
        options: LabelerOptions,
        progress: Arc<Progress>,
    ) -> Result<Self, LabelingError> {
        if options.adaptive {
            engines.set().bundles().iter().try_for_each(|bundle| Adaptive::of(bundle).map(drop))?;
        }
        let router = Router::new(Arc::clone(engines.set())).allowing(options.allowed.clone());
        Ok(Self { router, engines, cpu, options, progress, in_flight: Semaphore::new(SERIES_IN_FLIGHT) })
    }

    /// Number of series that are worth running at the same time.
    #[must_use]
    pub fn concurrency() -> usize {
        // One more than may hold memory, so that a finished one is replaced at once.
        SERIES_IN_FLIGHT + 1
    }

    /// What starts the networks.
    #[must_use]
    pub fn engines(&self) -> &Engines {
        &self.engines
    }

    fn set(&self) -> &BundleSet {
        self.engines.set()
    }

    /// What stands in rows that are of no bundle: see [`BundleSet::reference`].
    #[must_use]
    pub fn reference(&self) -> &BundleRef {
        self.set().reference()
    }

    /// The keys that the series' row may have; where the series failed, its row has [`bolus_study::RowKey::of_failure`] of one.
    #[must_use]
    pub fn keys(&self, series: &Series, objects: &[ObjectRef]) -> SeriesKeys {
        let route = self.router.by_headers(series);
        let bundles = self.router.references(&route);
        let overridden = self.overridden_by_headers(series);
        let ways = Ways { adaptive: self.options.adaptive, overridden, allowed: self.options.allowed.clone() };
        SeriesKeys::of(series, objects, &bundles, &ways, route == Route::ByImage)
    }

    /// The refusals by headers that a label of `series` overrides.
    fn overridden_by_headers(&self, series: &Series) -> BTreeSet<ReasonCode> {
        let bundles = self.set().bundles().iter();
        bundles.flat_map(|bundle| self.router.overridden(bundle, series)).map(|reason| reason.code).collect()
    }

    /// The key of `row`, as [`SeriesKeys`] looks for it, where its label overrides `by_values` too.
    fn key(&self, series: &Series, row: &LabelRow<()>, by_values: Option<ReasonCode>) -> RowKey {
        let plain = RowKey::of(series.uid.as_str(), &row.content, &row.bundle.digest).of_stack(series.stack.as_ref());
        let overridden = self.overridden_by_headers(series).into_iter().chain(by_values).collect();
        key_of(plain, self.options.adaptive).of_allowed(&overridden)
    }

    /// The row of a refused file; `None` for a file that is simply no DICOM image.
    #[must_use]
    pub fn file_row(&self, file: &FileRefusal) -> Option<LabelRow> {
        file_row(file, self.reference())
    }

    /// Why the series would not be taken, as far as headers tell; `None` when it would.
    #[must_use]
    pub fn refusal(&self, series: &Series) -> Option<Reason> {
        self.router.refusal(series)
    }

    /// Number of slices that will be scored at first, as far as headers tell: [`Labeler::label`] counts the others as it comes to them.
    #[must_use]
    pub fn slices_at_first(&self, series: &Series) -> usize {
        let Route::To(place) = self.router.by_headers(series) else { return 0 };
        let bundle = self.set().bundles().get(place);
        bundle.map_or(0, |bundle| self.at_first(bundle, self.router.slices(bundle, series).unwrap_or(0)))
    }

    /// Of `planned` slices, those that are scored in any case.
    fn at_first(&self, bundle: &Bundle, planned: usize) -> usize {
        match Adaptive::of(bundle) {
            Ok(test) if self.options.adaptive => test.next(0, planned).min(planned),
            _ => planned,
        }
    }

    /// Labels one series of `inventory`. Whatever happens to the series ends in its row.
    ///
    /// # Errors
    /// [`LabelingError::Inference`] when a network cannot be used at all.
    pub async fn label(&self, inventory: &Inventory, series: &Series) -> Result<Labeled, LabelingError> {
        let objects = &inventory.objects;
        if let (Some(reason), route) = (self.refusal(series), self.router.by_headers(series)) {
            let bundle = self.router.references(&route).first().copied().unwrap_or(self.reference());
            let work = self.work(series, objects, bundle);
            return Ok(self.unlabelled(work, Outcome::Refused(reason)));
        }
        // The semaphore is never closed; without a permit the series would only use more memory.
        let _permit = self.in_flight.acquire().await.ok();
        let start = Instant::now();
        let Routed { bundle, body_part, seen, lost } =
            self.router.route(series, objects, &self.cpu, &self.progress).await;
        let chosen = bundle.and_then(|place| {
            let bundle = self.set().bundles().get(place);
            let bundle = bundle.ok_or_else(|| Reason::new(ReasonCode::BodyPart, "no bundle has that place"))?;
            Ok(Chosen { bundle, place })
        });
        let reference = chosen.as_ref().map_or(self.reference(), |chosen| &chosen.bundle.reference);
        let mut work = Work { start, ..self.work(series, objects, reference) };
        work.row.body_part = series.body_part.clone().or(body_part);
        let chosen = match chosen {
            Ok(chosen) => chosen,
            Err(reason) => {
                // Nothing was seen although slices were looked at: their fault.
                let unreadable = seen.is_none() && !lost.is_empty();
                work.refused_files.extend(lost);
                return Ok(self.ended(work, reason, unreadable));
            }
        };
        // A look that missed slices for the moment may have led elsewhere; of others only those matter that the label needs.
        work.refused_files.extend(lost.into_iter().filter(|(_, reason)| reason.is_transient()));
        match self.router.slices(chosen.bundle, series) {
            Err(reason) => return Ok(self.unlabelled(work, Outcome::Refused(reason))),
            Ok(planned) if self.router.by_headers(series) == Route::ByImage => {
                self.progress.slices_planned.add(self.at_first(chosen.bundle, planned) as u64);
            }
            Ok(_) => {}
        }
        self.scored(work, chosen).await
    }

    /// Prepares, scores and decides. The network is started, where it has not been, while the first slices are read.
    async fn scored(&self, mut work: Work<'_>, chosen: Chosen<'_>) -> Result<Labeled, LabelingError> {
        let pixels = PixelStages::begin();
        let infer = Stage::new(tracing::info_span!("infer"));
        let seen = work.row.body_part.clone();
        let preparation = Preparation {
            spec: &chosen.bundle.manifest.preprocessing,
            allowed: &self.options.allowed,
            seen: seen.as_ref(),
            cpu: &self.cpu,
            progress: &self.progress,
            stages: &pixels,
            indexes: FrameIndexes::default(),
        };
        let started = self.engines.start(chosen.place);
        let network = Network { engines: &self.engines, place: chosen.place, infer: &infer };
        let outcome = if self.options.adaptive {
            started.await?;
            let test = Adaptive::of(chosen.bundle)?;
            preparation.in_rounds(work.series, work.objects, test, self.options.previews, network).await
        } else {
            let (started, prepared) = tokio::join!(started, preparation.prepare(work.series, work.objects));
            started?;
            match prepared {
                Ok(prepared) => self.at_once(prepared, network).await,
                Err(unprepared) => Err(Unscored::Unprepared(unprepared)),
            }
        };
        work.stages = Stages { fetch: pixels.fetch.total(), decode: pixels.decode.total(), infer: infer.total() };
        match outcome {
            Ok(rounds) => Ok(self.labelled(work, rounds, chosen)),
            Err(Unscored::Failed(error)) if error.kind() == Kind::Fatal => Err(error.into()),
            Err(Unscored::Failed(error)) => {
                let reason = Reason::new(ReasonCode::Inference, error.to_string());
                Ok(self.unlabelled(work, Outcome::Failed(reason)))
            }
            Err(Unscored::Unprepared(Unprepared { reason, refused, unreadable })) => {
                work.refuse(refused);
                if BY_VALUES.contains(&reason.code) {
                    work.row.key = work.row.key.of_judged(reason.code);
                }
                Ok(self.ended(work, reason, unreadable))
            }
        }
    }

    /// Scores all slices.
    async fn at_once(&self, mut prepared: Prepared, network: Network<'_>) -> Result<Rounds, Unscored> {
        let previews = previews(&prepared.tensor, self.options.previews);
        let scores = network.score(std::mem::take(&mut prepared.tensor)).await?;
        Ok(Rounds { prepared, previews, scores })
    }

    /// The label, from the scores.
    fn labelled(&self, mut work: Work<'_>, rounds: Rounds, chosen: Chosen<'_>) -> Labeled {
        let Rounds { prepared, previews, scores } = rounds;
        let Prepared { scored, body_part, refused, planned, coverage, sources, judged, .. } = prepared;
        work.refuse(refused);
        work.row.body_part = body_part;
        let decision = Decision::of(&chosen.bundle.manifest, &scores, sources);
        let Some(mut decision) = decision else {
            let reason = Reason::new(ReasonCode::Inference, "the series has no slice to score");
            return self.unlabelled(work, Outcome::Failed(reason));
        };
        if judged.doubt.is_some() {
            decision.class = PredictedClass::Indeterminate;
        }
        let mut overridden = self.router.overridden(chosen.bundle, work.series);
        overridden.extend(judged.overridden.clone());
        let by_values = judged.overridden.as_ref().map(|reason| reason.code);
        let told = Told { sources, coverage, doubt: judged.doubt.as_deref(), overridden: &overridden };
        let remarks = remarks(work.series, &chosen.bundle.manifest, &told);
        let (device, runtime) = self.engines.device_and_runtime(chosen.place);
        let slices = scored.into_iter().zip(scores);
        let declared: Declared = work.series.declared.verdict;
        let counted_files = work.series.counted_files().collect();
        let Work { series, mut row, refused_files, stages, start, .. } = work;
        if by_values.is_some() {
            row.key = self.key(series, &row, by_values);
        }
        row.remarks.extend(remarks);
        let prediction = Prediction {
            class: decision.class,
            probability: decision.probability,
            raw_probability: decision.raw_probability,
            audit: Audit::of(declared, decision.class),
            slices: slices
                .map(|((z_mm, sop_instance_uid), probability)| SliceScore { z_mm, sop_instance_uid, probability })
                .collect(),
            slices_planned: Some(planned),
            coverage: Some(coverage),
            device,
            runtime,
        };
        row.refused_slices = counted(&refused_files);
        row.seconds = start.elapsed().as_secs_f64();
        row.created_at_us = now_us();
        self.progress.series_done.add(1);
        let slice_threshold = chosen.bundle.manifest.decision.slice_threshold;
        let row = row.ended(Outcome::Labelled(prediction));
        Labeled { row, refused_files, counted_files, previews, stages, slice_threshold }
    }

    fn work<'a>(&self, series: &'a Series, objects: &'a [ObjectRef], bundle: &BundleRef) -> Work<'a> {
        let mut row = series_row(series, objects, bundle, self.options.patient_key.as_ref());
        row.key = self.key(series, &row, None);
        let (refused_files, stages) = (series.refused.clone(), Stages::default());
        Work { series, objects, row, refused_files, stages, start: Instant::now() }
    }

    /// Ends a series whose pixels were read without a label: failed where they are `unreadable`.
    fn ended(&self, mut work: Work<'_>, reason: Reason, unreadable: bool) -> Labeled {
        work.row.seconds = work.start.elapsed().as_secs_f64();
        self.unlabelled(work, if unreadable { Outcome::Failed(reason) } else { Outcome::Refused(reason) })
    }

    /// Ends a series without a label: files that have no reason of their own take the series'.
    fn unlabelled(&self, work: Work<'_>, outcome: Outcome) -> Labeled {
        let Work { series, mut row, refused_files: refused, stages, .. } = work;
        row.refused_slices = counted(&refused);
        let refused_files = refused_files(series, refused, outcome.reason());
        if outcome.status() == Status::Failed {
            row.key = row.key.of_failure();
        }
        row.created_at_us = now_us();
        self.progress.series_done.add(1);
        let counted_files = series.counted_files().collect();
        let row = row.ended(outcome);
        Labeled { row, refused_files, counted_files, previews: Vec::new(), stages, slice_threshold: 0.5 }
    }
}

impl Work<'_> {
    /// Notes files down that have no reason yet.
    fn refuse(&mut self, refused: Vec<(usize, Reason)>) {
        for (object, reason) in refused {
            if self.refused_files.iter().all(|(known, _)| *known != object) {
                self.refused_files.push((object, reason));
            }
        }
    }
}
