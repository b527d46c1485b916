//! What every service needs and no domain knows: the CPU pool, logging and shutdown.
//!
//! Invariant: knows nothing of DICOM, models or tables.

mod cpu;
mod logging;
mod shutdown;

pub use cpu::{CpuError, CpuPool};
pub use logging::init_logging;
pub use shutdown::cancel_on_signal;
