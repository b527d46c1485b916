//! The bytes of frames: where they lie is found once for each file, and kept while its series is worked on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bolus_ct::pixel::{self, FrameIndex, FrameIndexer, IndexStep};
use bolus_ct::{Instance, PixelFormat};
use bolus_ops::CpuPool;
use bolus_storage::ObjectRef;
use bolus_study::{PixelWindow, Reason, ReasonCode};
use bytes::Bytes;
use tokio::sync::{OnceCell, SemaphorePermit};

use crate::budget::PIXELS;
use crate::progress::Progress;

/// Bytes of memory for each pixel of a frame that is decoded: its samples, and its values in Hounsfield units.
const DECODED_BYTES_A_PIXEL: u64 = 8;

/// Frames in flight beyond one a CPU thread, so that fetching runs ahead of decoding. What they take together is bounded by the
/// budget of pixels.
pub(crate) const FETCH_AHEAD: usize = 6;
/// HU of padding where nothing else is asked for.
const AIR_HU: f32 = -1024.0;

/// What is read with.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub object: &'a ObjectRef,
    pub cpu: &'a CpuPool,
    pub progress: &'a Progress,
}

impl Reading<'_> {
    /// Runs `work` on pixel data off the async threads; a panic there is the file's fault.
    pub async fn decode<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T, Reason> + Send + 'static,
    ) -> Result<T, Reason> {
        self.cpu.run(work).await.map_err(|error| Reason::new(ReasonCode::PixelData, error.to_string()))?
    }

    /// Decodes `window` of a frame that was read, and says what `of` makes of its values in Hounsfield units, row by row.
    pub async fn hu<T: Send + 'static>(
        self,
        read: FrameBytes,
        instance: &Arc<Instance>,
        frame: usize,
        window: PixelWindow,
        of: impl FnOnce(&[f32]) -> T + Send + 'static,
    ) -> Result<T, Reason> {
        let instance = Arc::clone(instance);
        let work = move || {
            let mut hu = Vec::new();
            pixel::decode_indexed_hu(&instance, &read.index, frame, window, &read.bytes, AIR_HU, &mut hu)?;
            Ok(of(&hu))
        };
        self.decode(work).await
    }
}

/// One frame's bytes, and what tells how they are to be read.
pub(crate) struct FrameBytes {
    pub index: Arc<FrameIndex>,
    pub bytes: Bytes,
    /// The memory that decoding them may take; given back when this is dropped.
    _memory: Option<SemaphorePermit<'static>>,
}

/// The indexes of the files of a series.
#[derive(Default)]
pub(crate) struct FrameIndexes {
    by_object: Mutex<HashMap<usize, Arc<Indexed>>>,
}

/// The indexes of a file. A refusal is kept as well, or each frame would find it anew.
#[derive(Default)]
struct Indexed {
    by_table: OnceCell<Result<Arc<FrameIndex>, Reason>>,
    by_walk: OnceCell<Result<Arc<FrameIndex>, Reason>>,
}

impl FrameIndexes {
    /// Reads what `window` of `frame` needs. `file` is the file's number, the same for all its frames.
    ///
    /// # Errors
    /// The [`Reason`] why the frame cannot be read.
    pub async fn read(
        &self,
        file: usize,
        instance: &Instance,
        frame: usize,
        window: PixelWindow,
        reading: Reading<'_>,
    ) -> Result<FrameBytes, Reason> {
        let object = reading.object;
        // Most files have one frame or native ones: their header tells all.
        let known = FrameIndexer::begin(instance, object.size)?;
        let index = match known {
            IndexStep::Done(index) => Arc::new(index),
            IndexStep::More(indexer) => {
                let cell = self.of(file);
                kept(cell.by_table.get_or_try_init(|| settled(found(indexer, reading))).await)?
            }
        };
        let read = fetch(index, instance, frame, window, reading).await?;
        if read.index.holds(frame, &read.bytes) {
            return Ok(read);
        }
        drop(read);
        let cell = self.of(file);
        let walked = cell.by_walk.get_or_try_init(|| {
            settled(async {
                match FrameIndexer::begin_without_tables(instance, object.size)? {
                    IndexStep::Done(index) => Ok(index),
                    IndexStep::More(indexer) => found(indexer, reading).await,
                }
            })
        });
        fetch(kept(walked.await)?, instance, frame, window, reading).await
    }

    /// Reads all of `frame`; also gives the window that is.
    ///
    /// # Errors
    /// The [`Reason`] why the frame cannot be read.
    pub async fn read_whole(
        &self,
        file: usize,
        instance: &Instance,
        frame: usize,
        reading: Reading<'_>,
    ) -> Result<(FrameBytes, PixelWindow), Reason> {
        let missing = || Reason::new(ReasonCode::Unreadable, "the slice has no object");
        let format = instance.format.as_ref().ok_or_else(missing)?;
        let window = PixelWindow::whole(format.rows, format.columns);
        Ok((self.read(file, instance, frame, window, reading).await?, window))
    }

    fn of(&self, file: usize) -> Arc<Indexed> {
        let mut by_object = self.by_object.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(by_object.entry(file).or_default())
    }
}

async fn fetch(
    index: Arc<FrameIndex>,
    instance: &Instance,
    frame: usize,
    window: PixelWindow,
    reading: Reading<'_>,
) -> Result<FrameBytes, Reason> {
    let range = index.byte_range(instance, frame, window);
    let memory = (range.end - range.start).saturating_add(decoded_bytes(instance.format.as_ref()));
    let memory = PIXELS.reserve(memory).await;
    let bytes = reading.object.read_range(range).await.map_err(|error| error.reason())?;
    reading.progress.bytes_read.add(bytes.len() as u64);
    Ok(FrameBytes { index, bytes, _memory: memory })
}

fn decoded_bytes(format: Option<&PixelFormat>) -> u64 {
    format.map_or(0, |format| {
        let pixels = (format.rows as u64).saturating_mul(format.columns as u64);
        pixels.saturating_mul(format.samples_per_pixel.into()).saturating_mul(DECODED_BYTES_A_PIXEL)
    })
}

/// Reads what the indexer wants until it is done.
async fn found(mut indexer: FrameIndexer, reading: Reading<'_>) -> Result<FrameIndex, Reason> {
    loop {
        let bytes = reading.object.read_range(indexer.wanted()).await.map_err(|error| error.reason())?;
        reading.progress.bytes_read.add(bytes.len() as u64);
        match reading.decode(move || indexer.feed(&bytes)).await? {
            IndexStep::Done(index) => return Ok(index),
            IndexStep::More(later) => indexer = later,
        }
    }
}

/// Splits what may pass from what stays: only the latter is worth keeping.
async fn settled(
    index: impl Future<Output = Result<FrameIndex, Reason>>,
) -> Result<Result<Arc<FrameIndex>, Reason>, Reason> {
    match index.await {
        Ok(index) => Ok(Ok(Arc::new(index))),
        Err(reason) if reason.is_transient() => Err(reason),
        Err(reason) => Ok(Err(reason)),
    }
}

fn kept(outcome: Result<&Result<Arc<FrameIndex>, Reason>, Reason>) -> Result<Arc<FrameIndex>, Reason> {
    outcome?.clone()
}
