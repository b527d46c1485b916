//! Archives: what they are, what they may hold, and their expansion into a spool folder.
//!
//! An archive is outside data at its worst, so every rule is checked on the bytes as they are inflated, never on what
//! a header declares. A member that breaks a rule is refused by name; the others go on.

mod gzip;
mod kind;
mod member;
mod source;
mod tar;
mod zip;

use std::sync::Arc;

use bolus_study::{Reason, ReasonCode};
use tokio_util::sync::CancellationToken;

use crate::spool::Spool;
use crate::{ErrorKind, ObjectRef, StorageError};

pub use kind::ArchiveKind;
use kind::HEAD_BYTES;
use member::Expander;

/// What an archive may hold. Beyond a limit of a member, the member is refused; beyond a limit of the archive, the
/// rest of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Bytes of one member, inflated. Default 2 GiB, above the largest single DICOM file of any scanner.
    pub member_bytes: u64,
    /// Bytes of all members together, inflated; also the bytes of an archive that must first be fetched from a store.
    /// Default 64 GiB. The spool's disk must hold this much for each archive that is expanded at a time.
    pub total_bytes: u64,
    /// Members, folders included. Default 1,000,000.
    pub members: usize,
    /// Bytes of the URIs of all members together, which stay in memory as long as the members are in use. Default 256 MiB:
    /// what a million members with names of the usual length take.
    pub name_bytes: u64,
    /// Inflated bytes for each compressed byte, of one member and of the whole archive. Default 1000: deflate cannot
    /// exceed 1032, and CT slices seldom reach 10.
    pub ratio: u64,
    /// The ratio is not looked at before this many inflated bytes. Default 64 MiB: a small member of zeros is no bomb.
    pub ratio_free_bytes: u64,
    /// The ratio beyond [`large_bytes`](Self::large_bytes). Default 100: a study of empty slices is no bomb, one of a gigabyte
    /// of them is, and costs room and minutes.
    pub large_ratio: u64,
    /// From this many inflated bytes on [`large_ratio`](Self::large_ratio) holds. Default 1 GiB.
    pub large_bytes: u64,
}

impl ArchiveLimits {
    /// The defaults named at each field.
    pub const STANDARD: Self = Self {
        member_bytes: 2 << 30,
        total_bytes: 64 << 30,
        members: 1_000_000,
        name_bytes: 256 << 20,
        ratio: 1000,
        ratio_free_bytes: 64 << 20,
        large_ratio: 100,
        large_bytes: 1 << 30,
    };

    /// The ratio that `inflated` bytes out of `compressed` exceed.
    fn exceeded_ratio(&self, inflated: u64, compressed: u64) -> Option<u64> {
        let rules = [(self.ratio_free_bytes, self.ratio), (self.large_bytes, self.large_ratio)];
        let is_broken =
            |(from, ratio): &(u64, u64)| inflated > *from && inflated > compressed.max(1).saturating_mul(*ratio);
        rules.into_iter().find(is_broken).map(|(_, ratio)| ratio)
    }
}

/// What came out of an archive. Folders are not members.
#[derive(Debug, Default)]
pub struct Expansion {
    /// The members, in the archive's order, as objects that can be read. Their spool folder is removed when the last
    /// of them is dropped.
    pub members: Vec<ObjectRef>,
    /// What was refused: a member's URI, or the archive's own where the rest of it (or all of it) cannot be read.
    pub refused: Vec<(String, Reason)>,
}

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
