//! The pixels of frames that may be copies of each other: read before their series is known, only where headers leave it open.

use std::sync::Arc;

use bolus_ct::{Contested, FramePixels, Grouping, SeenPixels, pixel};
use bolus_ops::CpuPool;
use bolus_storage::ObjectRef;
use bolus_study::{PixelWindow, Reason, ReasonCode};
use futures::stream::{self, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::frames::{FrameIndexes, Reading};
use crate::progress::Progress;

/// Frames in flight beyond one a CPU thread. What they take together is bounded by the budget of pixels.
const FETCH_AHEAD: usize = 6;
/// HU of padding.
const AIR_HU: f32 = -1024.0;

/// Reads the contested frames of `grouping` and says what they show. Ends early when cancelled.
pub(crate) async fn seen(
    grouping: &Grouping,
    objects: &[ObjectRef],
    cpu: &CpuPool,
    progress: &Progress,
    cancel: &CancellationToken,
) -> SeenPixels {
    let indexes = &FrameIndexes::default();
    let mut seen = SeenPixels::new();
    loop {
        let contested = grouping.contested(&seen);
        if contested.is_empty() || cancel.is_cancelled() {
            return seen;
        }
        let read: Vec<_> = stream::iter(contested)
            .map(|one| async move {
                let pixels = pixels(&one, objects, indexes, cpu, progress).await;
                ((one.object, one.frame), pixels.unwrap_or_else(FramePixels::Unread))
            })
            .buffer_unordered(cpu.threads() + FETCH_AHEAD)
            .take_until(cancel.cancelled())
            // Boxed, or the compiler cannot tell callers that the whole may go to another thread.
            .boxed()
            .collect()
            .await;
        seen.extend(read);
    }
}

async fn pixels(
    contested: &Contested,
    objects: &[ObjectRef],
    indexes: &FrameIndexes,
    cpu: &CpuPool,
    progress: &Progress,
) -> Result<FramePixels, Reason> {
    let missing = || Reason::new(ReasonCode::Unreadable, "the slice has no object");
    let object = objects.get(contested.object).ok_or_else(missing)?;
    let format = contested.instance.format.as_ref().ok_or_else(missing)?;
    let window = PixelWindow::whole(format.rows, format.columns);
    let reading = Reading { object, cpu, progress };
    let (instance, frame) = (Arc::clone(&contested.instance), contested.frame);
    let read = indexes.read(contested.object, &instance, frame, window, reading).await?;
    let work = move || {
        let mut hu = Vec::new();
        pixel::decode_indexed_hu(&instance, &read.index, frame, window, &read.bytes, AIR_HU, &mut hu)?;
        Ok(FramePixels::of_hu(&hu))
    };
    cpu.run(work).await.map_err(|error| Reason::new(ReasonCode::PixelData, error.to_string()))?
}
