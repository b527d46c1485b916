//! The pixels of frames that may be copies of each other: read before their series is known, only where headers leave it open.

use std::sync::Arc;

use bolus_ct::{Contested, FramePixels, Grouping, Member, SeenPixels, Series};
use bolus_ops::{CpuError, CpuPool};
use bolus_storage::ObjectRef;
use bolus_study::{Reason, ReasonCode};
use futures::stream::{self, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::error::LabelingError;
use crate::frames::{FETCH_AHEAD, FrameIndexes, Reading};
use crate::progress::Progress;
use crate::refused::FileRefusal;

/// The series of `members`, by the pixels of the frames that decide; and why one of these could not be read, where that may pass. Should
/// a header make grouping panic, the files go to `refused`.
///
/// # Errors
/// [`LabelingError::Cancelled`] on request.
pub(crate) async fn series(
    members: Vec<Member>,
    objects: &[ObjectRef],
    refused: &mut Vec<FileRefusal>,
    cpu: &CpuPool,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<(Vec<Series>, Option<Reason>), LabelingError> {
    let grouped: Vec<usize> = members.iter().map(|member| member.object).collect();
    match settled(members, objects, cpu, progress, cancel).await {
        Ok(settled) => settled,
        Err(error) => {
            let reason = Reason::new(ReasonCode::BadDicom, error.to_string());
            let objects = grouped.into_iter().filter_map(|place| objects.get(place));
            refused.extend(objects.map(|object| FileRefusal {
                uri: object.uri.clone(),
                etag: object.etag.clone(),
                reason: reason.clone(),
            }));
            Ok((Vec::new(), None))
        }
    }
}

async fn settled(
    members: Vec<Member>,
    objects: &[ObjectRef],
    cpu: &CpuPool,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<Result<(Vec<Series>, Option<Reason>), LabelingError>, CpuError> {
    let indexes = &FrameIndexes::default();
    let grouping = Arc::new(cpu.run(move || Grouping::of(members)).await?);
    let mut seen = SeenPixels::new();
    loop {
        let asked = Arc::clone(&grouping);
        let (settled, known) = cpu.run(move || (asked.settle(&seen), seen)).await?;
        seen = known;
        let contested = match settled {
            Ok(series) => return Ok(Ok((series, seen.values().find_map(FramePixels::transient).cloned()))),
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
            return Ok(Err(LabelingError::Cancelled));
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
