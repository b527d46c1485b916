//! One object and the reading of its bytes.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bolus_ops::files::open_regular;
use bolus_ops::scratch::ScratchFolder;
use bolus_study::ReasonCode;
use bytes::Bytes;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};

use crate::StorageError;
use crate::location::file_uri;

/// One object as it was listed: its name, its identity and all that is needed to read it.
#[derive(Clone)]
pub struct ObjectRef {
    /// The object's name: `file:///…` (escaped), `s3://bucket/key` (the key as it is), or `ARCHIVE!/MEMBER`.
    pub uri: String,
    /// Size in bytes.
    pub size: u64,
    /// The identity of the bytes. S3: the entity tag without quotes. A file: its modification time in microseconds
    /// and its size as hex, the same for a copy that keeps the time. A member of an archive: sha256 of its bytes.
    pub etag: String,
    /// The store's version id, where one version was asked for.
    pub version: Option<String>,
    /// When the object was last written, where the store says so.
    pub modified: Option<SystemTime>,
    pub(crate) source: Source,
}

#[derive(Clone)]
pub(crate) enum Source {
    /// A user's file, which may change under our hands.
    File(PathBuf),
    /// A member of an archive, in a folder that is removed with its last member.
    Spooled { path: PathBuf, _folder: Arc<ScratchFolder> },
    /// An object in a store; `if_match` is the entity tag as the store gave it.
    Store { store: Arc<dyn ObjectStore>, path: object_store::path::Path, if_match: Option<String> },
}

impl ObjectRef {
    /// The file at `path`, which must be absolute, as `metadata` describes it.
    pub(crate) fn from_file(path: PathBuf, metadata: &Metadata) -> Self {
        Self {
            uri: file_uri(&path),
            size: metadata.len(),
            etag: file_etag(metadata),
            version: None,
            modified: metadata.modified().ok(),
            source: Source::File(path),
        }
    }

    /// The object that `meta` describes; `root` is the URI of the store's root, without a trailing slash.
    #[must_use]
    pub fn from_meta(root: &str, store: &Arc<dyn ObjectStore>, meta: ObjectMeta) -> Self {
        let etag = match &meta.e_tag {
            Some(tag) => tag.trim_matches('"').to_owned(),
            None => format!("{:x}-{:x}", meta.last_modified.timestamp_micros(), meta.size),
        };
        Self {
            uri: format!("{root}/{}", meta.location),
            size: meta.size,
            etag,
            version: meta.version,
            modified: Some(meta.last_modified.into()),
            source: Source::Store { store: Arc::clone(store), path: meta.location, if_match: meta.e_tag },
        }
    }

    /// The file behind the object, where it is one of the user's own files.
    #[must_use]
    pub fn local_path(&self) -> Option<&Path> {
        match &self.source {
            Source::File(path) => Some(path),
            _ => None,
        }
    }

    /// Reads `range`, in bytes from the object's start, cut to the object's end.
    ///
    /// # Errors
    /// `Reject` with code `changed_while_reading` where the object is no longer the one listed or is gone, `Reject` where
    /// it may not be read, `Retry` with code `store_unavailable` where the store failed for the moment (after its own
    /// retries).
    pub async fn read_range(&self, range: Range<u64>) -> Result<Bytes, StorageError> {
        let range = range.start.min(self.size)..range.end.min(self.size);
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let (path, expected) = match &self.source {
            Source::File(path) => (path.clone(), Some(self.etag.clone())),
            Source::Spooled { path, .. } => (path.clone(), None),
            Source::Store { store, path, if_match } => {
                return self.read_from_store(store.as_ref(), path, if_match.clone(), range).await;
            }
        };
        // A copy of the reference keeps a spool folder alive until the read ends, also when the caller has gone.
        let this = self.clone();
        tokio::task::spawn_blocking(move || read_file(&this.uri, &path, expected.as_deref(), range))
            .await
            .map_err(|e| StorageError::new(crate::ErrorKind::Retry, &self.uri, "the read was stopped").with_source(e))?
    }

    /// Reads the whole object, where it has at most `limit` bytes.
    ///
    /// # Errors
    /// `Reject` with code `too_large` above the limit; else as [`read_range`](Self::read_range).
    pub async fn read_all(&self, limit: u64) -> Result<Bytes, StorageError> {
        if self.size > limit {
            let message = format!("{} bytes, at most {limit} are read", self.size);
            return Err(StorageError::reject(&self.uri, message).with_code(ReasonCode::TooLarge));
        }
        self.read_range(0..self.size).await
    }

    async fn read_from_store(
        &self,
        store: &dyn ObjectStore,
        path: &object_store::path::Path,
        if_match: Option<String>,
        range: Range<u64>,
    ) -> Result<Bytes, StorageError> {
        let expected = range.end - range.start;
        let options = GetOptions {
            if_match,
            range: Some(GetRange::Bounded(range)),
            version: self.version.clone(),
            ..GetOptions::default()
        };
        let failed = |e| StorageError::store(&self.uri, "cannot read", e).after_listing();
        let bytes = store.get_opts(path, options).await.map_err(failed)?.bytes().await.map_err(failed)?;
        if bytes.len() as u64 == expected { Ok(bytes) } else { Err(StorageError::changed(&self.uri)) }
    }
}

impl fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectRef")
            .field("uri", &self.uri)
            .field("size", &self.size)
            .field("etag", &self.etag)
            .finish_non_exhaustive()
    }
}

/// Modification time in microseconds and size, as hex.
fn file_etag(metadata: &Metadata) -> String {
    let micros = i128::from(metadata.mtime()) * 1_000_000 + i128::from(metadata.mtime_nsec() / 1_000);
    let sign = if micros < 0 { "-" } else { "" };
    format!("{sign}{:x}-{:x}", micros.unsigned_abs(), metadata.len())
}

/// Opens the file at `path` and checks that it still has the identity `expected`.
pub(crate) fn open_file(uri: &str, path: &Path, expected: Option<&str>) -> Result<File, StorageError> {
    let failed = |e| StorageError::io(uri, "cannot open", e).after_listing();
    let (file, metadata) = open_regular(path).map_err(failed)?;
    match expected {
        Some(etag) if file_etag(&metadata) != etag => Err(StorageError::changed(uri)),
        _ => Ok(file),
    }
}

fn read_file(uri: &str, path: &Path, expected: Option<&str>, range: Range<u64>) -> Result<Bytes, StorageError> {
    let failed = |e| StorageError::io(uri, "cannot read", e);
    let mut file = open_file(uri, path, expected)?;
    file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
    let length = range.end - range.start;
    let mut buffer = Vec::new();
    usize::try_from(length).ok().and_then(|length| buffer.try_reserve_exact(length).ok()).ok_or_else(|| {
        StorageError::new(crate::ErrorKind::Retry, uri, format!("no memory for a read of {length} bytes"))
    })?;
    file.take(length).read_to_end(&mut buffer).map_err(failed)?;
    if buffer.len() as u64 == length { Ok(buffer.into()) } else { Err(StorageError::changed(uri)) }
}
