//! Scoring a series in rounds, until its class is settled.
//!
//! Each round takes the next output slices of the plan's spread-out order, fetches and decodes only the source slices that they need and
//! that are not there yet, and scores them. What a slice scores is what it would score among all: it depends on no other. A slice that
//! cannot be decoded is lost, and the rest planned and scored anew, as where all are scored.

use std::collections::BTreeMap;

use bolus_ct::Series;
use bolus_inference::{Adaptive, InferenceError};
use bolus_preprocess::Tensor;
use bolus_preprocess::plausible::PlaneFigures;
use bolus_storage::ObjectRef;
use bolus_study::Reason;

use crate::engines::Engines;
use crate::prepare::{Judged, Lost, Planned, Preparation, Prepared, Preview, Unprepared, previews};
use crate::stages::Stage;

/// A series that has been scored in part.
pub(crate) struct Rounds {
    /// The slices that were scored, from caudal to cranial.
    pub prepared: Prepared,
    /// Some of them as pictures.
    pub previews: Vec<Preview>,
    /// Their scores.
    pub scores: Vec<f32>,
}

/// The network of one bundle.
#[derive(Clone, Copy)]
pub(crate) struct Network<'a> {
    pub engines: &'a Engines,
    /// The place of the bundle in the set.
    pub place: usize,
    pub infer: &'a Stage,
}

impl Network<'_> {
    pub async fn score(&self, tensor: Tensor) -> Result<Vec<f32>, Unscored> {
        self.infer.time(self.engines.score(self.place, tensor)).await.map_err(Unscored::Failed)
    }
}

/// Why there are no scores.
pub(crate) enum Unscored {
    Unprepared(Unprepared),
    Failed(InferenceError),
}

/// What the rounds on one plan have fetched and scored so far.
struct ScoredSoFar {
    planned: Planned,
    order: Vec<usize>,
    /// Planes of the output's size by source.
    planes: BTreeMap<usize, Vec<f32>>,
    /// Scores by output.
    scores: BTreeMap<usize, f32>,
    /// What was measured of the planes.
    figures: Vec<PlaneFigures>,
    judged: Judged,
}

impl Preparation<'_> {
    /// Prepares and scores `series` until `test` has settled its class.
    pub async fn in_rounds(
        &self,
        series: &Series,
        objects: &[ObjectRef],
        test: Adaptive<'_>,
        pictures: usize,
        network: Network<'_>,
    ) -> Result<Rounds, Unscored> {
        let mut lost = Lost::default();
        let mut so_far = ScoredSoFar::of(self.planned(series, &lost)?);
        loop {
            let count = so_far.order.len();
            let next = test.next(so_far.scores.len(), count).min(count);
            let round = so_far.order.get(so_far.scores.len()..next).unwrap_or_default().to_vec();
            let failures = self.fetch(series, objects, &mut so_far, &round).await;
            if !failures.is_empty() {
                lost.add(series, failures, so_far.planes.len())?;
                so_far = ScoredSoFar::of(self.planned(series, &lost)?);
                continue;
            }
            so_far.judged = self.judged(&so_far.figures).map_err(|reason| lost.unprepared(series, reason))?;
            let test = test.resting_on(so_far.planned.plan.sources.len());
            let slab = so_far.planned.plan.assemble_some(&round, &so_far.planes);
            let scores = network.score(slab.into_tensor(self.spec)).await?;
            so_far.scores.extend(round.into_iter().zip(scores));
            let scores: Vec<f32> = so_far.scores.values().copied().collect();
            if test.is_settled(&scores, count) {
                let prepared = self.settled(series, &so_far, &lost);
                let previews = previews(&prepared.tensor, pictures);
                return Ok(Rounds { prepared, previews, scores });
            }
            let more = test.next(so_far.scores.len(), count).min(count) - so_far.scores.len();
            self.progress.slices_planned.add(more as u64);
        }
    }

    /// Fetches what the outputs at `round` need beyond what is there; gives the slices that could not be decoded.
    async fn fetch(
        &self,
        series: &Series,
        objects: &[ObjectRef],
        so_far: &mut ScoredSoFar,
        round: &[usize],
    ) -> Vec<(usize, Reason)> {
        let plan = &so_far.planned.plan;
        let wanted = plan.sources_of(round).into_iter().filter(|source| !so_far.planes.contains_key(source));
        let ordinals = wanted.filter_map(|source| plan.sources.binary_search(&source).ok()).collect();
        let mut failures = Vec::new();
        for (ordinal, plane) in self.planes(series, objects, &so_far.planned, ordinals, true).await {
            match plane {
                Ok(plane) => {
                    so_far.planes.insert(so_far.planned.plan.sources[ordinal], plane.hu);
                    so_far.figures.extend(plane.figures);
                }
                Err(reason) => failures.push((so_far.planned.slice(ordinal), reason)),
            }
        }
        failures
    }

    fn settled(&self, series: &Series, so_far: &ScoredSoFar, lost: &Lost) -> Prepared {
        let plan = &so_far.planned.plan;
        let places: Vec<usize> = so_far.scores.keys().copied().collect();
        Prepared {
            tensor: plan.assemble_some(&places, &so_far.planes).into_tensor(self.spec),
            scored: so_far.planned.scored(series, places.iter().filter_map(|place| plan.outputs.get(*place))),
            body_part: self.body_part(series),
            refused: lost.refused(series),
            planned: plan.outputs.len(),
            coverage: plan.coverage(),
            sources: plan.sources.len(),
            judged: so_far.judged.clone(),
        }
    }
}

impl ScoredSoFar {
    fn of(planned: Planned) -> Self {
        let order = planned.plan.spread_out();
        Self {
            planned,
            order,
            planes: BTreeMap::new(),
            scores: BTreeMap::new(),
            figures: Vec::new(),
            judged: Judged::default(),
        }
    }
}

impl From<Unprepared> for Unscored {
    fn from(unprepared: Unprepared) -> Self {
        Self::Unprepared(unprepared)
    }
}
