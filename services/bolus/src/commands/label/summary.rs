//! The account of a run, as it is told at its end.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::exit;

/// The account of a run: `files_seen = files_used + Σ files_refused`.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// Files found, members of archives one by one.
    pub files_seen: usize,
    /// Files that went into a label, now or in an earlier run.
    pub files_used: usize,
    /// Files that did not, by reason; `not_reached` are those that a stopped run left for the next.
    pub files_refused: BTreeMap<&'static str, usize>,
    /// Series labelled now.
    pub series_labelled: usize,
    /// Series that the lake had already.
    pub series_skipped: usize,
    /// Series that are not for the bundle.
    pub series_refused: usize,
    /// Series that should have been labelled and could not be.
    pub series_failed: usize,
    /// Slices that the networks scored, of the series labelled now.
    pub slices_scored: usize,
    /// Slices that the bundles plan for these series; more than were scored where labels are adaptive.
    pub slices_planned: usize,
    /// Slices whose pixel data was fetched, looks at the body part included.
    pub slices_fetched: u64,
    /// The device that ran the first network and why, for people; none where no network was needed.
    pub device: Option<String>,
    /// Whether the run was stopped before it was done.
    pub stopped: bool,
    /// Seconds until the network was loaded and checked.
    pub startup_seconds: f64,
    /// Seconds of the whole run.
    pub elapsed_seconds: f64,
}

impl Summary {
    /// Ends the account: what a stopped run did not come to is told under a name of its own.
    pub fn close(&mut self, stopped: bool) {
        self.stopped = stopped;
        let told = self.files_used + self.files_refused.values().sum::<usize>();
        let missing = self.files_seen.saturating_sub(told);
        if stopped && missing > 0 {
            self.files_refused.insert("not_reached", missing);
        }
    }

    /// 0 all labelled, 3 some refused or failed, 1 nothing could be done, 130 stopped on request.
    pub fn exit_code(&self) -> u8 {
        if self.stopped {
            exit::INTERRUPTED
        } else if self.series_labelled + self.series_skipped == 0 {
            exit::NOTHING_DONE
        } else if self.files_refused.is_empty() && self.series_refused + self.series_failed == 0 {
            0
        } else {
            exit::SOME_REFUSED
        }
    }
}
