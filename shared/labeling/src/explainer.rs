//! Why a series got its score: parts of its slices are covered, and the network says what that changes.

use std::ops::Range;
use std::sync::Arc;

use bolus_ct::Series;
use bolus_inference::{Bundle, Decision, Engine, InferenceError};
use bolus_preprocess::{HeatMap, OcclusionGrid, Tensor, logit_drop};
use bolus_study::{BodyPartFinding, PredictedClass, Reason, ReasonCode, SopInstanceUid};
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::inventory::Inventory;
use crate::prepare::{Prepared, Unprepared};
use crate::preparer::Preparer;
use crate::progress::Progress;

/// Covered slices that go to the network together: 19 MB with the published preprocessing.
const PATCHES_AT_ONCE: usize = 128;
/// Lots of covered slices in flight, so that the network never waits for the next.
const LOTS_IN_FLIGHT: usize = 2;

/// Why a slice was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// One of those spread over the series.
    Spread,
    /// The slice of the highest probability.
    Highest,
    /// The slice of the lowest probability.
    Lowest,
}

impl Chosen {
    /// The name in JSON and in pictures.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spread => "spread",
            Self::Highest => "highest",
            Self::Lowest => "lowest",
        }
    }
}

/// One slice and where the network looks in it.
#[derive(Debug, Clone)]
pub struct ExplainedSlice {
    /// Index among the scored slices, from the feet.
    pub slice: usize,
    /// Why it was taken.
    pub chosen: Chosen,
    /// Position along the slice normal, in millimetres.
    pub z_mm: f64,
    /// The nearest source instance.
    pub sop_uid: SopInstanceUid,
    /// The slice's own probability.
    pub probability: f32,
    /// The network's input, `[row, column]`, 0..1.
    pub pixels: Vec<f32>,
    /// The fall of the logit at each patch, line by line; `None` where covering changes nothing.
    pub drops: Vec<Option<f32>>,
    /// The same for each pixel.
    pub map: HeatMap,
}

/// What the network says of a series, and why.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The decision over all slices.
    pub decision: Decision,
    /// What the series shows.
    pub body_part: Option<BodyPartFinding>,
    /// The probability of every slice, from the feet.
    pub scores: Vec<f32>,
    /// The slices that were looked into, from the feet.
    pub slices: Vec<ExplainedSlice>,
}

/// Explains series with one bundle, whose network is given with each: it need not run before there is a series for it.
pub struct Explainer {
    bundle: Arc<Bundle>,
    preparer: Preparer,
    progress: Arc<Progress>,
    grid: OcclusionGrid,
    spread: usize,
}

impl Explainer {
    /// Looks into `spread` slices of a series, and those of the highest and the lowest probability, with the patches of `grid`.
    #[must_use]
    pub fn new(
        bundle: Arc<Bundle>,
        preparer: Preparer,
        progress: Arc<Progress>,
        grid: OcclusionGrid,
        spread: usize,
    ) -> Self {
        Self { bundle, preparer, progress, grid, spread }
    }

    /// The bundle.
    #[must_use]
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// The patches.
    #[must_use]
    pub fn grid(&self) -> &OcclusionGrid {
        &self.grid
    }

    /// The most slices that the network will score for `series`, covered ones among them.
    ///
    /// # Errors
    /// The [`Reason`] why the series is not taken, as far as headers tell.
    pub fn planned(&self, series: &Series) -> Result<usize, Reason> {
        let slices = self.preparer.planned(series)?;
        Ok(slices + (self.spread + 2).min(slices) * self.grid.places())
    }

