//! One series from storage to tensor: plan, fetch, decode, resample, assemble.

use std::collections::BTreeMap;

use bolus_ct::{Series, pixel};
use bolus_ops::CpuPool;
use bolus_preprocess::plausible::{PlaneFigures, Verdict, is_measured, judge};
use bolus_preprocess::{OutputSlice, Plan, Spec, Tensor, geometry_judgement};
use bolus_storage::ObjectRef;
use bolus_study::{Allowed, BodyPart, BodyPartFinding, Reason, ReasonCode, SopInstanceUid};
use futures::stream::{self, StreamExt};
use std::sync::Arc;

use crate::frames::{FETCH_AHEAD, FrameIndexes, Reading};
use crate::progress::Progress;
use crate::stages::PixelStages;

/// Share of a series' slices that may be lost to bad pixel data before the series itself fails.
const MOST_REFUSED_SHARE: f64 = 0.2;

/// A slice of the network's input as a grey picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Index among the scored slices.
    pub slice: usize,
    /// Grey values, `[row, column]` row-major.
    pub pixels: Vec<u8>,
    /// Columns of a row.
    pub columns: usize,
}

/// A series that is ready for the network.
#[derive(Debug)]
pub struct Prepared {
    /// The network's input.
    pub tensor: Tensor,
    /// Position and nearest source instance of each slice of the tensor.
    pub scored: Vec<(f64, SopInstanceUid)>,
    /// What the series shows, by tag, words or image.
    pub body_part: Option<BodyPartFinding>,
    /// Objects whose pixel data could not be used.
    pub refused: Vec<(usize, Reason)>,
    /// Slices that the spec plans: those of the tensor, save where only a part of them was scored.
    pub planned: usize,
    /// Share of the positions that the spec asks for which have a source slice near enough, 0 to 1.
    pub coverage: f64,
    /// Source slices that the plan reads.
    pub sources: usize,
    /// What the image was taken for, where that is to be told.
    pub judged: Judged,
}

/// What a look at the values told of a series that is labelled all the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// Why the class is to be left open: the figures that are beyond every good series'.
    pub doubt: Option<String>,
    /// The refusal that was overridden.
    pub overridden: Option<Reason>,
}

/// A resampled plane, and what was measured of it where it is one of those that are.
pub(crate) struct Plane {
    pub hu: Vec<f32>,
    pub figures: Option<PlaneFigures>,
}

/// How one series is made ready for a network: what stays the same while its slices are fetched, decoded and resampled.
pub(crate) struct Preparation<'a> {
    pub spec: &'a Spec,
    /// Refusals that are overridden.
    pub allowed: &'a Allowed,
    /// What a look at the whole series has shown already.
    pub seen: Option<&'a BodyPartFinding>,
    pub cpu: &'a CpuPool,
    pub progress: &'a Progress,
    pub stages: &'a PixelStages,
    /// Where frames lie in the files of the series.
    pub indexes: FrameIndexes,
}

/// Why a series could not be prepared, with the slices that were lost before that.
#[derive(Debug)]
pub struct Unprepared {
    /// Why.
    pub reason: Reason,
    /// Objects whose pixel data could not be used.
    pub refused: Vec<(usize, Reason)>,
    /// Whether that is the reason: a fault of the data, where else the series is none for the bundle.
    pub unreadable: bool,
}

impl From<Reason> for Unprepared {
    /// A series that is none for the bundle, by what is known before its pixels.
    fn from(reason: Reason) -> Self {
        Self { reason, refused: Vec::new(), unreadable: false }
    }
}

