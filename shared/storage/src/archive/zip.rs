//! Zip archives, zip64 among them.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use zip::CompressionMethod;
use zip::ZipReadOptions;
use zip::read::{Config, ZipFileEntry};
use zip::unstable::read::ZipIterable;

use super::member::{Expander, Expansion, Stop};
use crate::StorageError;

/// The bits of a Unix mode that tell a file's type, and their value for a regular file.
const TYPE_BITS: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// Expands the zip archive `file`.
pub(super) fn expand(mut expander: Expander, file: File) -> Result<Expansion, StorageError> {
    let ended = expand_entries(&mut expander, file);
    expander.finish(ended)
}

fn expand_entries(expander: &mut Expander, file: File) -> Result<(), Stop> {
    let damaged = |e: &dyn std::fmt::Display| Stop::Archive(format!("a damaged zip: {e}"));
    let directory = file.try_clone().map_err(|e| damaged(&e))?;
    // Both handles share one position, so the directory's reader must seek before each header, which it does; its
    // buffer is lost by that, and a header costs few reads.
    let mut archive =
        ZipIterable::try_new(BufReader::with_capacity(512, directory), Config::default()).map_err(|e| damaged(&e))?;
    let taken = Rc::new(Cell::new(0));
    let mut body = Counting { inner: file, count: Rc::clone(&taken) };
    let mut taken_before = 0_u64;
    for entry in archive.files().map_err(|e| damaged(&e))? {
        let entry = entry.map_err(|e| damaged(&e))?;
        expander.begin_entry()?;
        expand_entry(expander, entry, &mut body, &taken)?;
        // Each byte is one member's. Where members share them, a small archive makes any number of large members.
        taken_before = taken_before.saturating_add(taken.take());
        if taken_before > expander.archive_bytes() {
            return Err(Stop::Archive("members overlap in the archive".to_owned()));
        }
    }
    Ok(())
}

fn expand_entry(
    expander: &mut Expander,
    entry: ZipFileEntry<'_>,
    body: &mut Counting,
    taken: &Rc<Cell<u64>>,
) -> Result<(), Stop> {
    let name =
        entry.name().map_or_else(|_| String::from_utf8_lossy(entry.name_raw()).into_owned(), |name| name.into_owned());
    if name.ends_with(['/', '\\']) && entry.size() == 0 {
        return Ok(());
    }
    if let Some(rule) = broken_rule(&entry) {
        expander.refuse(&name, rule);
        return Ok(());
    }
    match entry.with_reader(body, ZipReadOptions::new()) {
        Ok(mut member) => expander.member(&name, &mut member, &|| taken.get()),
        Err(error) => {
            expander.refuse(&name, format!("the member cannot be read: {error}"));
            Ok(())
        }
    }
}

fn broken_rule(entry: &ZipFileEntry<'_>) -> Option<String> {
    let kind = entry.unix_mode().map_or(0, |mode| mode & TYPE_BITS);
    if entry.encrypted() {
        return Some("an encrypted member".to_owned());
    }
    if entry.is_symlink() || (kind != 0 && kind != REGULAR) {
        return Some("not a regular file (a link or a device)".to_owned());
    }
    match entry.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => None,
        other => Some(format!("compression method {other} is not read, only stored and deflate are")),
    }
}

/// Counts the bytes that are read.
struct Counting {
    inner: File,
    count: Rc<Cell<u64>>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

impl Seek for Counting {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
