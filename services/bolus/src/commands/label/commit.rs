//! The one task that writes: group commits to the lake, and the report of what has landed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bolus_labeling::{Labeled, PartId};
use bolus_lake::{AppendOptions, Lake};
use bolus_study::LabelRow;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::report::Report;

/// Rows that may wait for the writing task.
const WAITING_ROWS: usize = 64;
/// Rows in one commit at most.
const ROWS_A_COMMIT: usize = 512;
/// How long the first rows of a run wait for company: short, since somebody is looking.
const FIRST_LINGER: Duration = Duration::from_millis(200);
/// How long later rows wait, which keeps a run at about one commit a second.
const LINGER: Duration = Duration::from_secs(1);

/// What goes to the writing task.
pub enum Entry {
    /// A series that has ended as a row, with its pictures, and the part of the inputs that it is of.
    Series(Box<Labeled>, Option<PartId>),
    /// A file that has ended as a row.
    File(Box<LabelRow>),
    /// What was told of a part no longer holds: all of it comes now.
    Replaced(PartId),
}

impl Entry {
    fn row(&self) -> Option<&LabelRow> {
        match self {
            Self::Series(labeled, _) => Some(&labeled.row),
            Self::File(row) => Some(row),
            Self::Replaced(_) => None,
        }
    }
}

/// A handle to the writing task.
pub struct Committer {
    entries: mpsc::Sender<Entry>,
    task: JoinHandle<anyhow::Result<Report>>,
}

impl Committer {
    /// Starts the task.
    pub fn start(lake: Arc<Lake>, relabel: bool, report: Report) -> Self {
        let (entries, waiting) = mpsc::channel(WAITING_ROWS);
        let options = AppendOptions { relabel, ..AppendOptions::default() };
        let task = tokio::spawn(write_all(lake, options, report, waiting));
        Self { entries, task }
    }

    /// Hands an entry over; false when the task has ended with an error, which [`Committer::finish`] gives.
    pub async fn push(&self, entry: Entry) -> bool {
        self.entries.send(entry).await.is_ok()
    }

    /// Commits what waits and gives the report back.
    pub async fn finish(self) -> anyhow::Result<Report> {
        drop(self.entries);
        self.task.await.context("the writing task ended unexpectedly")?
    }
}

async fn write_all(
    lake: Arc<Lake>,
    options: AppendOptions,
    mut report: Report,
    mut waiting: mpsc::Receiver<Entry>,
) -> anyhow::Result<Report> {
    let mut linger = FIRST_LINGER;
    loop {
        let batch = next_batch(&mut waiting, linger).await;
        if batch.is_empty() {
            lake.finish().await;
            return Ok(report);
        }
        let rows: Vec<LabelRow> = batch.iter().filter_map(Entry::row).cloned().collect();
        if !rows.is_empty() {
            let commit = lake.append(&rows, &options).await;
            let commit = commit.context("cannot commit to the lake; what landed before is safe")?;
            tracing::info!(version = ?commit.version, rows = commit.appended, already_there = commit.already_there, "committed");
        }
        for entry in &batch {
            match entry {
                Entry::Series(labeled, part) => report.series(labeled, *part)?,
                Entry::Replaced(part) => report.forget(*part),
                Entry::File(_) => {}
            }
        }
        linger = LINGER;
    }
}

/// The next rows to commit together; empty when the run is over.
async fn next_batch(waiting: &mut mpsc::Receiver<Entry>, linger: Duration) -> Vec<Entry> {
    let Some(first) = waiting.recv().await else { return Vec::new() };
    let deadline = Instant::now() + linger;
    let mut batch = vec![first];
    while batch.len() < ROWS_A_COMMIT {
        match tokio::time::timeout_at(deadline, waiting.recv()).await {
            Ok(Some(entry)) => batch.push(entry),
            Ok(None) | Err(_) => break,
        }
    }
    batch
}
