//! Inputs to series, one after the other, while the listing goes on: memory does not depend on how much there is.
//!
//! A [`Feed`] lists, reads headers and gathers them to series in a task of its own. Series come out as [`Part`]s when they close
//! (see [`cutter`]); archives are parts of their own kind, expanded ahead while others are labelled. All queues are bounded, so who is
//! slow holds up who is fast, never memory.
//!
//! What comes out is what [`take_inventory`](crate::take_inventory) gives for the same inputs, series by series. Where a series goes on far away in the listing it
//! comes out twice: what was there first, and at the end all of it, as [`Part::came_back`] says.

mod cutter;
mod feeder;
mod held;
mod part;
#[cfg(test)]
mod tests;

use bolus_storage::{ErrorKind, Location, list};
use futures::stream::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::LabelingError;
use feeder::Feeder;
use held::Limits;
pub use part::{FeedOptions, Part, PartId};

/// Parts that wait to be taken.
const PARTS_AHEAD: usize = 4;

/// Files of other studies that may come between two of one without its series being labelled before all of it is known: what a
/// header reader does in well below a second.
const WINDOW: u64 = 1_000;
/// Headers of open series that stay in memory.
const HEADER_BYTES: usize = 48 << 20;
/// References to files that stay in memory.
const LOG_BYTES: usize = 8 << 20;

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
