//! From the decoded slices of one series to the tensor that a network takes, driven wholly by a bundle's [`Spec`].
//!
//! The order of operations is that of `schemas/bundle.md`: orient, resample to millimetres, crop, keep the slab, map the values.
//! Trilinear interpolation is separable, so each source slice is resampled in its plane as soon as it is decoded ([`Plan::resample_plane`])
//! and only planes of the output's size are kept until the slab is put together ([`Plan::assemble`]): memory does not grow with the
//! series. A [`Plan`] is made from the geometry alone, so that only the slices and pixels it names are ever fetched and decoded.
//!
//! Invariant: no input or output, no async, no random numbers; the same input gives the same bits.

mod axis;
mod look;
mod occlusion;
mod plan;
pub mod plausible;
mod slab;
mod spec;
mod spread;

pub use look::{PlaneLook, Sighting, sight};
pub use occlusion::{HeatMap, OcclusionError, OcclusionGrid, logit_drop};
pub use plan::{Blend, OutputSlice, Plan, geometry_judgement};
pub use slab::{Slab, Tensor};
pub use spec::{Alignment, GantryTilt, Scale, ShortSeries, Spec, SpecError};