impl Preparation<'_> {
    /// Prepares `series`. A slice that cannot be decoded is left out and the rest is planned anew, as long as few are.
    pub async fn prepare(&self, series: &Series, objects: &[ObjectRef]) -> Result<Prepared, Unprepared> {
        let mut lost = Lost::default();
        loop {
            let planned = self.planned(series, &lost)?;
            let ordinals = (0..planned.plan.sources.len()).collect();
            let mut planes = Vec::with_capacity(planned.plan.sources.len());
            let (mut failures, mut figures) = (Vec::new(), Vec::new());
            for (ordinal, plane) in self.planes(series, objects, &planned, ordinals, false).await {
                match plane {
                    Ok(plane) => {
                        planes.push(plane.hu);
                        figures.extend(plane.figures);
                    }
                    Err(reason) => failures.push((planned.slice(ordinal), reason)),
                }
            }
            if failures.is_empty() {
                let judged = self.judged(&figures).map_err(|reason| lost.unprepared(series, reason))?;
                let slab = planned.plan.assemble(&planes);
                return Ok(Prepared {
                    tensor: slab.into_tensor(self.spec),
                    scored: planned.scored(series, &planned.plan.outputs),
                    body_part: self.body_part(series),
                    refused: lost.refused(series),
                    planned: planned.plan.outputs.len(),
                    coverage: planned.plan.coverage(),
                    sources: planned.plan.sources.len(),
                    judged,
                });
            }
            lost.add(series, failures, planes.len())?;
        }
    }

    /// The plan for what is not lost.
    pub fn planned(&self, series: &Series, lost: &Lost) -> Result<Planned, Unprepared> {
        let kept: Vec<usize> = (0..series.slices.len()).filter(|index| !lost.reasons.contains_key(index)).collect();
        let geometry = series.geometry_of(&kept).map_err(|reason| lost.unprepared(series, reason))?;
        let plan = Plan::allowing(self.spec, &geometry, self.allowed);
        let plan = plan.map_err(|reason| lost.unprepared(series, reason))?;
        Ok(Planned { plan: Arc::new(plan), kept })
    }

    /// Judges the values by what was measured of the planes.
    ///
    /// # Errors
    /// The refusal, where it is not overridden.
    pub fn judged(&self, figures: &[PlaneFigures]) -> Result<Judged, Reason> {
        match judge(figures) {
            Verdict::Plausible => Ok(Judged::default()),
            Verdict::Doubtful(doubt) => Ok(Judged { doubt: Some(doubt), overridden: None }),
            Verdict::Refused(reason) if self.allowed.contains(reason.code) => {
                Ok(Judged { doubt: None, overridden: Some(reason) })
            }
            Verdict::Refused(reason) => Err(reason),
        }
    }

    /// Fetches, decodes and resamples source slices of the plan, named by their places in [`Plan::sources`], in that order. Some of them
    /// are measured, or, of a plan that is read in parts, all.
    pub async fn planes(
        &self,
        series: &Series,
        objects: &[ObjectRef],
        planned: &Planned,
        ordinals: Vec<usize>,
        in_parts: bool,
    ) -> Vec<(usize, Result<Plane, Reason>)> {
        let plan = &planned.plan;
        let measure = |ordinal: usize| in_parts || is_measured(ordinal, plan.sources.len());
        stream::iter(ordinals)
            .map(|ordinal| async move {
                let slice = series.slices.get(planned.slice(ordinal));
                let plane = match slice.and_then(|slice| Some((slice, objects.get(slice.object)?))) {
                    Some((slice, object)) => self.plane(slice, object, plan, ordinal, measure(ordinal)).await,
                    None => Err(Reason::new(ReasonCode::Unreadable, "the slice has no object")),
                };
                (ordinal, plane)
            })
            .buffered(self.cpu.threads() + FETCH_AHEAD)
            .collect()
            .await
    }

    /// Fetches what one slice needs, decodes its window to HU and resamples it in its plane.
    async fn plane(
        &self,
        slice: &bolus_ct::Slice,
        object: &ObjectRef,
        plan: &Arc<Plan>,
        ordinal: usize,
        measure: bool,
    ) -> Result<Plane, Reason> {
        let reading = Reading { object, cpu: self.cpu, progress: self.progress };
        let read = self.indexes.read(slice.object, &slice.instance, slice.frame, plan.window, reading);
        let read = self.stages.fetch.time(read).await?;
        self.progress.slices_fetched.add(1);
        let (instance, frame, plan, air) =
            (Arc::clone(&slice.instance), slice.frame, Arc::clone(plan), self.spec.fill_hu);
        let work = move || {
            let mut hu = Vec::new();
            pixel::decode_indexed_hu(&instance, &read.index, frame, plan.window, &read.bytes, air, &mut hu)?;
            let hu = plan.resample_plane(ordinal, &hu);
            let figures = if measure { plan.measure(ordinal, &hu) } else { None };
            Ok(Plane { hu, figures })
        };
        self.stages.decode.time(reading.decode(work)).await
    }

    /// The body part that headers or a look have told.
    pub fn body_part(&self, series: &Series) -> Option<BodyPartFinding> {
        series.body_part.as_ref().or(self.seen).cloned()
    }
}

/// A plan for the slices of a series that can be used.
pub(crate) struct Planned {
    pub plan: Arc<Plan>,
    /// The slices of the series that the plan counts.
    kept: Vec<usize>,
}

impl Planned {
    /// The slice of the series that is the plan's source at `ordinal`; one past the end for none.
    pub fn slice(&self, ordinal: usize) -> usize {
        let kept = self.plan.sources.get(ordinal).and_then(|source| self.kept.get(*source));
        kept.copied().unwrap_or(usize::MAX)
    }

    /// Position and nearest instance of each of `outputs`.
    pub fn scored<'o>(
        &self,
        series: &Series,
        outputs: impl IntoIterator<Item = &'o OutputSlice>,
    ) -> Vec<(f64, SopInstanceUid)> {
        let slice = |output: &OutputSlice| self.kept.get(output.nearest).and_then(|index| series.slices.get(*index));
        outputs.into_iter().filter_map(|output| Some((output.z_mm, slice(output)?.sop_uid.clone()))).collect()
    }
}

