//! Series to tensors without a network, on the very path of labelling: training and serving cannot differ.

use std::sync::Arc;

use bolus_ct::Series;
use bolus_ops::CpuPool;
use bolus_preprocess::Spec;
use bolus_study::{Allowed, BodyPart, BodyPartFinding, BodyPartSource, Reason};

use crate::frames::FrameIndexes;
use crate::inventory::Inventory;
use crate::look::look;
use crate::prepare::{Preparation, Prepared, Unprepared, admit_body_part, planned_slices};
use crate::progress::Progress;
use crate::stages::PixelStages;

/// Makes the tensors that labelling would give to the network. Many series may be prepared at once; each holds some 30 MB
/// with the published preprocessing, so the caller decides how many.
pub struct Preparer {
    spec: Spec,
    body_parts: Option<Vec<BodyPart>>,
    allowed: Allowed,
    cpu: CpuPool,
    progress: Arc<Progress>,
}

impl Preparer {
    /// Prepares by `spec` the series whose headers do not name another part than `body_parts`, or with `None` all.
    #[must_use]
    pub fn new(spec: Spec, body_parts: Option<Vec<BodyPart>>, cpu: CpuPool, progress: Arc<Progress>) -> Self {
        Self { spec, body_parts, allowed: Allowed::NOTHING, cpu, progress }
    }

    /// The same, with these refusals overridden.
    #[must_use]
    pub fn allowing(self, allowed: Allowed) -> Self {
        Self { allowed, ..self }
    }

    /// Number of slices that the tensor of `series` will have.
    ///
    /// # Errors
    /// The [`Reason`] why the series is not taken, as far as headers tell.
    pub fn planned(&self, series: &Series) -> Result<usize, Reason> {
        planned_slices(&self.spec, self.body_parts.as_deref(), series, &self.allowed)
    }

    /// The tensor of one series of `inventory`.
    ///
    /// # Errors
    /// [`Unprepared`] says why there is none.
    pub async fn prepare(&self, inventory: &Inventory, series: &Series) -> Result<Prepared, Unprepared> {
        self.prepare_seen(inventory, series, None).await
    }

    /// As [`Preparer::prepare`], with a look at the image where headers name no body part: what it shows is told, and refused
    /// where it is another part than those that are taken. An image that does not tell is taken.
    ///
    /// # Errors
    /// [`Unprepared`] says why there is no tensor.
    pub async fn look_and_prepare(&self, inventory: &Inventory, series: &Series) -> Result<Prepared, Unprepared> {
        let seen = match &series.body_part {
            Some(_) => None,
            None => self.look(inventory, series).await,
        };
        if let (Some(covered), Some(found)) = (&self.body_parts, &seen) {
            admit_body_part(found, covered)?;
        }
        self.prepare_seen(inventory, series, seen.as_ref()).await
    }

    async fn look(&self, inventory: &Inventory, series: &Series) -> Option<BodyPartFinding> {
        let parts = look(series, &inventory.objects, &self.cpu, &self.progress).await.sighting.ok()?.parts;
        (!parts.is_empty()).then_some(BodyPartFinding { parts, source: BodyPartSource::Image })
    }

    async fn prepare_seen(
        &self,
        inventory: &Inventory,
        series: &Series,
        seen: Option<&BodyPartFinding>,
    ) -> Result<Prepared, Unprepared> {
        self.planned(series)?;
        let stages = PixelStages::begin();
        let preparation = Preparation {
            spec: &self.spec,
            allowed: &self.allowed,
            seen,
            cpu: &self.cpu,
            progress: &self.progress,
            stages: &stages,
            indexes: FrameIndexes::default(),
        };
        preparation.prepare(series, &inventory.objects).await
    }
}
