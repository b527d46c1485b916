//! How networks are run.

use bolus_inference::{BatchObserver, CudaOptions, DeviceChoice, EngineOptions};
use bolus_labeling::Progress;
use bolus_ops::threads_or_cores;

/// What a program's user may say of how networks are run.
#[derive(Debug, Clone, Copy)]
pub struct EngineSettings {
    /// The device.
    pub device: DeviceChoice,
    /// Most bytes of GPU memory of the CUDA provider's arena.
    pub cuda_memory_bytes: Option<usize>,
    /// CPU threads; one a core where absent or 0.
    pub threads: Option<usize>,
    /// Slices in one batch; the device decides where absent.
    pub batch: Option<usize>,
}

impl EngineSettings {
    /// The options of engines whose scored slices are counted in `progress`, and which tell `on_batch` of their batches.
    #[must_use]
    pub fn options(self, progress: &Progress, on_batch: Option<BatchObserver>) -> EngineOptions {
        EngineOptions {
            device: self.device,
            cuda: CudaOptions { memory_limit_bytes: self.cuda_memory_bytes },
            threads: threads_or_cores(self.threads),
            batch: self.batch,
            scored: progress.slices_scored.shared(),
            on_batch,
        }
    }
}
