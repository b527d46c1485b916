//! What labels are worth against the truth: the labelled set, and the statistics over it.
//!
//! Invariant: no input or output, no clock, and random numbers only from a seed that the caller gives, so that the same rows give
//! the same figures to the bit. Invariant: a figure that cannot be had (one class only, no series) is `None`, never NaN.

pub mod calibration;
pub mod report;
pub mod statistics;
pub mod truth;
