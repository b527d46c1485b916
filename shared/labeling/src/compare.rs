//! The pixels of frames that may be copies of each other: read before their series is known, only where headers leave it open.

use bolus_ct::{Contested, FramePixels, Grouping, SeenPixels, Series};
use bolus_ops::CpuPool;
use bolus_storage::ObjectRef;
use bolus_study::{Reason, ReasonCode};
use futures::stream::{self, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::error::LabelingError;
use crate::frames::{FETCH_AHEAD, FrameIndexes, Reading};
use crate::progress::Progress;

/// The series of `grouping`, by the pixels of the frames that decide; and why one of these could not be read, where that may pass.
///
/// # Errors
/// [`LabelingError::Cancelled`] on request.
pub(crate) async fn series(
    grouping: &Grouping,
    objects: &[ObjectRef],
    cpu: &CpuPool,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<(Vec<Series>, Option<Reason>), LabelingError> {
    let indexes = &FrameIndexes::default();
    let mut seen = SeenPixels::new();
    loop {
        let contested = match grouping.settle(&seen) {
            Ok(series) => return Ok((series, seen.values().find_map(FramePixels::transient).cloned())),
            Err(contested) => contested,
        };
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
        if cancel.is_cancelled() {
            return Err(LabelingError::Cancelled);
        }
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
    let Contested { object: file, frame, instance } = contested;
    let object = objects.get(*file).ok_or_else(missing)?;
    let reading = Reading { object, cpu, progress };
    let (read, window) = indexes.read_whole(*file, instance, *frame, reading).await?;
    reading.hu(read, instance, *frame, window, FramePixels::of_hu).await
}
