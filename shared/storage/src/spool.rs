//! Where archives are expanded.

use std::path::{Path, PathBuf};

use bolus_ops::scratch::{ScratchFolder, remove_left_behind};

use crate::{ErrorKind, StorageError};

/// What the names of the folders begin with.
const KIND: &str = "bolus-spool-";

/// Where members are written. Each archive gets a folder of its own below it, `bolus-spool-…`, that only this user may enter.
#[derive(Debug, Clone)]
pub struct Spool {
    parent: PathBuf,
}

impl Spool {
    /// A spool below `parent`, or below the system's folder for temporary files. Removes what processes that were killed have left
    /// there: folders of this user's that no process holds.
    ///
    /// # Errors
    /// `Fatal` where the folder cannot be made or written to.
    pub fn new(parent: Option<&Path>) -> Result<Self, StorageError> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let made = std::fs::create_dir_all(&parent).and_then(|()| remove_left_behind(&parent, KIND));
        made.map_err(|e| failed(&parent, e).with_kind(ErrorKind::Fatal))?;
        Ok(Self { parent })
    }

    /// What the spool lies in.
    pub(crate) fn parent(&self) -> &Path {
        &self.parent
    }

    /// A folder for one archive.
    pub(crate) fn folder(&self) -> Result<ScratchFolder, StorageError> {
        ScratchFolder::make(&self.parent, KIND).map_err(|e| failed(&self.parent, e))
    }
}

/// An error of writing to the spool at `path`.
pub(crate) fn failed(path: &Path, error: std::io::Error) -> StorageError {
    StorageError::io(path.to_string_lossy(), "cannot write to the spool folder", error)
}
