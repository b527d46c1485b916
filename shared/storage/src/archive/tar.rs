//! Tar archives, plain and gzipped.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use ::tar::{Archive, Entry, EntryType};
use tokio_util::sync::CancellationToken;

use super::gzip::GzipReader;
use super::limits::ArchiveLimits;
use super::member::{Expander, Expansion, Stop, cancelled};
use crate::StorageError;

/// Bytes that one entry's headers may take: the reader holds long names and pax records in memory.
const HEADER_BYTES: u64 = 1 << 20;
const BUFFER: usize = 128 << 10;

/// Expands the tar archive `file`.
pub(super) fn expand(mut expander: Expander, file: File, gzipped: bool) -> Result<Expansion, StorageError> {
    let meter = Rc::new(Meter::default());
    let counting = BufReader::with_capacity(BUFFER, Counting { inner: file, meter: Rc::clone(&meter) });
    let inner: Box<dyn Read> = if gzipped { Box::new(GzipReader::new(counting)) } else { Box::new(counting) };
    let stop = expander.stop_flag();
    let mut archive =
        Archive::new(Guarded { inner, meter: Rc::clone(&meter), limits: expander.limits, stop: stop.clone() });
    let mut ended = expand_entries(&mut expander, &mut archive, &meter);
    // The checksum lies behind all members. So it is looked at where the tar went wrong on the way, too: that is what a
    // changed byte in the stream comes to, and the members before it are no better.
    if gzipped && meter.stream.get() == Stream::Sound && !matches!(ended, Err(Stop::Error(_))) {
        let rest = verify_rest(&mut archive.into_inner(), &meter);
        // A stream that is only cut does not break the tar before its end.
        if ended.is_err() && meter.stream.get() == Stream::Cut {
            meter.stream.set(Stream::Corrupt);
        }
        ended = ended.and(rest);
    }
    if stop.is_cancelled() {
        ended = Err(Stop::Error(cancelled(expander.uri())));
    }
    if meter.stream.get() == Stream::Corrupt {
        expander.refuse_all("the gzip stream is damaged, so no member can be trusted");
    }
    expander.finish(ended)
}

fn expand_entries(expander: &mut Expander, archive: &mut Archive<Guarded>, meter: &Meter) -> Result<(), Stop> {
    let damaged = |e: io::Error| Stop::Archive(format!("a damaged tar: {e}"));
    meter.allow(HEADER_BYTES);
    let mut entries = archive.entries().map_err(damaged)?;
    loop {
        let Some(entry) = entries.next() else { return Ok(()) };
        let mut entry = entry.map_err(damaged)?;
        expander.begin_entry()?;
        // A sparse entry's size is that of the file with its holes; its header states what is stored.
        let is_sparse = entry.header().entry_type() == EntryType::GNUSparse;
        let stored = if is_sparse { entry.header().entry_size().unwrap_or(0) } else { entry.size() };
        // The entry's bytes, whether they are kept here or skipped by the next step, and then the next headers.
        meter.allow(HEADER_BYTES.saturating_add(stored));
        expand_entry(expander, &mut entry, meter)?;
        // A stream that has failed gives no more headers.
        if let Some(failure) = meter.failure.take() {
            return Err(Stop::Archive(failure));
        }
    }
}

fn expand_entry(expander: &mut Expander, entry: &mut Entry<'_, Guarded>, meter: &Meter) -> Result<(), Stop> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous if name.ends_with('/') && entry.size() == 0 => Ok(()),
        EntryType::Regular | EntryType::Continuous => {
            // The member's first bytes may lie in the buffer already, so it is granted a buffer more than is counted.
            let before = meter.compressed.get();
            let expected = entry.size();
            let mut exact = Exact { inner: entry, left: expected };
            expander.member(&name, &mut exact, &|| meter.compressed.get() - before + BUFFER as u64)
        }
        EntryType::Directory | EntryType::XGlobalHeader => Ok(()),
        EntryType::Symlink | EntryType::Link => {
            expander.refuse(&name, "a link");
            Ok(())
        }
        EntryType::GNUSparse => {
            expander.refuse(&name, "a sparse file");
            Ok(())
        }
        other => {
            expander.refuse(&name, format!("not a regular file (type {:?})", char::from(other.as_byte())));
            Ok(())
        }
    }
}

/// Inflates what follows the tar's end, so that the stream's checksum is looked at.
fn verify_rest(rest: &mut Guarded, meter: &Meter) -> Result<(), Stop> {
    meter.allow(u64::MAX);
    let damaged = |e: io::Error| Stop::Archive(format!("a damaged gzip stream: {e}"));
    io::copy(rest, &mut io::sink()).map(|_| ()).map_err(damaged)
}

/// What passes between the file, the decoder and the tar reader.
#[derive(Default)]
struct Meter {
    /// Bytes taken from the file.
    compressed: Cell<u64>,
    /// Bytes given to the tar reader.
    inflated: Cell<u64>,
    /// Bytes that may still be given before it is a breach.
    allowed: Cell<u64>,
    /// Why the stream has failed.
    failure: RefCell<Option<String>>,
    /// How the stream has fared.
    stream: Cell<Stream>,
}

/// What has become of a stream.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stream {
    /// Nothing is wrong so far.
    #[default]
    Sound,
    /// It ends early: the members before are kept.
    Cut,
    /// It has failed by damage: no member can be trusted.
    Corrupt,
}

impl Meter {
    fn allow(&self, bytes: u64) {
        self.allowed.set(bytes);
    }

    fn fail(&self, error: &io::Error) {
        self.failure.replace(Some(format!("the archive cannot be read on: {error}")));
    }
}

struct Counting {
    inner: File,
    meter: Rc<Meter>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.meter.compressed.set(self.meter.compressed.get() + read as u64);
        Ok(read)
    }
}

/// The inflated stream, with the limits that hold whether or not its bytes are kept.
struct Guarded {
    inner: Box<dyn Read>,
    meter: Rc<Meter>,
    limits: ArchiveLimits,
    stop: CancellationToken,
}

impl Guarded {
    fn check(&self) -> io::Result<()> {
        let inflated = self.meter.inflated.get();
        let breach = if self.stop.is_cancelled() {
            "cancelled"
        } else if self.meter.allowed.get() == 0 {
            "headers of an entry are too long"
        } else if inflated > self.limits.total_bytes.saturating_add(self.limits.members as u64 * 1024) {
            "the archive expands beyond the limit of all members"
        } else if self.limits.exceeded_ratio(inflated, self.meter.compressed.get()).is_some() {
            "the archive expands more than the limit of its ratio"
        } else {
            return Ok(());
        };
        Err(io::Error::other(breach))
    }
}

impl Read for Guarded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check().inspect_err(|error| self.meter.fail(error))?;
        let allowed = usize::try_from(self.meter.allowed.get()).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(buffer.get_mut(..allowed).unwrap_or_default()).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.meter.fail(error);
                let cut = error.kind() == io::ErrorKind::UnexpectedEof;
                self.meter.stream.set(if cut { Stream::Cut } else { Stream::Corrupt });
            }
        })?;
        self.meter.inflated.set(self.meter.inflated.get() + read as u64);
        self.meter.allowed.set(self.meter.allowed.get().saturating_sub(read as u64));
        Ok(read)
    }
}

/// A member that must have the size its header states: the tar reader takes the archive's end for the member's.
struct Exact<'a, R> {
    inner: &'a mut R,
    left: u64,
}

impl<R: Read> Read for Exact<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            let missing = format!("{} bytes are missing at the end of the archive", self.left);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, missing));
        }
        Ok(read)
    }
}
