//! The whole header out of the first bytes of a file.

use bolus_study::Reason;

use super::reader::{FIRST_READ_BYTES, HeaderReader, HeaderStep};
use crate::Instance;

/// What the first bytes of a file gave.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderRead {
    /// The whole header.
    Instance(Box<Instance>),
    /// The header goes on: read the file again up to `bytes` from its start, and ask again.
    NeedMore {
        /// Bytes from the start of the file; more than the prefix had, at most the file's length.
        bytes: u64,
    },
}

/// Reads the header out of `prefix`, the first bytes of a file of `file_len` bytes, up to the pixel data. Pixels are
/// neither needed nor copied. Who reads by ranges takes [`HeaderReader`], which asks for no byte twice and for none
/// that it passes over.
///
/// # Errors
/// The reason why the file is refused, as [`HeaderReader::feed`] has it.
pub fn read_header(prefix: &[u8], file_len: u64) -> Result<HeaderRead, Reason> {
    let file_len = file_len.max(prefix.len() as u64);
    let mut reader = HeaderReader::new(file_len);
    loop {
        let wanted = reader.wanted();
        let start = usize::try_from(wanted.start).ok();
        let rest = start.and_then(|start| prefix.get(start..)).unwrap_or_default();
        if rest.is_empty() && wanted.start < file_len {
            return Ok(HeaderRead::NeedMore { bytes: grown(wanted.end, prefix.len(), file_len) });
        }
        match reader.feed(rest)? {
            HeaderStep::Instance(instance) => return Ok(HeaderRead::Instance(instance)),
            // All that the prefix had from there on was not enough.
            HeaderStep::More(later) if (prefix.len() as u64) < later.least() => {
                return Ok(HeaderRead::NeedMore { bytes: grown(later.least(), prefix.len(), file_len) });
            }
            HeaderStep::More(later) => reader = *later,
        }
    }
}

/// At least four times what there is, so that a long header takes few reads.
fn grown(needed: u64, had: usize, file_len: u64) -> u64 {
    needed.max((had as u64).saturating_mul(4)).max(FIRST_READ_BYTES).min(file_len)
}
