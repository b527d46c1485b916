//! Files that others have laid out: opened without waiting, read within a bound.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens the regular file at `path` for reading. A pipe, a device or a socket would be waited for for ever, or be read without end:
/// it is an error, and is never opened in a way that waits.
///
/// # Errors
/// Of kind `InvalidInput` where `path` is not a regular file, else those of opening it.
pub fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    let not_regular = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    // Some devices act when they are opened, so the look comes first; that the name may be given to a pipe after it, the flag minds.
    if !std::fs::metadata(path)?.is_file() {
        return Err(not_regular());
    }
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(not_regular()) }
}

/// Reads the regular file at `path`, of `limit` bytes at most.
///
/// # Errors
/// Of kind `FileTooLarge` beyond `limit`, else those of [`open_regular`] and of reading.
pub fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let too_large = |size: u64| {
        io::Error::new(io::ErrorKind::FileTooLarge, format!("{size} bytes or more, at most {limit} are read"))
    };
    let (file, metadata) = open_regular(path)?;
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    // It may grow while it is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

/// Finds out whether files can be made in the folder `path`, which may have to be made first. Leaves nothing behind.
///
/// # Errors
/// Those of the file system.
pub fn probe_folder(path: &Path) -> io::Result<()> {
    // A link that leads nowhere is there too, and no folder can be made in its place.
    let nearest = path.ancestors().find(|folder| folder.symlink_metadata().is_ok());
    tempfile::tempfile_in(nearest.unwrap_or(Path::new("."))).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_can_be_made_is_told_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        probe_folder(folder.path()).unwrap();
        probe_folder(&folder.path().join("a/b")).unwrap();
        probe_folder(Path::new("no-such/b")).unwrap();
        for odd in ["file", "file/a", "link", "link/a"] {
            assert!(probe_folder(&folder.path().join(odd)).is_err(), "{odd}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn only_regular_files_are_read_and_only_within_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "12345").unwrap();
        assert_eq!(read_regular(&file, 5).unwrap(), b"12345");
        assert_eq!(read_regular(&file, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        // Its size is told as 0.
        assert_eq!(read_regular(Path::new("/proc/self/maps"), 10).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for odd in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
            let error = read_regular(odd, 5).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{}", odd.display());
        }
        assert_eq!(read_regular(&folder.path().join("none"), 5).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
