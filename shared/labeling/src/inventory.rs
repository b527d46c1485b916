//! From inputs to series: list, expand archives, read headers, group.

use bolus_ct::{Member, Series};
use bolus_ops::CpuPool;
use bolus_storage::{
    ArchiveKind, ArchiveLimits, ErrorKind, Location, ObjectRef, Spool, StorageError, archive_kind, expand_archive, list,
};
use bolus_study::Reason;
use futures::stream::{self, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::compare;
use crate::error::LabelingError;
use crate::headers::read_instance;
use crate::progress::Progress;
use crate::refused::FileRefusal;

/// Headers that are read at the same time: enough to hide a store's latency. What they hold together has a budget.
pub(crate) const HEADERS_IN_FLIGHT: usize = 64;

/// What the inputs name, before any header is read.
#[derive(Debug, Default)]
pub struct Found {
    /// Files and objects.
    pub objects: Vec<ObjectRef>,
    /// Archives, each a study by itself.
    pub archives: Vec<(ObjectRef, ArchiveKind)>,
    /// Names that cannot be read.
    pub refused: Vec<FileRefusal>,
}

/// A part of the inputs that is scanned and labelled before the next: all loose files, or one archive.
///
/// Archives come one at a time, so that the spool's disk holds one of them, however many there are.
#[derive(Debug)]
pub enum Unit {
    /// All files and objects that lie in no archive.
    Loose(Vec<ObjectRef>, Vec<FileRefusal>),
    /// One archive.
    Archive(ObjectRef, ArchiveKind),
}

impl Found {
    /// Leaves out what lies at or below `uri`: a lake inside the folder that is labelled is no input.
    pub fn exclude(&mut self, uri: &str) {
        let inside = |name: &str| is_inside(name, uri);
        self.objects.retain(|object| !inside(&object.uri));
        self.archives.retain(|(object, _)| !inside(&object.uri));
        self.refused.retain(|file| !inside(&file.uri));
    }

    /// The units, loose files first.
    #[must_use]
    pub fn into_units(self) -> Vec<Unit> {
        let loose =
            (!self.objects.is_empty() || !self.refused.is_empty()).then_some(Unit::Loose(self.objects, self.refused));
        loose.into_iter().chain(self.archives.into_iter().map(|(object, kind)| Unit::Archive(object, kind))).collect()
    }
}

/// What a unit holds. Every file is an object of one series or is refused: [`Inventory::files_seen`] counts both.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The files that were read; series name them by index.
    pub objects: Vec<ObjectRef>,
    /// The series.
    pub series: Vec<Series>,
    /// Files outside every series.
    pub refused: Vec<FileRefusal>,
    /// Why a frame could not be compared with another that it may be a copy of, where that may pass.
    pub uncompared: Option<Reason>,
}

impl Inventory {
    /// Number of files found, members of archives counted one by one.
    #[must_use]
    pub fn files_seen(&self) -> usize {
        self.refused.len() + self.series.iter().map(|series| series.counted_files().count()).sum::<usize>()
    }

    /// The first transient reason among the refused files, or of a frame that was not compared: what was not read although it may be
    /// there. The series then miss slices, or are parted otherwise, and have other keys than they should. A caller that can try again drops the inventory and
    /// lists anew; one that cannot goes on, and the files end as failed rows.
    #[must_use]
    pub fn transient(&self) -> Option<&Reason> {
        let refused = self.refused.iter().map(|file| &file.reason);
        refused.chain(&self.uncompared).find(|reason| reason.is_transient())
    }
}

