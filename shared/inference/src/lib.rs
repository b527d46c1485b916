//! Model bundles and the networks in them: loading, checking, batching across series, execution on CPU or CUDA.
//!
//! Invariant: the only crate that knows ONNX Runtime. A bundle that fails any check is refused, never used with a warning.

mod bundle;
mod decision;
mod engine;
mod error;
mod manifest;
mod queue;
mod runtime;
mod session;

pub use bundle::Bundle;
pub use decision::Decision;
pub use engine::{BatchObserver, Engine, EngineOptions};
pub use error::{InferenceError, Kind};
pub use manifest::{Aggregation, Calibration, DecisionSpec, Dtype, Layout, Manifest, NetworkSpec, ReferenceSpec};
pub use runtime::{CudaOptions, Device, DeviceChoice};
