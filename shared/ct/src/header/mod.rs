//! Reads the header of one DICOM instance from the first bytes of its file.

mod build;
mod fields;
mod frames;
mod head;
mod marks;
mod parser;
mod reader;
mod says;
mod text;
mod walk;

#[cfg(test)]
mod bound_tests;
#[cfg(test)]
mod odd_tests;
#[cfg(test)]
pub(crate) mod tests;

use bolus_study::Reason;

pub(crate) use fields::Fields;
pub use reader::{HeaderReader, HeaderStep};

use crate::Instance;

/// How many bytes of a file to read first: 246 of the 249 files of the development corpus are settled by them, at
/// some 25 microseconds a header.
pub const FIRST_READ_BYTES: u64 = 16 * 1024;

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

/// Storage classes without pixel data (PS3.4 annex B.5): waveforms, reports, presentation states, radiotherapy
/// objects other than images and doses, and encapsulated documents.
fn has_no_pixels(sop_class_uid: &str) -> bool {
    let Some(class) = sop_class_uid.strip_prefix("1.2.840.10008.5.1.4.1.1.") else { return false };
    let exact = ["66", "66.3", "481.3", "481.4", "481.5", "481.6", "481.7", "481.8", "481.9"];
    exact.contains(&class) || ["9.", "11.", "88.", "104."].iter().any(|start| class.starts_with(start))
}

/// Whether `prefix` starts like a data set without preamble: an attribute of the groups 0002 or 0008, in either byte
/// order, with a known value representation or a modest length.
fn looks_like_a_data_set(prefix: &[u8]) -> bool {
    let Some(&[g0, g1, _, e1, v0, v1, l0, l1]) = prefix.first_chunk::<8>() else { return false };
    if parser::is_known_vr([v0, v1]) {
        return matches!((g0, g1), (0x02 | 0x08, 0x00) | (0x00, 0x08));
    }
    matches!((g0, g1), (0x02 | 0x08, 0x00)) && e1 == 0x00 && u32::from_le_bytes([v0, v1, l0, l1]) <= 1024
}

/// Explicit VR Big Endian, retired in 2006.
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
