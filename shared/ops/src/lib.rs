//! What every service needs and no domain knows: configuration, the CPU pool, logs and traces, metrics, health and shutdown.
//!
//! Invariant: knows nothing of DICOM, models or tables.

pub mod backoff;
pub mod config;
mod connections;
mod cpu;
mod descriptors;
pub mod files;
pub mod health;
pub mod http;
mod logging;
pub mod metrics;
pub mod printable;
pub mod scratch;
mod shutdown;
pub mod telemetry;

pub use cpu::{CpuError, CpuPool, threads_or_cores};
pub use descriptors::raise_open_files;
pub use logging::init_logging;
pub use shutdown::{ShutdownConfig, cancel_on_signal};
