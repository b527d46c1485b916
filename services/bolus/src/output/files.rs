//! Files that a command leaves.

use std::path::Path;

use anyhow::Context;

/// Writes a file, and makes the folder that it lies in.
///
/// # Errors
/// Those of the file system, with the path.
pub fn save(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file in one step: a reader finds the old one or the new one, never a part of it.
///
/// # Errors
/// Those of the file system, with the path.
pub fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".part");
    std::fs::write(&unfinished, bytes)
        .and_then(|()| std::fs::rename(&unfinished, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
