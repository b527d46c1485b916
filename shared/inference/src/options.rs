//! How a network is run: where, on how many threads, and who is told of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::runtime::{CudaOptions, Device, DeviceChoice};

/// Most sessions on the CPU: each holds the weights (80 MB of an EfficientNetB4).
const MOST_SESSIONS: usize = 4;

/// How a network is run.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The device.
    pub device: DeviceChoice,
    /// What the CUDA provider is told.
    pub cuda: CudaOptions,
    /// CPU threads for the network, over all sessions.
    pub threads: usize,
    /// Most slices in one batch; memory grows with it. None leaves it to the device: 4 on a CPU, where more are no faster, 32 on CUDA.
    pub batch: Option<usize>,
    /// Slices scored so far, for a display.
    pub scored: Arc<AtomicU64>,
    /// Told of every batch, for metrics.
    pub on_batch: Option<BatchObserver>,
}

impl EngineOptions {
    /// Slices in one batch on that device.
    pub(crate) fn batch_on(&self, device: &Device) -> usize {
        self.batch.unwrap_or(if device.cuda.is_some() { 32 } else { 4 }).max(1)
    }

    /// Sessions on the CPU.
    pub(crate) fn cpu_sessions(&self) -> usize {
        self.threads.clamp(1, MOST_SESSIONS)
    }
}

/// Somebody who is told of every batch: the slices in it, and how many it could have held. It is called on the inference
/// threads, so it must not block.
#[derive(Clone)]
pub struct BatchObserver(Arc<dyn Fn(usize, usize) + Send + Sync>);

impl BatchObserver {
    /// Wraps what is to be called.
    pub fn new(observe: impl Fn(usize, usize) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    /// Tells of a batch of `slices` that could have held `room`.
    pub(crate) fn tell(&self, slices: usize, room: usize) {
        (self.0)(slices, room);
    }
}

impl fmt::Debug for BatchObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BatchObserver")
    }
}
