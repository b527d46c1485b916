//! One member at a time: its name, its bytes, the limits; and what comes out of them all.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::SystemTime;

use bolus_ops::scratch::{ScratchFolder, new_file};
use bolus_study::{Reason, ReasonCode};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::kind::{HEAD_BYTES, nested_format};
use super::limits::ArchiveLimits;
use crate::object::Source;
use crate::{ErrorKind, ObjectRef, StorageError, spool};

/// Bytes of one read while copying; cancellation and limits are looked at between reads.
const BUFFER: usize = 128 << 10;
/// Bytes of sha256 in a member's etag, twice as many hex digits: an identity, not a defence.
const ETAG_BYTES: usize = 16;
/// Characters of a member's name that a URI keeps.
const NAME_CHARACTERS: usize = 1024;

/// What came out of an archive. Folders are not members.
#[derive(Debug, Default)]
pub struct Expansion {
    /// The members, in the archive's order, as objects that can be read. Their spool folder is removed when the last
    /// of them is dropped.
    pub members: Vec<ObjectRef>,
    /// What was refused: a member's URI, or the archive's own where the rest of it (or all of it) cannot be read.
    pub refused: Vec<(String, Reason)>,
}

/// Why the whole expansion ends.
pub(super) enum Stop {
    /// The caller gets this error.
    Error(StorageError),
    /// The rest of the archive is refused with this reason; what came before stands.
    Archive(String),
}

/// Why one member is refused, or more than that.
pub(super) enum Refusal {
    Member(String),
    Stop(Stop),
}

impl From<StorageError> for Stop {
    fn from(error: StorageError) -> Self {
        Self::Error(error)
    }
}

pub(super) fn cancelled(uri: &str) -> StorageError {
    StorageError::new(ErrorKind::Retry, uri, "cancelled")
}

/// Writes members to the spool and keeps the account of an expansion.
pub(super) struct Expander {
    uri: String,
    /// Bytes of the archive itself.
    size: u64,
    modified: Option<SystemTime>,
    pub(super) limits: ArchiveLimits,
    folder: Arc<ScratchFolder>,
    stop: CancellationToken,
    entries: usize,
    written: u64,
    /// How many members have had a name, by a digest of it: names themselves may be long.
    names: HashMap<u128, usize>,
    /// Bytes of the URIs of all members, refused ones too: what the account of an expansion takes of memory.
    named: u64,
    expansion: Expansion,
}

impl Expander {
    pub(super) fn new(
        archive: &ObjectRef,
        folder: Arc<ScratchFolder>,
        limits: ArchiveLimits,
        stop: CancellationToken,
    ) -> Self {
        Self {
            uri: archive.uri.clone(),
            size: archive.size,
            modified: archive.modified,
            limits,
            folder,
            stop,
            entries: 0,
            written: 0,
            names: HashMap::new(),
            named: 0,
            expansion: Expansion::default(),
        }
    }

    /// Counts an entry of any kind.
    pub(super) fn begin_entry(&mut self) -> Result<(), Stop> {
        self.entries += 1;
        if self.entries > self.limits.members {
            return Err(Stop::Archive(format!("more than {} members", self.limits.members)));
        }
        if self.named > self.limits.name_bytes {
            return Err(Stop::Archive(format!("the members' names take more than {} bytes", self.limits.name_bytes)));
        }
        self.check_cancelled()
    }

    fn check_cancelled(&self) -> Result<(), Stop> {
        if self.stop.is_cancelled() { Err(Stop::Error(cancelled(&self.uri))) } else { Ok(()) }
    }

    /// The archive's URI.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// Bytes of the archive itself.
    pub(super) fn archive_bytes(&self) -> u64 {
        self.size
    }

    /// The flag that stops this expansion.
    pub(super) fn stop_flag(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Refuses the member `name`.
    pub(super) fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        let uri = self.member_uri(name);
        self.expansion.refused.push((uri, Reason::new(ReasonCode::Archive, detail)));
    }

    /// Takes every member back and refuses it: its bytes cannot be trusted.
    pub(super) fn refuse_all(&mut self, detail: &str) {
        for member in std::mem::take(&mut self.expansion.members) {
            self.expansion.refused.push((member.uri, Reason::new(ReasonCode::Archive, detail)));
        }
    }

    /// Writes the member `name` from `reader`, or refuses it. `compressed` tells how many of the archive's bytes the
    /// member has taken so far.
    pub(super) fn member(
        &mut self,
        name: &str,
        reader: &mut dyn Read,
        compressed: &dyn Fn() -> u64,
    ) -> Result<(), Stop> {
        if let Some(rule) = broken_name_rule(name) {
            self.refuse(name, rule);
            return Ok(());
        }
        match self.write(name, reader, compressed) {
            Ok(member) => {
                self.expansion.members.push(member);
                Ok(())
            }
            Err(Refusal::Member(detail)) => {
                self.refuse(name, detail);
                Ok(())
            }
            Err(Refusal::Stop(Stop::Archive(detail))) => {
                self.refuse(name, detail.clone());
                Err(Stop::Archive(detail))
            }
            Err(Refusal::Stop(stop)) => Err(stop),
        }
    }

