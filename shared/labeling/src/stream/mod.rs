//! Inputs to series, one after the other, while the listing goes on: memory does not depend on how much there is.
//!
//! A [`Feed`] lists, reads headers and gathers them to series in a task of its own. Series come out as [`Part`]s when they close
//! (see [`cutter`]); archives are parts of their own kind, expanded ahead while others are labelled. All queues are bounded, so who is
//! slow holds up who is fast, never memory.
//!
//! What comes out is what [`scan()`](crate::scan()) gives for the same inputs, series by series. Where a series goes on far away in the listing it
//! comes out twice: what was there first, and at the end all of it, as [`Part::came_back`] says.

mod cutter;
mod feeder;
mod held;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bolus_ops::CpuPool;
use bolus_storage::{ErrorKind, Location, Spool, list};
use futures::stream::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::LabelingError;
use crate::progress::Progress;
use crate::scan::Scan;
use feeder::Feeder;
use held::Limits;

/// Parts that wait to be taken.
const PARTS_AHEAD: usize = 4;

/// Files of other studies that may come between two of one without its series being labelled before all of it is known: what a
/// header reader does in well below a second.
const WINDOW: u64 = 1_000;
/// Headers of open series that stay in memory.
const HEADER_BYTES: usize = 48 << 20;
/// References to files that stay in memory.
const LOG_BYTES: usize = 8 << 20;

/// What tells the series of a feed's loose files apart.
pub type PartId = u128;

/// What a feed needs.
#[derive(Clone)]
pub struct FeedOptions {
    /// URIs that are left out with all that lies below them: the run's own files.
    pub excluded: Vec<String>,
    /// Where archives are expanded, and where references to files go that have no room in memory.
    pub spool: Spool,
    /// Reads headers and groups them.
    pub cpu: CpuPool,
    /// Told of files and headers.
    pub progress: Arc<Progress>,
    /// Ends the feed.
    pub cancel: CancellationToken,
}

/// One series with all its stacks, or files of no series. Every file is in one part, save where a part came back.
#[derive(Debug, Default)]
pub struct Part {
    /// The stacks of the series and its files, and files that are no part of any.
    pub scan: Scan,
    /// The series; none for files of no series and for archives, whose series are whole when they close.
    pub id: Option<PartId>,
    /// Whether the series was given before, without some of its files: this replaces it. Such parts come last.
    pub came_back: bool,
    /// Keeps the number of archives on the disk small.
    _archive: Option<Arc<OwnedSemaphorePermit>>,
}

/// A listing that becomes series, in a task of its own.
pub struct Feed {
    /// The parts, as they close.
    pub parts: mpsc::Receiver<Part>,
    /// Ends with the listing; an error after which parts may be missing.
    pub task: JoinHandle<Result<(), LabelingError>>,
    /// Ends the feed before its time.
    pub stop: CancellationToken,
}

impl Feed {
    /// Looks whether each of `inputs` is there, then starts on them.
    ///
    /// # Errors
    /// [`LabelingError::Storage`] when an input cannot be listed, before anything has been read; [`LabelingError::Cancelled`] on
    /// request.
    pub async fn start(inputs: &[Location], options: FeedOptions) -> Result<Self, LabelingError> {
        let limits = Limits { window: WINDOW, header_bytes: HEADER_BYTES, log_bytes: LOG_BYTES };
        Self::with_limits(inputs, options, limits).await
    }

    /// A feed that has ended without parts, for a run that is stopped before it begins.
    #[must_use]
    pub fn of_nothing() -> Self {
        let (_, parts) = mpsc::channel(1);
        Self { parts, task: tokio::spawn(std::future::ready(Ok(()))), stop: CancellationToken::new() }
    }

    /// Ends the feed, whatever it is at. Its outcome is of no interest then.
    pub async fn stop(self) {
        self.stop.cancel();
        drop(self.parts);
        let _ = self.task.await;
    }

    async fn with_limits(inputs: &[Location], options: FeedOptions, limits: Limits) -> Result<Self, LabelingError> {
        for input in inputs {
            look(input, &options.cancel).await?;
        }
        let (sender, parts) = mpsc::channel(PARTS_AHEAD);
        let stop = options.cancel.child_token();
        let options = FeedOptions { cancel: stop.clone(), ..options };
        let task = tokio::spawn(Feeder::new(options, limits, sender).run(inputs.to_vec()));
        Ok(Self { parts, task, stop })
    }
}

/// Looks whether `input` can be listed. The listing ends at its first item: one that waited for its turn would hold a thread.
async fn look(input: &Location, cancel: &CancellationToken) -> Result<(), LabelingError> {
    match cancel.run_until_cancelled(list(input).next()).await {
        None => Err(LabelingError::Cancelled),
        Some(Some(Err(error))) if error.kind != ErrorKind::Reject => Err(error.into()),
        Some(_) => Ok(()),
    }
}