/// Slices of a series that could not be decoded.
#[derive(Default)]
pub(crate) struct Lost {
    /// Why, by their place in the series.
    reasons: BTreeMap<usize, Reason>,
    /// How many could be.
    decoded: usize,
}

impl Lost {
    /// Notes slices down, and how many were decoded beside them; an error once they are too many.
    pub fn add(&mut self, series: &Series, failures: Vec<(usize, Reason)>, decoded: usize) -> Result<(), Unprepared> {
        self.reasons.extend(failures);
        self.decoded += decoded;
        let slices = series.slices.len();
        if self.reasons.len() as f64 <= MOST_REFUSED_SHARE * slices as f64 {
            return Ok(());
        }
        let Some(reason) = lost_reason(self.reasons.values(), self.decoded, format_args!("of {slices} slices")) else {
            return Ok(());
        };
        Err(Unprepared { unreadable: true, ..self.unprepared(series, reason) })
    }

    /// The objects of the slices, with the reasons.
    pub fn refused(&self, series: &Series) -> Vec<(usize, Reason)> {
        let object = |index: &usize| series.slices.get(*index).map(|slice| slice.object);
        self.reasons.iter().filter_map(|(index, reason)| Some((object(index)?, reason.clone()))).collect()
    }

    pub fn unprepared(&self, series: &Series, reason: Reason) -> Unprepared {
        Unprepared { refused: self.refused(series), ..reason.into() }
    }
}

/// What slices that could not be decoded for `reasons` mean for a series that fails for them, `decoded` others of which could be: one
/// fault has the name that its files have; only a series of which a part is good, or that has several faults, lost too many. None
/// without reasons. `all` says of which slices.
pub(crate) fn lost_reason<'r>(
    reasons: impl ExactSizeIterator<Item = &'r Reason> + Clone,
    decoded: usize,
    all: impl std::fmt::Display,
) -> Option<Reason> {
    let first = reasons.clone().next()?;
    let lost = reasons.len();
    let is_one_fault = decoded == 0 && reasons.clone().all(|reason| reason.code == first.code);
    Some(match (is_one_fault, lost) {
        (true, 1) => first.clone(),
        (true, _) => {
            Reason::new(first.code, format!("{}; so or alike in {lost} {all}, none was decoded", first.detail))
        }
        (false, _) => {
            let detail = format!("{lost} {all} could not be decoded, the first because of {first}");
            Reason::new(ReasonCode::TooManyRefusedSlices, detail)
        }
    })
}

/// Number of slices of the tensor of `series`, which is refused where headers name none of `body_parts`.
///
/// # Errors
/// The [`Reason`] why the series is not taken, as far as headers tell and it is not overridden.
pub(crate) fn planned_slices(
    spec: &Spec,
    body_parts: Option<&[BodyPart]>,
    series: &Series,
    allowed: &Allowed,
) -> Result<usize, Reason> {
    if let Some(reason) = &series.refusal {
        return Err(reason.clone());
    }
    if let Some(reason) = series.judgement.as_ref().filter(|reason| !allowed.contains(reason.code)) {
        return Err(reason.clone());
    }
    if let (Some(covered), Some(found)) = (body_parts, &series.body_part) {
        admit_body_part(found, covered)?;
    }
    let missing = || Reason::new(ReasonCode::MissingAttribute, "the series has no geometry");
    Ok(Plan::allowing(spec, series.geometry.as_ref().ok_or_else(missing)?, allowed)?.outputs.len())
}

/// The judgements on `series`, as far as headers tell, that `allowed` overrides.
pub(crate) fn overridden(spec: &Spec, series: &Series, allowed: &Allowed) -> Vec<Reason> {
    let by_geometry = series.geometry.iter().flat_map(|geometry| geometry_judgement(spec, geometry));
    let reasons = series.judgement.clone().into_iter().chain(by_geometry);
    reasons.filter(|reason| allowed.contains(reason.code)).collect()
}

/// Whether a bundle for `covered` parts takes a series that shows `found`.
pub(crate) fn admit_body_part(found: &BodyPartFinding, covered: &[BodyPart]) -> Result<(), Reason> {
    if found.parts.iter().any(|part| covered.contains(part)) {
        return Ok(());
    }
    let names = covered.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", ");
    let (shown, source) = (found.joined(), found.source.as_str());
    Err(Reason::new(ReasonCode::BodyPart, format!("{shown} (by {source}), the bundle covers {names}")))
}

/// Up to `most` evenly spread slices of the tensor as pictures.
pub(crate) fn previews(tensor: &Tensor, most: usize) -> Vec<Preview> {
    let count = tensor.slices.min(most);
    (0..count)
        .filter_map(|place| {
            let slice = if count == 1 { 0 } else { place * (tensor.slices - 1) / (count - 1) };
            let pixels = tensor.slice(slice)?.iter().map(|value| (value * 255.0) as u8).collect();
            Some(Preview { slice, pixels, columns: tensor.columns })
        })
        .collect()
}
