//! A fit by one of three methods, and the probability that it makes of an aggregate.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::{isotonic, logistic};
use crate::statistics::{Case, EDGE, Undefined, both_classes};

/// Fewest series of a class that anything is fitted on.
pub const FEWEST: usize = 3;
/// Fewest series of a class that a fit is worth having on.
pub const ENOUGH: usize = 50;

/// How aggregates become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// `sigmoid(scale · logit(raw))`: one number (Guo et al. 2017).
    Temperature,
    /// `sigmoid(scale · logit(raw) + shift)`: two numbers (Platt 1999).
    Platt,
    /// A rising function, straight between its knots (Zadrozny & Elkan 2002).
    Isotonic,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 3] = [Self::Temperature, Self::Platt, Self::Isotonic];

    /// The name used in arguments and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::Platt => "platt",
            Self::Isotonic => "isotonic",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Method {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let named = |method: &Self| method.as_str() == text;
        let unknown = || format!("unknown method {text:?}: expected temperature, platt or isotonic");
        Self::ALL.into_iter().find(named).ok_or_else(unknown)
    }
}

/// What has been fitted.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "form")]
pub enum Fit {
    /// `sigmoid(scale · logit(raw) + shift)`.
    Sigmoid {
        /// Factor on the logit, positive.
        scale: f64,
        /// Term added to it.
        shift: f64,
    },
    /// Straight between knots, level beyond the outermost.
    Knots {
        /// Aggregates, rising.
        raw: Vec<f64>,
        /// What they become, rising.
        calibrated: Vec<f64>,
    },
}

impl Fit {
    /// The calibrated probability of an aggregate.
    #[must_use]
    pub fn apply(&self, raw: f64) -> f64 {
        match self {
            Self::Sigmoid { scale, shift } => logistic::sigmoid(scale * logit(raw) + shift),
            Self::Knots { raw: knots, calibrated } => isotonic::between(knots, calibrated, raw),
        }
    }
}

/// Why nothing can be fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// A class is missing.
    #[error(transparent)]
    Undefined(#[from] Undefined),
    /// There is too little to fit anything on.
    #[error(
        "{enhanced} enhanced and {native} native series are too few: at least {FEWEST} of each are needed, \
         and {ENOUGH} make a fit worth having"
    )]
    TooFew {
        /// Enhanced series.
        enhanced: usize,
        /// Native series.
        native: usize,
    },
    /// Higher aggregates do not mean contrast more often.
    #[error(
        "the bundle's scores do not rise with the truth: no calibration makes sense of them; look at the \
         labels, and at `bolus evaluate`"
    )]
    NotRising,
}

/// A series to fit on: the score of the case is the aggregate before calibration.
///
/// # Errors
/// [`FitError`], where a class is missing or all but, or the scores tell nothing.
pub fn fit(method: Method, cases: &[Case]) -> Result<Fit, FitError> {
    let (enhanced, native) = both_classes(cases)?;
    if enhanced.min(native) < FEWEST {
        return Err(FitError::TooFew { enhanced, native });
    }
    let target = |case: &Case| {
        if case.positive { (enhanced as f64 + 1.0) / (enhanced as f64 + 2.0) } else { 1.0 / (native as f64 + 2.0) }
    };
    match method {
        Method::Temperature | Method::Platt => {
            let points: Vec<[f64; 2]> = cases.iter().map(|case| [logit(case.score), target(case)]).collect();
            let (scale, shift) = logistic::fit(&points, method == Method::Platt);
            if scale > 0.0 { Ok(Fit::Sigmoid { scale, shift }) } else { Err(FitError::NotRising) }
        }
        Method::Isotonic => {
            let points: Vec<[f64; 2]> = cases.iter().map(|case| [case.score, target(case)]).collect();
            let (raw, calibrated) = isotonic::knots(&points);
            if raw.len() > 1 { Ok(Fit::Knots { raw, calibrated }) } else { Err(FitError::NotRising) }
        }
    }
}

/// The logarithm of the odds, finite at 0 and 1 too.
pub(super) fn logit(raw: f64) -> f64 {
    let edged = raw.clamp(EDGE, 1.0 - EDGE);
    (edged / (1.0 - edged)).ln()
}