/// Lists `inputs` and tells archives from other files.
///
/// # Errors
/// [`LabelingError::Storage`] when an input cannot be listed, [`LabelingError::Cancelled`] on request.
pub async fn discover(
    inputs: &[Location],
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<Found, LabelingError> {
    let mut found = Found::default();
    for input in inputs {
        let mut listing = std::pin::pin!(list(input).take_until(cancel.cancelled()));
        while let Some(item) = listing.next().await {
            match told_apart(item).await? {
                Listed::Archive(object, kind) => found.archives.push((object, kind)),
                Listed::File(object) => {
                    progress.files_found.add(1);
                    found.objects.push(object);
                }
                Listed::Refused(refusal) => {
                    progress.files_found.add(1);
                    found.refused.push(refusal);
                }
            }
        }
    }
    if cancel.is_cancelled() { Err(LabelingError::Cancelled) } else { Ok(found) }
}

/// An item of a listing.
pub(crate) enum Listed {
    /// A file or object.
    File(ObjectRef),
    /// An archive.
    Archive(ObjectRef, ArchiveKind),
    /// A name that cannot be read.
    Refused(FileRefusal),
}

/// Tells archives from other files. What ends the listing is an error.
pub(crate) async fn told_apart(item: Result<ObjectRef, StorageError>) -> Result<Listed, LabelingError> {
    let object = match item {
        Ok(object) => object,
        Err(error) if error.kind == ErrorKind::Reject => return Ok(Listed::Refused(refusal(&error))),
        Err(error) => return Err(error.into()),
    };
    match archive_kind(&object).await {
        Ok(Some(kind)) => Ok(Listed::Archive(object, kind)),
        Err(error) if error.kind == ErrorKind::Fatal => Err(error.into()),
        // Read as a plain file when the store is back, an archive would count as no DICOM, and be forgotten.
        Err(error) if error.code.is_transient() => {
            Ok(Listed::Refused(FileRefusal { etag: object.etag, ..refusal(&error) }))
        }
        // An archive that cannot be looked into is read as a file later and refused with the same reason.
        Ok(None) | Err(_) => Ok(Listed::File(object)),
    }
}

/// Reads every header of `unit` and groups the instances into series. Pixels are read where one decides what is a copy: see
/// [`Grouping::settle`](bolus_ct::Grouping::settle).
///
/// # Errors
/// [`LabelingError::Storage`] when the spool cannot be written, [`LabelingError::Cancelled`] on request.
pub async fn take_inventory(
    unit: Unit,
    spool: &Spool,
    cpu: &CpuPool,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<Inventory, LabelingError> {
    let (objects, mut refused) = match unit {
        Unit::Loose(objects, refused) => (objects, refused),
        Unit::Archive(archive, kind) => expand(&archive, kind, spool, progress, cancel).await?,
    };
    progress.headers_read.add(refused.len() as u64);
    let members = read_headers(&objects, &mut refused, cpu, progress, cancel).await;
    if cancel.is_cancelled() {
        return Err(LabelingError::Cancelled);
    }
    let (series, uncompared) = compare::series(members, &objects, &mut refused, cpu, progress, cancel).await?;
    refused.sort_by(|a, b| a.uri.cmp(&b.uri));
    Ok(Inventory { series, objects, refused, uncompared })
}

/// The instances among `objects`; what is none goes to `refused`. Ends early when cancelled.
async fn read_headers(
    objects: &[ObjectRef],
    refused: &mut Vec<FileRefusal>,
    cpu: &CpuPool,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Vec<Member> {
    let mut headers = stream::iter(objects.iter().enumerate())
        .map(|(index, object)| async move { (index, object, read_instance(object, cpu, progress).await) })
        .buffer_unordered(HEADERS_IN_FLIGHT)
        .take_until(cancel.cancelled())
        // Boxed, or the compiler cannot tell callers that the whole may go to another thread.
        .boxed();
    let mut members = Vec::new();
    while let Some((index, object, header)) = headers.next().await {
        progress.headers_read.add(1);
        match header {
            Ok(instance) => members.push(Member { object: index, folder: folder_of(&object.uri).to_owned(), instance }),
            Err(reason) => {
                refused.push(FileRefusal { uri: object.uri.clone(), etag: object.etag.clone(), reason });
            }
        }
    }
    members
}

/// The members of an archive, and what of it is refused.
pub(crate) async fn expand(
    archive: &ObjectRef,
    kind: ArchiveKind,
    spool: &Spool,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<(Vec<ObjectRef>, Vec<FileRefusal>), LabelingError> {
    let expansion = match expand_archive(archive, kind, spool, &ArchiveLimits::STANDARD, cancel).await {
        Ok(expansion) => expansion,
        Err(_) if cancel.is_cancelled() => return Err(LabelingError::Cancelled),
        Err(error) if error.kind == ErrorKind::Fatal => return Err(error.into()),
        Err(error) => {
            progress.files_found.add(1);
            return Ok((Vec::new(), vec![FileRefusal { etag: archive.etag.clone(), ..refusal(&error) }]));
        }
    };
    progress.files_found.add((expansion.members.len() + expansion.refused.len()) as u64);
    let refused = expansion.refused.into_iter();
    let refused = refused.map(|(uri, reason)| FileRefusal { uri, etag: archive.etag.clone(), reason }).collect();
    Ok((expansion.members, refused))
}

fn refusal(error: &StorageError) -> FileRefusal {
    FileRefusal { uri: error.uri.clone(), etag: String::new(), reason: error.reason() }
}

/// Whether `name` is at or below `uri`.
pub(crate) fn is_inside(name: &str, uri: &str) -> bool {
    name.strip_prefix(uri).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Everything before the last slash: what keeps series without a UID of different folders apart.
pub(crate) fn folder_of(uri: &str) -> &str {
    uri.rsplit_once('/').map_or("", |(folder, _)| folder)
}
