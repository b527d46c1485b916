//! Fitting what makes a bundle's aggregate a probability that can be taken at its word, and the band in which it does not decide.
//!
//! Three methods, from the fewest to the most degrees of freedom. All are fitted to Platt's smoothed targets, `(n₊ + 1) / (n₊ + 2)` for an
//! enhanced series and `1 / (n₋ + 2)` for a native one (Platt 1999), so that classes which the scores tell apart without an error do not
//! drive the fit to 0 and 1.

mod band;
mod fit;
mod folds;
mod isotonic;
mod logistic;
mod quality;

pub use band::{Band, BandLimits, fit_band};
pub use fit::{ENOUGH, FEWEST, Fit, FitError, Method, fit};
pub use folds::{FOLDS, held_out};
pub use quality::{Doubt, Quality, doubts};

#[cfg(test)]
mod tests;
