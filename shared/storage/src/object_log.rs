//! References to objects, set aside in a file while they are not needed.

use std::ffi::OsStr;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use bolus_ops::scratch::ScratchFolder;
use object_store::ObjectStore;
use serde::{Deserialize, Serialize};
use tempfile::SpooledTempFile;

use crate::object::Source;
use crate::{ErrorKind, ObjectRef, Spool, StorageError};

/// Blocks of object references, each of which may name the one before it. Only the end of such a chain has to be remembered.
///
/// Small logs stay in memory; a longer one is a nameless file in the spool's folder, some 200 bytes an object, which the system
/// frees with its handle. Stores and spool folders stay open as long as the log.
pub struct ObjectLog {
    file: SpooledTempFile,
    folder: PathBuf,
    end: u64,
    stores: Vec<Arc<dyn ObjectStore>>,
    folders: Vec<Arc<ScratchFolder>>,
}

/// An object with the number that the caller knows it by.
pub type Numbered = (u64, ObjectRef);

#[derive(Serialize, Deserialize)]
struct Block {
    before: Option<u64>,
    objects: Vec<Packed>,
}

#[derive(Serialize, Deserialize)]
struct Packed {
    number: u64,
    uri: String,
    size: u64,
    etag: String,
    version: Option<String>,
    modified: Option<SystemTime>,
    source: PackedSource,
}

#[derive(Serialize, Deserialize)]
enum PackedSource {
    File(PackedPath),
    Spooled { path: PackedPath, folder: usize },
    Store { store: usize, key: String, if_match: Option<String> },
}

/// A path; JSON has no name for bytes that are no UTF-8.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PackedPath {
    Text(String),
    Bytes(Vec<u8>),
}

impl ObjectLog {
    /// An empty log, of which `in_memory` bytes stay in memory.
    #[must_use]
    pub fn new(spool: &Spool, in_memory: usize) -> Self {
        let folder = spool.parent().to_path_buf();
        let file = tempfile::spooled_tempfile_in(in_memory, &folder);
        Self { file, folder, end: 0, stores: Vec::new(), folders: Vec::new() }
    }

    /// Adds a block that follows the one at `before`, and gives its place.
    ///
    /// # Errors
    /// `Fatal` or `Retry` where the file cannot be written.
    pub fn append<'o>(
        &mut self,
        before: Option<u64>,
        objects: impl IntoIterator<Item = (u64, &'o ObjectRef)>,
    ) -> Result<u64, StorageError> {
        let objects = objects.into_iter().map(|(number, object)| self.pack(number, object)).collect();
        let written = serde_json::to_vec(&Block { before, objects }).map_err(io::Error::from);
        let written = written.and_then(|bytes| self.write(&bytes));
        written.map_err(|error| self.failed("cannot write to the spool folder", error))
    }

    /// The objects of the block at `place` and of those before it, by their numbers.
    ///
    /// # Errors
    /// `Fatal` or `Retry` where the file cannot be read.
    pub fn read(&mut self, place: u64) -> Result<Vec<Numbered>, StorageError> {
        let mut objects = Vec::new();
        let mut next = Some(place);
        while let Some(place) = next {
            let block = self.block(place).map_err(|error| self.failed("cannot read from the spool folder", error))?;
            for packed in block.objects {
                objects.push(self.unpack(packed).map_err(|e| self.failed("cannot read from the spool folder", e))?);
            }
            next = block.before;
        }
        objects.sort_by_key(|(number, _)| *number);
        Ok(objects)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let place = self.end;
        self.file.seek(SeekFrom::Start(place))?;
        self.file.write_all(&(bytes.len() as u64).to_le_bytes())?;
        self.file.write_all(bytes)?;
        self.end = place + 8 + bytes.len() as u64;
        Ok(place)
    }

