//! The digest of a file's stored values, frame by frame.

use std::sync::Arc;

use bolus_ct::{Instance, pixel};
use bolus_ops::CpuPool;
use bolus_storage::ObjectRef;
use bolus_study::{PixelWindow, Reason, ReasonCode};
use sha2::{Digest, Sha256};

use crate::frames::{FrameIndexes, Reading};
use crate::headers::read_instance;
use crate::progress::Progress;

/// The header of `object`, and SHA-256 of its stored values in lower-case hexadecimal, or why they cannot be decoded. One
/// frame is in memory at a time.
///
/// # Errors
/// The [`Reason`] why the object is no instance.
pub async fn pixel_digest(
    object: &ObjectRef,
    cpu: &CpuPool,
    progress: &Progress,
) -> Result<(Arc<Instance>, Result<String, Reason>), Reason> {
    let instance = Arc::new(read_instance(object, cpu, progress).await?);
    let digest = digest_of(&instance, Reading { object, cpu, progress }).await;
    Ok((instance, digest))
}

async fn digest_of(instance: &Arc<Instance>, reading: Reading<'_>) -> Result<String, Reason> {
    let no_image = || Reason::new(ReasonCode::NoPixelData, "the instance has no image");
    let format = instance.format.as_ref().ok_or_else(no_image)?;
    let window = PixelWindow::whole(format.rows, format.columns);
    let indexes = FrameIndexes::default();
    let mut digest = Sha256::new();
    let mut values = Vec::new();
    for frame in 0..format.frames {
        let read = indexes.read(0, instance, frame, window, reading).await?;
        let instance = Arc::clone(instance);
        let work = move || {
            pixel::stored_frame(&instance, &read.index, frame, &read.bytes, &mut values)?;
            digest.update(&values);
            Ok::<_, Reason>((digest, values))
        };
        let decoded = reading.cpu.run(work).await;
        (digest, values) = decoded.map_err(|error| Reason::new(ReasonCode::PixelData, error.to_string()))??;
    }
    Ok(hex::encode(digest.finalize()))
}
