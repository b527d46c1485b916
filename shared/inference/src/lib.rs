//! Model bundles and the networks in them: loading, checking, batching across series, execution on CPU or CUDA.
//!
//! Invariant: the only crate that knows ONNX Runtime. A bundle that fails any check is refused, never used with a warning.

mod adaptive;
mod bundle;
mod calibration;
mod decision;
mod engine;
mod error;
mod manifest;
mod onnx;
mod options;
mod pack;
mod patience;
mod queue;
mod runtime;
mod session;
mod set;
mod telemetry;
mod turns;
mod verify;

pub use adaptive::Adaptive;
pub use bundle::Bundle;
pub use calibration::Calibration;
pub use decision::Decision;
pub use engine::Engine;
pub use error::{InferenceError, Kind};
pub use manifest::{
    AdaptiveSpec, Aggregation, DecisionSpec, Dtype, FewSlices, Layout, Manifest, NetworkSpec, Precision, ReferenceSpec,
    TrainingStatement,
};
pub use options::{BatchObserver, EngineOptions};
pub use pack::Packed;
pub use patience::PATIENCE;
pub use runtime::{CudaOptions, Device, DeviceChoice};
pub use set::{AUTO, BundleSet};
pub use telemetry::disable_telemetry;
pub use turns::Turns;
pub use verify::Verified;
