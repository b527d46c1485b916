//! The path of one series from storage to its row.

use std::sync::Arc;
use std::time::Instant;

use bolus_ct::Series;
use bolus_inference::{Bundle, Decision, Engine, InferenceError, Kind};
use bolus_ops::CpuPool;
use bolus_preprocess::Tensor;
use bolus_storage::ObjectRef;
use bolus_study::{Audit, Declared, LabelRow, Prediction, Reason, ReasonCode, RowKey, SliceScore, Status};
use tokio::sync::Semaphore;

use crate::error::LabelingError;
use crate::patient::PatientKey;
use crate::prepare::{Prepared, Preview, Unprepared, Workshop, planned_slices, previews};
use crate::progress::Progress;
use crate::row::{counted, file_row, now_us, refused_files, row_key, series_row};
use crate::scan::{FileRefusal, Scan};
use crate::stages::{PixelStages, Stage, Stages};

/// Series that are prepared or wait for the network at the same time. Each holds its planes and its tensor, about 30 MB
/// with the published preprocessing, so memory does not depend on how many series a run has.
const SERIES_IN_FLIGHT: usize = 3;

/// What scores slices.
#[derive(Clone)]
pub enum Scorer {
    /// The bundle's network.
    Network(Engine),
    /// Nothing: every slice gets 0.5 and every series is indeterminate. For measuring everything but inference.
    Skipped,
}

impl Scorer {
    async fn score(&self, tensor: Tensor) -> Result<Vec<f32>, InferenceError> {
        match self {
            Self::Network(engine) => engine.score(tensor).await,
            Self::Skipped => Ok(vec![0.5; tensor.slices]),
        }
    }

    fn device(&self) -> (String, String) {
        match self {
            Self::Network(engine) => (engine.device().name().to_owned(), engine.runtime_version().to_owned()),
            Self::Skipped => ("none".to_owned(), "none".to_owned()),
        }
    }
}

/// How series are labelled.
#[derive(Debug, Clone, Default)]
pub struct LabelerOptions {
    /// The key of Patient ID digests.
    pub patient_key: Option<PatientKey>,
    /// Slices of each series to keep as pictures.
    pub previews: usize,
}

/// A series that has ended as a row.
#[derive(Debug)]
pub struct Labeled {
    /// The row.
    pub row: LabelRow,
    /// Files of the series that did not go into a label, with reasons; the others did.
    pub refused_files: Vec<(usize, Reason)>,
    /// Pictures, as many as the options ask for.
    pub previews: Vec<Preview>,
    /// Where the time went; zero for what was not reached.
    pub stages: Stages,
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

/// Labels series with one bundle. Clones of the handles inside are cheap; many series may be labelled at once.
pub struct Labeler {
    bundle: Arc<Bundle>,
    scorer: Scorer,
    cpu: CpuPool,
    options: LabelerOptions,
    progress: Arc<Progress>,
    in_flight: Semaphore,
}

impl Labeler {
    /// Ties a bundle, its engine and the CPU pool together.
    #[must_use]
    pub fn new(
        bundle: Arc<Bundle>,
        scorer: Scorer,
        cpu: CpuPool,
        options: LabelerOptions,
        progress: Arc<Progress>,
    ) -> Self {
        Self { bundle, scorer, cpu, options, progress, in_flight: Semaphore::new(SERIES_IN_FLIGHT) }
    }

    /// Number of series that are worth running at the same time.
    #[must_use]
    pub fn concurrency() -> usize {
        // One more than may hold memory, so that a finished one is replaced at once.
        SERIES_IN_FLIGHT + 1
    }

    /// The identity of a series' row; where the series failed, its row has [`RowKey::of_failure`] of it.
    #[must_use]
    pub fn key(&self, series: &Series, objects: &[ObjectRef]) -> RowKey {
        row_key(series, objects, &self.bundle.reference)
    }

    /// The row of a refused file; `None` for a file that is simply no DICOM image.
    #[must_use]
    pub fn file_row(&self, file: &FileRefusal) -> Option<LabelRow> {
        file_row(file, &self.bundle.reference)
    }

    /// Why the bundle would not take the series, as far as headers tell; `None` when it would.
    #[must_use]
    pub fn refusal(bundle: &Bundle, series: &Series) -> Option<Reason> {
        Self::slices_to_score(bundle, series).err()
    }

