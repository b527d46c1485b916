//! Cases in the order of their scores, with what each adds to a figure, so that a resample costs one pass.

use super::Case;
use super::reliability::{bin_of, log_loss};

/// Cases sorted by falling score, and where each run of equal scores ends.
pub(super) struct Ranked {
    pub(super) cases: Vec<RankedCase>,
    /// The end of each run of equal scores.
    pub(super) run_ends: Vec<usize>,
}

/// A case with what it adds to the figures that are means.
#[derive(Clone, Copy)]
pub(super) struct RankedCase {
    pub(super) case: Case,
    /// Squared distance of score and truth.
    pub(super) squared_error: f64,
    /// Negative logarithm of the probability given to the truth.
    pub(super) log_loss: f64,
    /// The bin of its score.
    pub(super) bin: usize,
}

impl Ranked {
    pub(super) fn new(cases: &[Case]) -> Self {
        let mut cases: Vec<RankedCase> = cases.iter().map(|case| RankedCase::new(*case)).collect();
        cases.sort_by(|a, b| b.case.score.total_cmp(&a.case.score));
        let mut run_ends = Vec::new();
        let mut end = 0;
        for run in cases.chunk_by(|a, b| a.case.score == b.case.score) {
            end += run.len();
            run_ends.push(end);
        }
        Self { cases, run_ends }
    }

    /// The runs of equal scores, from the highest.
    pub(super) fn runs(&self) -> impl Iterator<Item = &[RankedCase]> {
        let starts = std::iter::once(0).chain(self.run_ends.iter().copied());
        starts.zip(&self.run_ends).map(move |(start, end)| &self.cases[start..*end])
    }
}

impl RankedCase {
    fn new(case: Case) -> Self {
        let truth = if case.positive { 1.0 } else { 0.0 };
        Self {
            case,
            squared_error: (case.score - truth) * (case.score - truth),
            log_loss: log_loss(case.score, case.positive),
            bin: bin_of(case.score),
        }
    }
}