    fn block(&mut self, place: u64) -> io::Result<Block> {
        self.file.seek(SeekFrom::Start(place))?;
        let mut length = [0; 8];
        self.file.read_exact(&mut length)?;
        let mut bytes = Vec::new();
        (&mut self.file).take(u64::from_le_bytes(length)).read_to_end(&mut bytes)?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    fn pack(&mut self, number: u64, object: &ObjectRef) -> Packed {
        let source = match &object.source {
            Source::File(path) => PackedSource::File(PackedPath::of(path)),
            Source::Spooled { path, _folder } => PackedSource::Spooled {
                path: PackedPath::of(path),
                folder: place_of(&mut self.folders, _folder, Arc::ptr_eq),
            },
            Source::Store { store, path, if_match } => PackedSource::Store {
                store: place_of(&mut self.stores, store, Arc::ptr_eq),
                key: path.to_string(),
                if_match: if_match.clone(),
            },
        };
        let ObjectRef { uri, size, etag, version, modified, .. } = object.clone();
        Packed { number, uri, size, etag, version, modified, source }
    }

    fn unpack(&self, packed: Packed) -> io::Result<Numbered> {
        let unknown = || io::Error::new(io::ErrorKind::InvalidData, "a block names what is not open");
        let source = match packed.source {
            PackedSource::File(path) => Source::File(path.into_path()),
            PackedSource::Spooled { path, folder } => Source::Spooled {
                path: path.into_path(),
                _folder: self.folders.get(folder).map(Arc::clone).ok_or_else(unknown)?,
            },
            PackedSource::Store { store, key, if_match } => Source::Store {
                store: self.stores.get(store).map(Arc::clone).ok_or_else(unknown)?,
                path: object_store::path::Path::parse(&key).map_err(io::Error::other)?,
                if_match,
            },
        };
        let Packed { number, uri, size, etag, version, modified, .. } = packed;
        Ok((number, ObjectRef { uri, size, etag, version, modified, source }))
    }

    fn failed(&self, message: &str, error: io::Error) -> StorageError {
        // Nothing can be labelled without what the log holds.
        StorageError::io(self.folder.to_string_lossy(), message, error).with_kind(ErrorKind::Fatal)
    }
}

impl PackedPath {
    fn of(path: &std::path::Path) -> Self {
        let bytes = path.as_os_str().as_bytes();
        String::from_utf8(bytes.to_vec()).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }

    fn into_path(self) -> PathBuf {
        match self {
            Self::Text(text) => PathBuf::from(text),
            Self::Bytes(bytes) => PathBuf::from(OsStr::from_bytes(&bytes)),
        }
    }
}

/// The place of `one` among `all`, to which it is added where it is new. They are few: one an input, one an archive.
fn place_of<T: ?Sized>(all: &mut Vec<Arc<T>>, one: &Arc<T>, same: fn(&Arc<T>, &Arc<T>) -> bool) -> usize {
    // The newest is the likeliest.
    all.iter().rposition(|known| same(known, one)).unwrap_or_else(|| {
        all.push(Arc::clone(one));
        all.len() - 1
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use futures::StreamExt;

    use super::*;
    use crate::{Location, list};

    async fn listed(location: &Location) -> Vec<ObjectRef> {
        list(location).map(Result::unwrap).collect().await
    }

    #[tokio::test]
    async fn what_is_set_aside_can_be_read_again_in_memory_and_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let odd = std::ffi::OsString::from_vec(b"not \xff text".to_vec());
        for name in [OsStr::new("a b%20.dcm"), &odd] {
            std::fs::write(folder.path().join(name), b"bytes").unwrap();
        }
        let store = Location::parse("memory://object-log/x").unwrap();
        let opened = crate::open_store(&store).await.unwrap();
        let path = object_store::path::Path::parse("x/ü+1 #").unwrap();
        opened.store.put_opts(&path, "bytes".into(), object_store::PutOptions::default()).await.unwrap();
        let mut objects = listed(&Location::Local(folder.path().to_path_buf())).await;
        objects.extend(listed(&store).await);
        assert_eq!(objects.len(), 3);
        for in_memory in [1 << 20, 1] {
            let mut log = ObjectLog::new(&Spool::new(Some(folder.path())).unwrap(), in_memory);
            let first = log.append(None, [(7, &objects[0]), (2, &objects[1])]).unwrap();
            let other = log.append(None, [(1, &objects[0])]).unwrap();
            let last = log.append(Some(first), [(5, &objects[2])]).unwrap();
            let found = log.read(last).unwrap();
            assert_eq!(found.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 5, 7]);
            for ((_, found), place) in found.iter().zip([1, 2, 0]) {
                let expected = &objects[place];
                assert_eq!((&found.uri, &found.etag, found.size), (&expected.uri, &expected.etag, expected.size));
                assert_eq!(found.modified, expected.modified);
                assert_eq!(found.read_all(5).await.unwrap(), "bytes");
            }
            assert_eq!(log.read(other).unwrap().len(), 1);
        }
    }
}
