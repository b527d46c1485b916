//! A coarse look at a series: a few whole slices, spread over all of it.

use bolus_ct::{Series, Slice};
use bolus_ops::CpuPool;
use bolus_preprocess::{PlaneLook, Sighting, sight};
use bolus_storage::ObjectRef;
use bolus_study::{Reason, ReasonCode};
use futures::stream::{self, StreamExt};

use crate::frames::{FrameIndexes, Reading};
use crate::prepare::lost_reason;
use crate::progress::Progress;

/// Slices that are looked at.
const PLANES: usize = 16;
/// Slices in flight: each holds one whole slice, 1 MB, until it is measured.
const IN_FLIGHT: usize = 4;

/// What a look gave.
pub(crate) struct Look {
    /// What was seen, or why nothing could be.
    pub sighting: Result<Sighting, Reason>,
    /// Files whose pixel data could not be used.
    pub lost: Vec<(usize, Reason)>,
}

/// Looks at `series`. Slices that cannot be decoded are left out as long as most can.
pub(crate) async fn look(series: &Series, objects: &[ObjectRef], cpu: &CpuPool, progress: &Progress) -> Look {
    let Some(geometry) = &series.geometry else {
        let reason = Reason::new(ReasonCode::MissingAttribute, "the series has no geometry");
        return Look { sighting: Err(reason), lost: Vec::new() };
    };
    let mut places = spread(series.slices.len());
    if !geometry.increases_cranially() {
        places.reverse();
    }
    let spacing_mm = geometry.pixel_spacing_mm;
    let indexes = FrameIndexes::default();
    let workplace = Workplace { objects, spacing_mm, cpu, progress, indexes: &indexes };
    let seen: Vec<(usize, Result<Option<PlaneLook>, Reason>)> = stream::iter(places)
        .filter_map(|place| std::future::ready(series.slices.get(place)))
        .map(|slice| async move { (slice.object, plane(slice, workplace).await) })
        .buffered(IN_FLIGHT)
        // Boxed, or the compiler cannot tell callers that the whole may go to another thread.
        .boxed()
        .collect()
        .await;
    let (mut planes, mut lost) = (Vec::new(), Vec::new());
    for (object, outcome) in seen {
        match outcome {
            Ok(plane) => planes.push(plane),
            Err(reason) => lost.push((object, reason)),
        }
    }
    let all = planes.len() + lost.len();
    let too_many = (lost.len() * 2 > all).then(|| lost.iter().map(|(_, reason)| reason));
    let told = format_args!("of {all} slices that were looked at");
    let sighting = match too_many.and_then(|reasons| lost_reason(reasons, planes.len(), told)) {
        Some(reason) => Err(reason),
        None => Ok(sight(&planes)),
    };
    Look { sighting, lost }
}

/// Up to [`PLANES`] of `count` slices, each in the middle of its share.
fn spread(count: usize) -> Vec<usize> {
    let planes = count.min(PLANES);
    (0..planes).map(|plane| (2 * plane + 1) * count / (2 * planes)).collect()
}

/// What all slices of a look share.
#[derive(Clone, Copy)]
struct Workplace<'a> {
    objects: &'a [ObjectRef],
    spacing_mm: [f64; 2],
    cpu: &'a CpuPool,
    progress: &'a Progress,
    indexes: &'a FrameIndexes,
}

async fn plane(slice: &Slice, workplace: Workplace<'_>) -> Result<Option<PlaneLook>, Reason> {
    let Workplace { objects, spacing_mm, cpu, progress, indexes } = workplace;
    let missing = || Reason::new(ReasonCode::Unreadable, "the slice has no object");
    let object = objects.get(slice.object).ok_or_else(missing)?;
    let reading = Reading { object, cpu, progress };
    let (read, window) = indexes.read_whole(slice.object, &slice.instance, slice.frame, reading).await?;
    progress.slices_fetched.add(1);
    let look = move |hu: &[f32]| PlaneLook::of(hu, window.width(), spacing_mm);
    reading.hu(read, &slice.instance, slice.frame, window, look).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_spread_over_the_whole_series() {
        assert_eq!(spread(3), [0, 1, 2]);
        assert_eq!(spread(16).len(), 16);
        assert_eq!((spread(160)[0], spread(160)[15]), (5, 155));
        assert!(spread(0).is_empty());
        assert!(spread(17).windows(2).all(|pair| pair[0] < pair[1]));
    }
}
