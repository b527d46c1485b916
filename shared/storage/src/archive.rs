//! Archives: what they are, what they may hold, and their expansion into a spool folder.
//!
//! An archive is outside data at its worst, so every rule is checked on the bytes as they are inflated, never on what
//! a header declares. A member that breaks a rule is refused by name; the others go on.

mod gzip;
mod kind;
mod limits;
mod member;
mod source;
mod tar;
mod zip;

use std::sync::Arc;

use bolus_study::{Reason, ReasonCode};
use tokio_util::sync::CancellationToken;

use self::kind::HEAD_BYTES;
use self::member::Expander;
use crate::spool::Spool;
use crate::{ErrorKind, ObjectRef, StorageError};

pub use kind::ArchiveKind;
pub use limits::ArchiveLimits;
pub use member::Expansion;

/// Whether `object` is an archive: by its name and its first bytes, both.
///
/// # Errors
/// As [`ObjectRef::read_range`]; objects whose names are not an archive's are not read.
pub async fn archive_kind(object: &ObjectRef) -> Result<Option<ArchiveKind>, StorageError> {
    let Some(kind) = ArchiveKind::of_name(&object.uri) else { return Ok(None) };
    let head = object.read_range(0..HEAD_BYTES as u64).await?;
    Ok(kind.matches(&head).then_some(kind))
}

/// Expands `archive` into `spool`. A damaged or hostile archive is no error: its parts are in `refused`.
///
/// An archive in a store is fetched into the spool first. The work ends early when `cancel` is triggered or the
/// future is dropped.
///
/// # Errors
/// Those of reading the archive; `Fatal` or `Retry` where the spool cannot be written; `Retry` where cancelled.
pub async fn expand_archive(
    archive: &ObjectRef,
    kind: ArchiveKind,
    spool: &Spool,
    limits: &ArchiveLimits,
    cancel: &CancellationToken,
) -> Result<Expansion, StorageError> {
    let stop = cancel.child_token();
    let _stop_when_dropped = stop.clone().drop_guard();
    let folder = spool.folder()?;
    let is_remote = matches!(archive.source, crate::object::Source::Store { .. });
    if is_remote && archive.size > limits.total_bytes {
        let detail = format!("an archive of {} bytes, at most {} are fetched", archive.size, limits.total_bytes);
        let refused = vec![(archive.uri.clone(), Reason::new(ReasonCode::Archive, detail))];
        return Ok(Expansion { members: Vec::new(), refused });
    }
    let file = source::open(archive, folder.path(), &stop).await?;
    let expander = Expander::new(archive, Arc::new(folder), *limits, stop);
    tokio::task::spawn_blocking(move || match kind {
        ArchiveKind::Zip => zip::expand(expander, file),
        ArchiveKind::Tar => tar::expand(expander, file, false),
        ArchiveKind::TarGz => tar::expand(expander, file, true),
    })
    .await
    .map_err(|e| StorageError::new(ErrorKind::Retry, &archive.uri, "the expansion was stopped").with_source(e))?
}