    fn write(&mut self, name: &str, reader: &mut dyn Read, compressed: &dyn Fn() -> u64) -> Result<ObjectRef, Refusal> {
        let path = self.folder.path().join(format!("{:08}", self.entries));
        let failed = |e| Refusal::Stop(Stop::Error(spool::failed(&path, e)));
        let mut file = new_file(&path).map_err(failed)?;
        let copied = self.copy(reader, &mut file, compressed, &failed);
        let (size, etag) = copied.inspect_err(|_| {
            // What was written of a refused member goes at once; should that fail, the folder goes later.
            std::fs::remove_file(&path).ok();
        })?;
        let source = Source::Spooled { path, _folder: Arc::clone(&self.folder) };
        Ok(ObjectRef { uri: self.member_uri(name), size, etag, version: None, modified: self.modified, source })
    }

    /// Copies a member and gives its size and etag.
    fn copy(
        &mut self,
        reader: &mut dyn Read,
        file: &mut File,
        compressed: &dyn Fn() -> u64,
        failed: &dyn Fn(io::Error) -> Refusal,
    ) -> Result<(u64, String), Refusal> {
        let mut buffer = vec![0; BUFFER];
        let mut hasher = Sha256::new();
        let mut size = 0;
        loop {
            let chunk = read_some(reader, &mut buffer)?;
            if size == 0
                && let Some(format) = nested_format(chunk)
            {
                return Err(Refusal::Member(format!("an archive inside an archive ({format})")));
            }
            if chunk.is_empty() {
                let etag = hasher.finalize().iter().take(ETAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
                return Ok((size, etag));
            }
            size += chunk.len() as u64;
            self.written += chunk.len() as u64;
            self.check_limits(size, compressed())?;
            hasher.update(chunk);
            file.write_all(chunk).map_err(failed)?;
        }
    }

    fn check_limits(&self, size: u64, compressed: u64) -> Result<(), Refusal> {
        self.check_cancelled().map_err(Refusal::Stop)?;
        let limits = &self.limits;
        if self.written > limits.total_bytes {
            let detail = format!("the archive expands to more than {} bytes", limits.total_bytes);
            return Err(Refusal::Stop(Stop::Archive(detail)));
        }
        // Overlapping members share compressed bytes, so each may keep the ratio where the whole does not.
        if let Some(ratio) = limits.exceeded_ratio(self.written, self.size) {
            let detail = format!("the archive expands more than {ratio} times");
            return Err(Refusal::Stop(Stop::Archive(detail)));
        }
        if size > limits.member_bytes {
            return Err(Refusal::Member(format!("the member has more than {} bytes", limits.member_bytes)));
        }
        if let Some(ratio) = limits.exceeded_ratio(size, compressed) {
            return Err(Refusal::Member(format!("the member expands more than {ratio} times")));
        }
        Ok(())
    }

    /// The member's URI, which no other member has: a repeated name gets `#2`, `#3` and so on.
    fn member_uri(&mut self, name: &str) -> String {
        let printable: String =
            name.chars().take(NAME_CHARACTERS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        let mut repeat = self.count(&printable);
        let mut unique = if repeat == 1 { printable.clone() } else { format!("{printable}#{repeat}") };
        // A member may have been called so from the start.
        while repeat > 1 && self.count(&unique) > 1 {
            repeat = self.count(&printable);
            unique = format!("{printable}#{repeat}");
        }
        let uri = format!("{}!/{unique}", self.uri);
        self.named += uri.len() as u64;
        uri
    }

    /// Counts a name; gives how often it has come.
    fn count(&mut self, name: &str) -> usize {
        let digest = Sha256::digest(name);
        let digest = digest.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte));
        let count = self.names.entry(digest).or_insert(0);
        *count += 1;
        *count
    }

    /// Ends the expansion with what has come out.
    pub(super) fn finish(mut self, ended: Result<(), Stop>) -> Result<Expansion, StorageError> {
        match ended {
            Ok(()) => {}
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Archive(detail)) => {
                let detail = format!("{detail}; nothing after entry {} is read", self.entries);
                self.expansion.refused.push((self.uri, Reason::new(ReasonCode::Archive, detail)));
            }
        }
        Ok(self.expansion)
    }
}

/// Reads until `buffer` holds at least a head or the member ends.
fn read_some<'a>(reader: &mut dyn Read, buffer: &'a mut [u8]) -> Result<&'a [u8], Refusal> {
    let mut filled = 0;
    while filled < HEAD_BYTES {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Refusal::Member(format!("the member cannot be read: {error}"))),
        }
    }
    Ok(&buffer[..filled])
}

/// The rule of names that `name` breaks. No name is ever used as a path; one that tries to leave its folder is
/// refused all the same, since nobody packs a study that way in good faith.
fn broken_name_rule(name: &str) -> Option<&'static str> {
    let is_separator = |c| c == '/' || c == '\\';
    let mut characters = name.chars();
    let drive = characters.next().is_some_and(|c| c.is_ascii_alphabetic()) && characters.next() == Some(':');
    if name.is_empty() {
        Some("a member without a name")
    } else if name.starts_with(is_separator) || (drive && characters.next().is_some_and(is_separator)) {
        Some("an absolute path")
    } else if name.split(is_separator).any(|part| part == "..") {
        Some("a path that leaves its folder (..)")
    } else if name.contains('\0') {
        Some("a NUL in the name")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::broken_name_rule;

    #[test]
    fn names_that_leave_their_folder() {
        for bad in ["", "/etc/x", "\\x", "C:\\x", "c:/x", "../x", "a/../x", "a\\..\\x", "..", "a\0b"] {
            assert!(broken_name_rule(bad).is_some(), "{bad:?}");
        }
        for good in ["a", "a/b..c", "..a", "a...", "./a", "1:2/x", "a:b"] {
            assert!(broken_name_rule(good).is_none(), "{good:?}");
        }
    }
}
