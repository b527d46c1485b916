//! The digest of a file's stored values, frame by frame.

use std::collections::BTreeMap;
use std::sync::Arc;

use bolus_ct::{Instance, Series, pixel, undecodable};
use bolus_ops::CpuPool;
use bolus_storage::ObjectRef;
use bolus_study::{PixelWindow, Reason, ReasonCode};
use sha2::{Digest, Sha256};

use crate::frames::{FrameIndexes, Reading};
use crate::headers::read_instance;
use crate::prepare::lost_reason;
use crate::progress::Progress;

/// Why a file has no digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecoded {
    /// The reason of the first frame that cannot be decoded.
    pub reason: Reason,
    /// Whether that is all of the file: no frame of it can be.
    pub all_frames: bool,
}

/// The header of `object`, and SHA-256 of its stored values in lower-case hexadecimal, or why they cannot be decoded, by the
/// reason that its series has for it. One frame is in memory at a time.
///
/// # Errors
/// The [`Reason`] why the object is no instance.
pub async fn pixel_digest(
    object: &ObjectRef,
    cpu: &CpuPool,
    progress: &Progress,
) -> Result<(Arc<Instance>, Result<String, Undecoded>), Reason> {
    let instance = Arc::new(read_instance(object, cpu, progress).await?);
    let digest = digest_of(&instance, Reading { object, cpu, progress }).await;
    Ok((instance, digest))
}

async fn digest_of(instance: &Arc<Instance>, reading: Reading<'_>) -> Result<String, Undecoded> {
    let no_frame = |reason| Undecoded { reason, all_frames: true };
    if let Some(reason) = undecodable(instance) {
        return Err(no_frame(reason));
    }
    let no_image = || no_frame(Reason::new(ReasonCode::NoPixelData, "the instance has no image"));
    let format = instance.format.as_ref().ok_or_else(no_image)?;
    let window = PixelWindow::whole(format.rows, format.columns);
    let indexes = FrameIndexes::default();
    let mut digest = Sha256::new();
    let mut first = None;
    for frame in 0..format.frames {
        match (digest_frame(digest.clone(), instance, frame, window, &indexes, reading).await, first.take()) {
            (Ok(longer), None) => digest = longer,
            (Err(reason), None) if frame > 0 => return Err(Undecoded { reason, all_frames: false }),
            (Err(reason), None) => first = Some(reason),
            // The first frame is bad: is there a good one?
            (Err(_), Some(reason)) => first = Some(reason),
            (Ok(_), Some(reason)) => return Err(Undecoded { reason, all_frames: false }),
        }
    }
    match first {
        Some(reason) => Err(no_frame(reason)),
        None => Ok(hex::encode(digest.finalize())),
    }
}

/// `digest` with one more frame.
async fn digest_frame(
    mut digest: Sha256,
    instance: &Arc<Instance>,
    frame: usize,
    window: PixelWindow,
    indexes: &FrameIndexes,
    reading: Reading<'_>,
) -> Result<Sha256, Reason> {
    let read = indexes.read(0, instance, frame, window, reading).await?;
    let instance = Arc::clone(instance);
    let work = move || {
        let mut values = Vec::new();
        pixel::stored_frame(&instance, &read.index, frame, &read.bytes, &mut values)?;
        digest.update(&values);
        Ok(digest)
    };
    reading.decode(work).await
}

/// Why `series` cannot be labelled although its headers say nothing against it: no frame of its slices' files can be decoded. `undecoded` has such
/// files, by their index in the inventory.
#[must_use]
pub fn nothing_decoded(series: &Series, undecoded: &BTreeMap<usize, Reason>) -> Option<Reason> {
    let reasons: Option<Vec<&Reason>> = series.slices.iter().map(|slice| undecoded.get(&slice.object)).collect();
    let reasons = reasons?;
    lost_reason(reasons.iter().copied(), 0, format_args!("of {} slices", reasons.len()))
}
