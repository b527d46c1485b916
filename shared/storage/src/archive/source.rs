//! The archive's own bytes, as a file.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use futures::stream::{self, StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use crate::object::{Source, open_file};
use crate::{ObjectRef, StorageError, spool};

/// Bytes of one request of a fetch.
const CHUNK: u64 = 8 << 20;
/// Requests in flight: with [`CHUNK`] the memory that a fetch takes.
const IN_FLIGHT: usize = 4;

/// Opens the archive; one in a store is fetched into a nameless file in `folder` first, which the disk frees with
/// its handle.
pub(super) async fn open(archive: &ObjectRef, folder: &Path, stop: &CancellationToken) -> Result<File, StorageError> {
    let (path, expected) = match &archive.source {
        Source::File(path) => (path.clone(), Some(archive.etag.clone())),
        Source::Spooled { path, .. } => (path.clone(), None),
        Source::Store { .. } => return fetch(archive, folder, stop).await,
    };
    let uri = archive.uri.clone();
    let opened = tokio::task::spawn_blocking(move || open_file(&uri, &path, expected.as_deref())).await;
    opened.map_err(|e| StorageError::new(crate::ErrorKind::Retry, &archive.uri, "stopped").with_source(e))?
}

async fn fetch(archive: &ObjectRef, folder: &Path, stop: &CancellationToken) -> Result<File, StorageError> {
    let file = tempfile::tempfile_in(folder).map_err(|e| spool::failed(folder, e))?;
    let starts = (0..archive.size).step_by(CHUNK as usize);
    let chunks = stream::iter(starts)
        .map(|start| archive.read_range(start..start.saturating_add(CHUNK)))
        .buffered(IN_FLIGHT)
        .try_fold(file, |mut file, bytes| async move {
            let written = tokio::task::spawn_blocking(move || file.write_all(&bytes).map(|()| file)).await;
            written.map_err(std::io::Error::other).flatten().map_err(|e| spool::failed(folder, e))
        });
    tokio::select! {
        file = chunks => {
            let mut file = file?;
            file.rewind().map_err(|e| spool::failed(folder, e))?;
            Ok(file)
        }
        () = stop.cancelled() => Err(super::member::cancelled(&archive.uri)),
    }
}
