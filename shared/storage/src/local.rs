//! The walk over a folder.
//!
//! The file system is read directly, not through object_store: its paths cannot hold every name that a file may have
//! (bytes that are not UTF-8, control characters), and its listing leaves such files and unreadable folders out.

use std::collections::HashSet;
use std::fs::{DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::location::file_uri;
use crate::{ObjectRef, StorageError};

/// What a walk yields: a file, or a name that cannot be read and why.
type Found = Result<ObjectRef, StorageError>;

/// Gives every file at or below `root` to `emit`, until `emit` returns false: the files of a folder in no order, then its folders in
/// the order of their names, each with all that lies below it.
///
/// One folder is open at a time; memory grows with the number of folders, not of files. Each folder is read once, by
/// whatever links it is reached, so a loop ends; real folders come before links to folders. A link to a folder is followed
/// where that folder lies below `root` too: one that leaves it could lead over the whole machine, and is refused by name.
/// A link to a file is followed wherever it leads: it is one file.
pub(crate) fn walk(root: &Path, emit: &mut dyn FnMut(Found) -> bool) {
    let metadata = match std::fs::metadata(root) {
        Ok(metadata) => metadata,
        Err(error) => {
            let message = match error.kind() {
                io::ErrorKind::NotFound => "no such file or folder",
                _ => "cannot read",
            };
            emit(Err(StorageError::fatal(file_uri(root), message).with_source(error)));
            return;
        }
    };
    if !metadata.is_dir() {
        emit(file(root.to_path_buf(), &metadata));
        return;
    }
    let real_root = match root.canonicalize() {
        Ok(real_root) => real_root,
        Err(error) => {
            emit(Err(StorageError::fatal(file_uri(root), "cannot read").with_source(error)));
            return;
        }
    };
    let folders = vec![root.to_path_buf()];
    let mut walk = Walk { real_root, visited: HashSet::new(), folders, links: Vec::new(), emit };
    while let Some(folder) = walk.folders.pop().or_else(|| walk.links.pop()) {
        if !walk.folder(&folder) {
            return;
        }
    }
}

struct Walk<'a> {
    /// The folder that was named, without links.
    real_root: PathBuf,
    /// Device and inode of every folder read.
    visited: HashSet<(u64, u64)>,
    folders: Vec<PathBuf>,
    links: Vec<PathBuf>,
    emit: &'a mut dyn FnMut(Found) -> bool,
}

impl Walk<'_> {
    /// Reads one folder; false once the receiver has gone.
    fn folder(&mut self, folder: &Path) -> bool {
        let unreadable = |e| Err(StorageError::reject(file_uri(folder), "cannot read the folder").with_source(e));
        match std::fs::metadata(folder) {
            Ok(metadata) if !self.visited.insert((metadata.dev(), metadata.ino())) => return true,
            Ok(_) => {}
            Err(error) => return (self.emit)(unreadable(error)),
        }
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return (self.emit)(unreadable(error)),
        };
        let before = self.folders.len();
        for entry in entries {
            let goes_on = match entry {
                Ok(entry) => self.entry(&entry),
                Err(error) => (self.emit)(unreadable(error)),
            };
            if !goes_on {
                return false;
            }
        }
        // The last is the next.
        if let Some(found) = self.folders.get_mut(before..) {
            found.sort_unstable_by(|one, other| other.cmp(one));
        }
        true
    }

    fn entry(&mut self, entry: &DirEntry) -> bool {
        let path = entry.path();
        let described = entry.file_type().and_then(|kind| Ok((kind, std::fs::metadata(&path)?)));
        match described {
            Ok((kind, metadata)) if metadata.is_dir() => {
                if kind.is_symlink() {
                    return self.link(path);
                }
                self.folders.push(path);
                true
            }
            Ok((_, metadata)) => (self.emit)(file(path, &metadata)),
            Err(error) => {
                let message = if path.is_symlink() { "a link that leads nowhere" } else { "cannot read" };
                (self.emit)(Err(StorageError::reject(file_uri(&path), message).with_source(error)))
            }
        }
    }

    /// A link to a folder.
    fn link(&mut self, path: PathBuf) -> bool {
        match path.canonicalize() {
            Ok(target) if target.starts_with(&self.real_root) => {
                self.links.push(path);
                true
            }
            Ok(_) => {
                let message = "a link to a folder outside the one that was named: name it as an input of its own";
                (self.emit)(Err(StorageError::reject(file_uri(&path), message)))
            }
            Err(error) => (self.emit)(Err(StorageError::reject(file_uri(&path), "cannot read").with_source(error))),
        }
    }
}

fn file(path: PathBuf, metadata: &Metadata) -> Found {
    if metadata.is_file() {
        return Ok(ObjectRef::from_file(path, metadata));
    }
    // A pipe or a device would be read for ever.
    Err(StorageError::reject(file_uri(&path), "not a regular file"))
}
