//! What a feed needs, and what comes out of it.

use std::sync::Arc;

use bolus_ops::CpuPool;
use bolus_storage::Spool;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::inventory::Inventory;
use crate::progress::Progress;

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
    pub inventory: Inventory,
    /// The series; none for files of no series and for archives, whose series are whole when they close.
    pub id: Option<PartId>,
    /// Whether the series was given before, without some of its files: this replaces it. Such parts come last.
    pub came_back: bool,
    /// Keeps the number of archives on the disk small.
    pub(super) _archive: Option<Arc<OwnedSemaphorePermit>>,
}
