//! Folders for files that live no longer than their process, which no crash leaves behind for long.
//!
//! Only its owner may enter such a folder, and the process holds an advisory lock in it for as long as it is in use. One that is
//! killed cannot clean up, but the system frees its locks: the next process that uses the same place removes every folder of the
//! same kind and owner whose lock is free.

use std::fs::{DirEntry, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tempfile::TempDir;

/// The file in each folder that is locked.
const LOCK: &str = "lock";
/// Only the owner may enter a folder, and read a file in it: they may hold images of patients.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Folders that may be taken away, before they are locked, by somebody who cleans up.
const ATTEMPTS: usize = 16;

/// A locked folder, removed when it is dropped.
#[derive(Debug)]
pub struct ScratchFolder {
    // Removed while its lock, which is dropped after it, is held.
    folder: TempDir,
    _lock: File,
}

impl ScratchFolder {
    /// Makes a folder in `parent`; `kind` is what its name begins with, and tells folders of one use from all others.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn make(parent: &Path, kind: &str) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            if let Some(folder) = Self::try_make(parent, kind)? {
                return Ok(folder);
            }
        }
        Err(io::Error::other("the folder is taken away as often as it is made"))
    }

    /// None where somebody who cleans up took the folder for one that was left behind, between its making and its locking.
    fn try_make(parent: &Path, kind: &str) -> io::Result<Option<Self>> {
        let mode = Permissions::from_mode(FOLDER_MODE);
        let folder = tempfile::Builder::new().prefix(kind).permissions(mode).tempdir_in(parent)?;
        let lock = match new_file(&folder.path().join(LOCK)) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            // Where nobody can lock, nobody finds a folder free, and none is removed.
            Err(TryLockError::Error(error)) => tracing::debug!(%error, "temporary folders cannot be locked here"),
        }
        let is_there = lock.metadata()?.nlink() > 0;
        Ok(is_there.then_some(Self { folder, _lock: lock }))
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Makes a file that only its owner may read.
///
/// # Errors
/// Those of the file system; `AlreadyExists` where there is one.
pub fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Removes the folders of this `kind` in `parent` that are this user's and that nobody holds. What cannot be removed stays: it costs
/// nothing but its room.
///
/// # Errors
/// Where `parent` cannot be written to.
pub fn remove_left_behind(parent: &Path, kind: &str) -> io::Result<()> {
    // Whom new files belong to is who we are.
    let owner = tempfile::tempfile_in(parent)?.metadata()?.uid();
    remove_of(parent, kind, owner)
}

fn remove_of(parent: &Path, kind: &str, owner: u32) -> io::Result<()> {
    let mut removed = 0_usize;
    for entry in std::fs::read_dir(parent)?.flatten().filter(|entry| is_ours(entry, kind, owner)) {
        match remove_unless_held(&entry.path()) {
            Ok(true) => removed += 1,
            Ok(false) => {}
            Err(error) => tracing::warn!(folder = %entry.path().display(), %error, "a folder left behind stays"),
        }
    }
    if removed > 0 {
        tracing::info!(removed, kind, "folders that a process left behind are removed");
    }
    Ok(())
}

/// Whether it is a folder, no link to one, of our kind and owner.
fn is_ours(entry: &DirEntry, kind: &str, owner: u32) -> bool {
    let is_named = entry.file_name().as_encoded_bytes().starts_with(kind.as_bytes());
    // Of an entry, metadata is that of a link itself.
    is_named && entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == owner)
}

/// Removes the folder at `path` unless a process holds its lock.
fn remove_unless_held(path: &Path) -> io::Result<bool> {
    let lock = match OpenOptions::new().write(true).open(path.join(LOCK)) {
        Ok(lock) => lock,
        // Its maker died, or has not come, between two steps: there is nothing in it, and if there were it would not be removed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(std::fs::remove_dir(path).is_ok()),
        Err(error) => return Err(error),
    };
    if lock.try_lock().is_err() {
        return Ok(false);
    }
    std::fs::remove_dir_all(path).map(|()| true)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const KIND: &str = "bolus-spool-";

    fn names(parent: &Path) -> Vec<String> {
        let names = std::fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// A folder as a killed process leaves it: its files are there, its lock is free.
    fn left_behind(parent: &Path) -> PathBuf {
        let ScratchFolder { folder, _lock } = ScratchFolder::make(parent, KIND).unwrap();
        std::fs::write(folder.path().join("00000001"), "an image").unwrap();
        folder.keep()
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_lives_stays() {
        let parent = tempfile::tempdir().unwrap();
        let alive = ScratchFolder::make(parent.path(), KIND).unwrap();
        let dead = left_behind(parent.path());
        let unfinished = parent.path().join("bolus-spool-unfinished");
        std::fs::create_dir(&unfinished).unwrap();
        remove_left_behind(parent.path(), KIND).unwrap();
        assert!(!dead.exists() && !unfinished.exists() && alive.path().exists());
        drop(alive);
        assert!(names(parent.path()).is_empty(), "{:?}", names(parent.path()));
    }

    #[test]
    fn nothing_that_is_not_ours_is_touched() {
        let (parent, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let target = left_behind(elsewhere.path());
        std::os::unix::fs::symlink(&target, parent.path().join("bolus-spool-link")).unwrap();
        std::fs::write(parent.path().join("bolus-spool-file"), "x").unwrap();
        std::fs::create_dir(parent.path().join("bolus-results")).unwrap();
        // No lock, and not empty: somebody else's.
        std::fs::create_dir(parent.path().join("bolus-spool-notes")).unwrap();
        std::fs::write(parent.path().join("bolus-spool-notes/a"), "x").unwrap();
        let before = names(parent.path());
        remove_left_behind(parent.path(), KIND).unwrap();
        assert_eq!(names(parent.path()), before);
        remove_left_behind(elsewhere.path(), "bolus-other-").unwrap();
        remove_of(elsewhere.path(), KIND, u32::MAX).unwrap();
        assert!(target.join("00000001").exists(), "another kind's and another user's");
    }

    #[test]
    fn only_the_owner_may_look() {
        let parent = tempfile::tempdir().unwrap();
        let folder = ScratchFolder::make(parent.path(), KIND).unwrap();
        new_file(&folder.path().join("1")).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!([LOCK, "1"].map(|name| mode(&folder.path().join(name))), [0o600; 2]);
    }

    /// Folders are made and cleaned up at the same time: none that is held goes.
    #[test]
    fn a_folder_is_never_taken_from_who_holds_it() {
        let parent = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let folder = ScratchFolder::make(parent.path(), KIND).unwrap();
                        new_file(&folder.path().join("1")).unwrap();
                        assert!(folder.path().join("1").exists());
                    }
                });
            }
            scope.spawn(|| (0..200).for_each(|_| remove_left_behind(parent.path(), KIND).unwrap()));
        });
        assert!(names(parent.path()).is_empty(), "{:?}", names(parent.path()));
    }
}