    /// Explains one series of `inventory` with the bundle's running network. An inner error costs the series alone.
    ///
    /// # Errors
    /// [`InferenceError`] when the network fails.
    pub async fn explain(
        &self,
        engine: &Engine,
        inventory: &Inventory,
        series: &Series,
    ) -> Result<Result<Explanation, Reason>, InferenceError> {
        let Prepared { tensor, scored, body_part, sources, judged, .. } =
            match self.preparer.prepare(inventory, series).await {
                Ok(prepared) => prepared,
                Err(Unprepared { reason, .. }) => return Ok(Err(reason)),
            };
        let scores = engine.score(tensor.clone()).await?;
        let Some(mut decision) = Decision::of(&self.bundle.manifest, &scores, sources) else {
            return Ok(Err(Reason::new(ReasonCode::Inference, "the series has no slice to score")));
        };
        if judged.doubt.is_some() {
            decision.class = PredictedClass::Indeterminate;
        }
        let chosen = choose(&scores, self.spread);
        let most = (self.spread + 2).min(tensor.slices);
        self.progress.slices_scored.add((most.saturating_sub(chosen.len()) * self.grid.places()) as u64);
        let mut slices = Vec::with_capacity(chosen.len());
        for (slice, chosen) in chosen {
            let Some((pixels, (z_mm, sop_uid))) = tensor.slice(slice).zip(scored.get(slice).cloned()) else { continue };
            let drops = self.drops(engine, pixels, [tensor.rows, tensor.columns], scores[slice]).await?;
            let map = self.grid.map(&drops);
            let (pixels, probability) = (pixels.to_vec(), scores[slice]);
            slices.push(ExplainedSlice { slice, chosen, z_mm, sop_uid, probability, pixels, drops, map });
        }
        Ok(Ok(Explanation { decision, body_part, scores, slices }))
    }

    /// The fall of the logit under each patch.
    async fn drops(
        &self,
        engine: &Engine,
        pixels: &[f32],
        [rows, columns]: [usize; 2],
        probability: f32,
    ) -> Result<Vec<Option<f32>>, InferenceError> {
        let places = self.grid.places();
        let lots = (0..places).step_by(PATCHES_AT_ONCE).map(|first| first..(first + PATCHES_AT_ONCE).min(places));
        let scored = stream::iter(lots).map(|lot| self.lot(engine, pixels, [rows, columns], lot));
        let scored: Vec<Vec<(usize, f32)>> = scored.buffered(LOTS_IN_FLIGHT).try_collect().await?;
        let mut drops = vec![None; places];
        for (place, score) in scored.into_iter().flatten() {
            drops[place] = Some(logit_drop(probability, score));
        }
        Ok(drops)
    }

    /// The scores under the patches of `lot` that change anything.
    async fn lot(
        &self,
        engine: &Engine,
        pixels: &[f32],
        [rows, columns]: [usize; 2],
        lot: Range<usize>,
    ) -> Result<Vec<(usize, f32)>, InferenceError> {
        let mut measured = Vec::new();
        let mut data = Vec::new();
        for place in lot.clone() {
            if let Some(covered) = self.grid.covered(pixels, place) {
                data.extend(covered);
                measured.push(place);
            }
        }
        self.progress.slices_scored.add((lot.len() - measured.len()) as u64);
        if measured.is_empty() {
            return Ok(Vec::new());
        }
        let tensor = Tensor { data, slices: measured.len(), rows, columns };
        let scores = engine.score(tensor).await?;
        Ok(measured.into_iter().zip(scores).collect())
    }
}

/// `spread` slices over the whole series, and those of the highest and the lowest score, in their order.
fn choose(scores: &[f32], spread: usize) -> Vec<(usize, Chosen)> {
    let extreme = |chosen: Chosen, sign: f32| {
        let best = (0..scores.len())
            .reduce(|best, slice| if sign * scores[slice] > sign * scores[best] { slice } else { best });
        best.map(|slice| (slice, chosen))
    };
    let count = spread.min(scores.len());
    // The middles of equal parts: the ends of a series show the least.
    let spread = (0..count).map(|part| ((2 * part + 1) * scores.len() / (2 * count), Chosen::Spread));
    let mut slices: Vec<_> =
        extreme(Chosen::Highest, 1.0).into_iter().chain(extreme(Chosen::Lowest, -1.0)).chain(spread).collect();
    // Stable: of two entries for a slice the extreme one, which came first, stays.
    slices.sort_by_key(|(slice, _)| *slice);
    slices.dedup_by_key(|(slice, _)| *slice);
    slices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_spread_and_the_extremes_are_among_them() {
        let scores = [0.5, 0.9, 0.2, 0.5, 0.5, 0.5, 0.5, 0.5];
        let chosen = choose(&scores, 2);
        assert_eq!(chosen, [(1, Chosen::Highest), (2, Chosen::Lowest), (6, Chosen::Spread)]);
        assert_eq!(choose(&scores, 100).len(), scores.len());
        assert_eq!(choose(&[0.3], 0), [(0, Chosen::Highest)]);
        assert!(choose(&[], 3).is_empty());
    }
}
