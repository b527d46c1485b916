//! How far probabilities can be taken at their word, and whether a fit should take the place of what is there.

use serde::Serialize;

use super::fit::ENOUGH;
use crate::statistics::{Case, Figure, figures};

/// How far probabilities can be taken at their word.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// Brier score.
    pub brier: Option<f64>,
    /// Expected calibration error.
    pub calibration_error: Option<f64>,
    /// Log-loss.
    pub log_loss: Option<f64>,
}

impl Quality {
    /// The quality of the scores of `cases` as probabilities.
    #[must_use]
    pub fn of(cases: &[Case]) -> Self {
        let figures = figures(cases);
        Self {
            brier: figures.get(Figure::Brier),
            calibration_error: figures.get(Figure::CalibrationError),
            log_loss: figures.get(Figure::LogLoss),
        }
    }
}

/// Why a fit should not take the place of what is there.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Doubt {
    /// It rests on too little.
    #[error("it rests on {enhanced} enhanced and {native} native series; {ENOUGH} of each make a fit worth having")]
    Few {
        /// Enhanced series.
        enhanced: usize,
        /// Native series.
        native: usize,
    },
    /// A figure gets worse on series that the fit has not seen.
    #[error("on series held out its {figure} is {held_out:.4}, worse than today's {now:.4}")]
    Worse {
        /// The figure's name.
        figure: &'static str,
        /// With fits on other series.
        held_out: f64,
        /// As the bundle calibrates now.
        now: f64,
    },
}

/// What speaks against a fit on `enhanced` and `native` series: too few of a class, or Brier score or log-loss worse on series
/// held out than as the bundle calibrates `now`. Both are proper scores: an honest probability has the least.
#[must_use]
pub fn doubts(enhanced: usize, native: usize, now: &Quality, held_out: Option<&Quality>) -> Vec<Doubt> {
    let few = (enhanced.min(native) < ENOUGH).then_some(Doubt::Few { enhanced, native });
    let worse = |figure: &'static str, of: fn(&Quality) -> Option<f64>| {
        let (held_out, now) = (of(held_out?)?, of(now)?);
        (held_out > now).then_some(Doubt::Worse { figure, held_out, now })
    };
    let scores = [worse("Brier score", |quality| quality.brier), worse("log-loss", |quality| quality.log_loss)];
    few.into_iter().chain(scores.into_iter().flatten()).collect()
}
