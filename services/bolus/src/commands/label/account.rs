//! The account of a run: every file and series once.

use std::collections::{BTreeMap, HashMap};

use bolus_labeling::{Labeled, PartId};
use bolus_study::{Reason, Status};

use super::summary::Summary;

/// What a part of the inputs adds to the account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub files_seen: usize,
    pub files_used: usize,
    pub files_refused: BTreeMap<&'static str, usize>,
    pub series_labelled: usize,
    pub series_skipped: usize,
    pub series_refused: usize,
    pub series_failed: usize,
    pub slices_scored: usize,
    pub slices_planned: usize,
}

impl Tally {
    /// Counts a file that did not go into a label.
    pub fn refuse(&mut self, reason: &Reason) {
        *self.files_refused.entry(reason.code.as_str()).or_insert(0) += 1;
    }

    /// Counts the files of a series: those refused by reason, the others as used.
    pub fn files<'r>(&mut self, files: usize, refused: impl IntoIterator<Item = &'r Reason>) {
        let mut count = 0;
        for reason in refused {
            self.refuse(reason);
            count += 1;
        }
        self.files_used += files.saturating_sub(count);
    }

    /// Counts a series that has ended now.
    pub fn series(&mut self, labeled: &Labeled) {
        match labeled.row.status() {
            Status::Labelled => self.series_labelled += 1,
            Status::Refused => self.series_refused += 1,
            Status::Failed => self.series_failed += 1,
        }
        if let Some(prediction) = labeled.row.prediction() {
            self.slices_scored += prediction.slices.len();
            self.slices_planned += prediction.slices_planned.unwrap_or(0);
        }
        let refused = labeled.refused_files.iter();
        let refused = refused.filter(|(object, _)| labeled.counted_files.binary_search(object).is_ok());
        self.files(labeled.counted_files.len(), refused.map(|(_, reason)| reason));
    }

    fn each(&self) -> [usize; 8] {
        [
            self.files_seen,
            self.files_used,
            self.series_labelled,
            self.series_skipped,
            self.series_refused,
            self.series_failed,
            self.slices_scored,
            self.slices_planned,
        ]
    }

    fn each_mut(&mut self) -> [&mut usize; 8] {
        [
            &mut self.files_seen,
            &mut self.files_used,
            &mut self.series_labelled,
            &mut self.series_skipped,
            &mut self.series_refused,
            &mut self.series_failed,
            &mut self.slices_scored,
            &mut self.slices_planned,
        ]
    }

    fn change(&mut self, other: &Self, by: fn(usize, usize) -> usize) {
        for (mine, theirs) in self.each_mut().into_iter().zip(other.each()) {
            *mine = by(*mine, theirs);
        }
        for (code, count) in &other.files_refused {
            let mine = self.files_refused.entry(code).or_insert(0);
            *mine = by(*mine, *count);
        }
        self.files_refused.retain(|_, count| *count > 0);
    }
}

/// What has been counted. Remembers what each series of loose files has added, some 200 bytes a series: one that comes back with more files
/// counts anew.
#[derive(Debug, Default)]
pub struct Account {
    all: Tally,
    parts: HashMap<PartId, Tally>,
}

impl Account {
    /// Adds what has become of (a part of) a series, or of files of none.
    pub fn add(&mut self, part: Option<PartId>, tally: &Tally) {
        self.all.change(tally, usize::saturating_add);
        if let Some(part) = part {
            self.parts.entry(part).or_default().change(tally, usize::saturating_add);
        }
    }

    /// Takes back all that was added for a series.
    pub fn take_back(&mut self, part: PartId) {
        if let Some(tally) = self.parts.remove(&part) {
            self.all.change(&tally, usize::saturating_sub);
        }
    }

    /// The account so far.
    pub fn summary(self) -> Summary {
        let all = self.all;
        Summary {
            files_seen: all.files_seen,
            files_used: all.files_used,
            files_refused: all.files_refused,
            series_labelled: all.series_labelled,
            series_skipped: all.series_skipped,
            series_refused: all.series_refused,
            series_failed: all.series_failed,
            slices_scored: all.slices_scored,
            slices_planned: all.slices_planned,
            ..Summary::default()
        }
    }
}
