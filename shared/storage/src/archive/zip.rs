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

/// How the header before a member begins.
const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";
/// How a header of the directory begins.
const CENTRAL_HEADER: [u8; 4] = *b"PK\x01\x02";
/// Bytes of a header of the directory without its name, extra fields and comment.
const CENTRAL_HEADER_BYTES: usize = 46;

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
    let (mut taken_before, mut last_header) = (0_u64, None);
    for entry in archive.files().map_err(|e| damaged(&e))? {
        let entry = entry.map_err(|e| damaged(&e))?;
        expander.begin_entry()?;
        last_header = Some(entry.central_header_start());
        expand_entry(expander, entry, &mut body, &taken)?;
        // Each byte is one member's. Where members share them, a small archive makes any number of large members.
        taken_before = taken_before.saturating_add(taken.take());
        if taken_before > expander.archive_bytes() {
            return Err(Stop::Archive("members overlap in the archive".to_owned()));
        }
    }
    if holds_more(&mut body.inner, last_header).map_err(|e| damaged(&e))? {
        return Err(Stop::Archive("a damaged zip: it holds more members than its directory counts".to_owned()));
    }
    Ok(())
}

/// Whether another header follows the last one that the directory counts, or a member lies where it counts none.
///
/// The count has 16 bits, and some programs write it modulo 65,536 instead of zip64's: members beyond it would be lost
/// without a word. Source: APPNOTE.TXT 4.3.12 (a central header: 46 bytes, of which 28 to 33 tell what follows them)
/// and 4.4.22.
fn holds_more(file: &mut File, last_header: Option<u64>) -> io::Result<bool> {
    let (at, mark) = match last_header {
        None => (0, LOCAL_HEADER),
        Some(start) => {
            let mut header = [0; CENTRAL_HEADER_BYTES];
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(&mut header)?;
            let lengths = header[28..34].as_chunks::<2>().0.iter().map(|bytes| u64::from(u16::from_le_bytes(*bytes)));
            (start + CENTRAL_HEADER_BYTES as u64 + lengths.sum::<u64>(), CENTRAL_HEADER)
        }
    };
    file.seek(SeekFrom::Start(at))?;
    let mut next = Vec::new();
    file.take(4).read_to_end(&mut next)?;
    Ok(next == mark)
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