    /// Number of slices that the network would score of the series.
    ///
    /// # Errors
    /// The [`Reason`] why the bundle would not take the series, as far as headers tell.
    pub fn slices_to_score(bundle: &Bundle, series: &Series) -> Result<usize, Reason> {
        planned_slices(&bundle.manifest.preprocessing, Some(&bundle.manifest.body_parts), series)
    }

    /// Labels one series of `scan`. Whatever happens to the series ends in its row.
    ///
    /// # Errors
    /// [`LabelingError::Inference`] when the network cannot be used at all.
    pub async fn label(&self, scan: &Scan, series: &Series) -> Result<Labeled, LabelingError> {
        let mut row = series_row(series, &scan.objects, &self.bundle.reference, self.options.patient_key.as_ref());
        let mut refused_files = series.refused.clone();
        if let Some(reason) = Self::refusal(&self.bundle, series) {
            return Ok(self.unlabelled(row, Status::Refused, reason, series, refused_files));
        }
        // The semaphore is never closed; without a permit the series would only use more memory.
        let _permit = self.in_flight.acquire().await.ok();
        let start = Instant::now();
        let pixels = PixelStages::begin();
        let workshop = Workshop {
            spec: &self.bundle.manifest.preprocessing,
            body_parts: Some(&self.bundle.manifest.body_parts),
            cpu: &self.cpu,
            progress: &self.progress,
            stages: &pixels,
        };
        let prepared = workshop.prepare(series, &scan.objects).await;
        let mut stages = Stages { fetch: pixels.fetch.total(), decode: pixels.decode.total(), ..Stages::default() };
        // Ends their spans.
        drop(pixels);
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(Unprepared { reason, refused }) => {
                row.seconds = start.elapsed().as_secs_f64();
                refused_files.extend(refused);
                let status =
                    if reason.code == ReasonCode::TooManyRefusedSlices { Status::Failed } else { Status::Refused };
                let labeled = self.unlabelled(row, status, reason, series, refused_files);
                return Ok(Labeled { stages, ..labeled });
            }
        };
        refused_files.extend(prepared.refused.iter().cloned());
        let previews = previews(&prepared.tensor, self.options.previews);
        row.body_part.clone_from(&prepared.body_part);
        let infer = Stage::new(tracing::info_span!("infer"));
        let prediction = infer.time(self.predict(prepared, series.declared.verdict)).await;
        stages.infer = infer.total();
        match prediction {
            Ok(prediction) => {
                row.status = Status::Labelled;
                row.prediction = Some(prediction);
                row.refused_slices = counted(&refused_files);
                row.seconds = start.elapsed().as_secs_f64();
                row.created_at_us = now_us();
                self.progress.series_done.add(1);
                Ok(Labeled { row, refused_files, previews, stages })
            }
            Err(error) if error.kind() == Kind::Fatal => Err(error.into()),
            Err(error) => {
                let reason = Reason::new(ReasonCode::Inference, error.to_string());
                let labeled = self.unlabelled(row, Status::Failed, reason, series, refused_files);
                Ok(Labeled { stages, ..labeled })
            }
        }
    }

    async fn predict(&self, prepared: Prepared, declared: Declared) -> Result<Prediction, InferenceError> {
        let Prepared { tensor, scored, .. } = prepared;
        let scores = self.scorer.score(tensor).await?;
        let decision = Decision::of(&self.bundle.manifest, &scores)
            .ok_or_else(|| InferenceError::Runtime("the series has no slice to score".into()))?;
        let slices = scored.into_iter().zip(scores);
        let (device, runtime) = self.scorer.device();
        Ok(Prediction {
            class: decision.class,
            probability: decision.probability,
            raw_probability: decision.raw_probability,
            audit: Audit::of(declared, decision.class),
            slices: slices
                .map(|((z_mm, sop_instance_uid), probability)| SliceScore { z_mm, sop_instance_uid, probability })
                .collect(),
            device,
            runtime,
        })
    }

    /// Ends a series without a label: files that have no reason of their own take the series'.
    fn unlabelled(
        &self,
        mut row: LabelRow,
        status: Status,
        reason: Reason,
        series: &Series,
        refused: Vec<(usize, Reason)>,
    ) -> Labeled {
        row.refused_slices = counted(&refused);
        let refused_files = refused_files(series, refused, Some(&reason));
        if status == Status::Failed {
            row.key = row.key.of_failure();
        }
        row.status = status;
        row.reason = Some(reason);
        row.created_at_us = now_us();
        self.progress.series_done.add(1);
        Labeled { row, refused_files, previews: Vec::new(), stages: Stages::default() }
    }
}
