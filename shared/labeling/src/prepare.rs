//! One series from storage to tensor: plan, fetch, decode, resample, assemble.

use std::collections::BTreeMap;

use bolus_ct::{Series, pixel};
use bolus_ops::CpuPool;
use bolus_preprocess::{Plan, Spec, Tensor, body_part_by_image};
use bolus_storage::ObjectRef;
use bolus_study::{BodyPart, BodyPartFinding, BodyPartSource, Reason, ReasonCode, SopInstanceUid};
use futures::stream::{self, StreamExt};
use std::sync::Arc;

use crate::progress::Progress;
use crate::stages::PixelStages;

/// Slices in flight beyond one a CPU thread, so that fetching runs ahead of decoding.
const FETCH_AHEAD: usize = 6;
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
}

/// What stands still while a series is prepared.
pub(crate) struct Workshop<'a> {
    pub spec: &'a Spec,
    /// The body parts that are taken; `None` takes a series whatever it shows.
    pub body_parts: Option<&'a [BodyPart]>,
    pub cpu: &'a CpuPool,
    pub progress: &'a Progress,
    pub stages: &'a PixelStages,
}

/// Why a series could not be prepared, with the slices that were lost before that.
#[derive(Debug)]
pub struct Unprepared {
    /// Why.
    pub reason: Reason,
    /// Objects whose pixel data could not be used.
    pub refused: Vec<(usize, Reason)>,
}

impl Workshop<'_> {
    /// Prepares `series`. A slice that cannot be decoded is left out and the rest is planned anew, as long as few are.
    pub async fn prepare(&self, series: &Series, objects: &[ObjectRef]) -> Result<Prepared, Unprepared> {
        let mut lost: BTreeMap<usize, Reason> = BTreeMap::new();
        loop {
            let kept: Vec<usize> = (0..series.slices.len()).filter(|index| !lost.contains_key(index)).collect();
            let refused =
                || lost.iter().map(|(index, reason)| (series.slices[*index].object, reason.clone())).collect();
            let give_up = |reason| Unprepared { reason, refused: refused() };
            let geometry = series.geometry_of(&kept).map_err(give_up)?;
            let plan = Arc::new(Plan::new(self.spec, &geometry).map_err(give_up)?);
            let mut planes = Vec::with_capacity(plan.sources.len());
            let mut failures = Vec::new();
            for (ordinal, plane) in self.planes(series, objects, &plan, &kept).await {
                match plane {
                    Ok(plane) => planes.push(plane),
                    Err(reason) => failures.push((kept[plan.sources[ordinal]], reason)),
                }
            }
            if failures.is_empty() {
                return self.finish(series, &plan, &kept, &planes, refused()).map_err(give_up);
            }
            lost.extend(failures);
            if let Some(reason) = too_many_lost(&lost, series.slices.len()) {
                let refused = lost.into_iter().map(|(index, reason)| (series.slices[index].object, reason)).collect();
                return Err(Unprepared { reason, refused });
            }
        }
    }

    /// Fetches, decodes and resamples the plan's source slices, in their order.
    async fn planes(
        &self,
        series: &Series,
        objects: &[ObjectRef],
        plan: &Arc<Plan>,
        kept: &[usize],
    ) -> Vec<(usize, Result<Vec<f32>, Reason>)> {
        stream::iter(0..plan.sources.len())
            .map(|ordinal| async move {
                let slice = kept.get(plan.sources[ordinal]).and_then(|index| series.slices.get(*index));
                let plane = match slice.and_then(|slice| Some((slice, objects.get(slice.object)?))) {
                    Some((slice, object)) => self.plane(slice, object, plan, ordinal).await,
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
    ) -> Result<Vec<f32>, Reason> {
        let range = pixel::frame_byte_range(&slice.instance, slice.frame, plan.window, object.size);
        let start = range.start;
        let bytes = self.stages.fetch.time(object.read_range(range)).await.map_err(|error| error.reason())?;
        self.progress.bytes_read.add(bytes.len() as u64);
        let (instance, frame, plan, air) =
            (Arc::clone(&slice.instance), slice.frame, Arc::clone(plan), self.spec.fill_hu);
        let work = move || {
            let mut hu = Vec::new();
            pixel::decode_window_hu(&instance, frame, plan.window, &bytes, start, air, &mut hu)?;
            Ok(plan.resample_plane(ordinal, &hu))
        };
        let decoded = self.stages.decode.time(self.cpu.run(work)).await;
        decoded.map_err(|error| Reason::new(ReasonCode::PixelData, error.to_string()))?
    }

    /// Puts the planes together and settles the body part where only the image can tell it.
    fn finish(
        &self,
        series: &Series,
        plan: &Plan,
        kept: &[usize],
        planes: &[Vec<f32>],
        refused: Vec<(usize, Reason)>,
    ) -> Result<Prepared, Reason> {
        let slab = plan.assemble(planes);
        let body_part = match &series.body_part {
            Some(finding) => Some(finding.clone()),
            None => body_part_by_image(&slab)
                .map(|part| BodyPartFinding { parts: vec![part], source: BodyPartSource::Image }),
        };
        if let Some(covered) = self.body_parts {
            admit_body_part(body_part.as_ref(), covered)?;
        }
        let scored = plan
            .outputs
            .iter()
            .filter_map(|output| {
                let slice = kept.get(output.nearest).and_then(|index| series.slices.get(*index))?;
                Some((output.z_mm, slice.sop_uid.clone()))
            })
            .collect();
        Ok(Prepared { tensor: slab.into_tensor(self.spec), scored, body_part, refused })
    }
}

/// Number of slices of the tensor of `series`; `body_parts` as in [`Workshop`].
///
/// # Errors
/// The [`Reason`] why the series is not taken, as far as headers tell.
pub(crate) fn planned_slices(spec: &Spec, body_parts: Option<&[BodyPart]>, series: &Series) -> Result<usize, Reason> {
    if let Some(reason) = &series.refusal {
        return Err(reason.clone());
    }
    if series.derived && !spec.allow_derived {
        return Err(Reason::new(ReasonCode::Derived, "derived images, the bundle takes originals"));
    }
    if let (Some(covered), Some(found)) = (body_parts, &series.body_part) {
        admit_body_part(Some(found), covered)?;
    }
    let missing = || Reason::new(ReasonCode::MissingAttribute, "the series has no geometry");
    Ok(Plan::new(spec, series.geometry.as_ref().ok_or_else(missing)?)?.outputs.len())
}

/// Whether a bundle for `covered` parts takes a series that shows `found`.
fn admit_body_part(found: Option<&BodyPartFinding>, covered: &[BodyPart]) -> Result<(), Reason> {
    let names = || covered.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", ");
    match found {
        Some(finding) if finding.parts.iter().any(|part| covered.contains(part)) => Ok(()),
        Some(finding) => Err(Reason::new(
            ReasonCode::BodyPart,
            format!("{} (by {}), the bundle covers {}", finding.joined(), finding.source.as_str(), names()),
        )),
        None => Err(Reason::new(
            ReasonCode::BodyPart,
            format!("neither tags, words nor the image tell the body part, the bundle covers {}", names()),
        )),
    }
}

fn too_many_lost(lost: &BTreeMap<usize, Reason>, slices: usize) -> Option<Reason> {
    let first = lost.values().next()?;
    (lost.len() as f64 > MOST_REFUSED_SHARE * slices as f64).then(|| {
        Reason::new(
            ReasonCode::TooManyRefusedSlices,
            format!("{} of {slices} slices could not be decoded, the first because of {first}", lost.len()),
        )
    })
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
