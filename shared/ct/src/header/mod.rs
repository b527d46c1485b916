//! Reads the header of one DICOM instance from the first bytes of its file.

mod build;
mod fields;
mod parser;
#[cfg(test)]
mod tests;

use std::io::Read;

use bolus_study::{Reason, ReasonCode};
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

pub(crate) use fields::Fields;
use fields::charset_of;
use parser::{DataSet, Encoding, Parsed, Parser, Stop};

use crate::Instance;

/// How many bytes of a file to read first: 246 of the 249 files of the development corpus are settled by them, at
/// some 25 microseconds a header.
pub const FIRST_READ_BYTES: u64 = 16 * 1024;
/// Each further read asks for at least this many times the bytes of the one before.
const GROWTH: u64 = 4;
/// A deflated data set whose header needs more than this once inflated is refused.
const MAX_INFLATED_BYTES: u64 = 512 * 1024 * 1024;
/// Inflation starts with this many bytes and grows by [`GROWTH`].
const FIRST_INFLATED_BYTES: u64 = 64 * 1024;
/// Where the prefix `DICM` stands behind the preamble (PS3.10 section 7.1).
const PREAMBLE_BYTES: usize = 128;

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
/// neither needed nor copied.
///
/// Takes files without preamble, without file meta group or transfer syntax, in implicit or explicit little endian,
/// explicit big endian, or deflated (then the whole file is asked for).
///
/// # Errors
/// The reason why the file is refused: empty, not DICOM, a media index, broken, or shorter than its own data set or
/// native pixel data say. Reading it again gives the same.
pub fn read_header(prefix: &[u8], file_len: u64) -> Result<HeaderRead, Reason> {
    let file_len = file_len.max(prefix.len() as u64);
    if file_len == 0 {
        return Err(Reason::new(ReasonCode::EmptyFile, "the file has no bytes"));
    }
    match Reading::start(prefix, file_len).and_then(Reading::instance) {
        Ok(instance) => Ok(HeaderRead::Instance(Box::new(instance))),
        Err(Outcome::More(needed)) if needed <= prefix.len() as u64 => {
            Err(Reason::new(ReasonCode::BadDicom, "the header does not end"))
        }
        Err(Outcome::More(needed)) => {
            let grown = (prefix.len() as u64).saturating_mul(GROWTH).max(FIRST_READ_BYTES);
            Ok(HeaderRead::NeedMore { bytes: needed.max(grown).min(file_len) })
        }
        Err(Outcome::Refused(reason)) => Err(reason),
    }
}

/// Why there is no instance.
enum Outcome {
    More(u64),
    Refused(Reason),
}

fn refused(code: ReasonCode, detail: impl Into<String>) -> Outcome {
    Outcome::Refused(Reason::new(code, detail))
}

/// The parts of the file meta group (PS3.10 section 7.1) that are used.
#[derive(Default)]
struct Meta {
    sop_class_uid: Option<String>,
    sop_instance_uid: Option<String>,
    transfer_syntax_uid: Option<String>,
}

/// A file whose file meta group has been read.
struct Reading<'a> {
    prefix: &'a [u8],
    file_len: u64,
    /// `DICM` or a file meta group shows that this means to be DICOM.
    certain: bool,
    meta: Meta,
    /// Offset of the data set.
    at: u64,
}

impl<'a> Reading<'a> {
    /// Finds the start and reads the file meta group, where there is one.
    fn start(prefix: &'a [u8], file_len: u64) -> Result<Self, Outcome> {
        let whole = prefix.len() as u64 == file_len;
        let with_preamble = PREAMBLE_BYTES + 4;
        if prefix.len() < with_preamble && !whole {
            return Err(Outcome::More(FIRST_READ_BYTES.min(file_len)));
        }
        let marked = |at: usize| prefix.get(at..at + 4) == Some(b"DICM".as_slice());
        let start = if marked(PREAMBLE_BYTES) {
            with_preamble
        } else if marked(0) {
            4
        } else {
            0
        };
        if start == 0 && !looks_like_a_data_set(prefix) {
            return Err(refused(ReasonCode::NotDicom, "neither the DICM prefix nor a DICOM data set"));
        }
        let mut reading = Self { prefix, file_len, certain: start > 0, meta: Meta::default(), at: start as u64 };
        reading.read_meta()?;
        Ok(reading)
    }

    fn read_meta(&mut self) -> Result<(), Outcome> {
        let encoding = Encoding { explicit: true, big: false };
        let mut parser = Parser::new(self.prefix, self.file_len, self.at, encoding);
        let set = parser.file_meta().map_err(|stop| self.outcome(stop))?;
        if parser.at() > self.at {
            self.certain = true;
        }
        self.at = parser.at();
        let fields = Fields::new(&set, false, None);
        self.meta = Meta {
            sop_class_uid: fields.text(tags::MEDIA_STORAGE_SOP_CLASS_UID),
            sop_instance_uid: fields.text(tags::MEDIA_STORAGE_SOP_INSTANCE_UID),
            transfer_syntax_uid: fields.text(tags::TRANSFER_SYNTAX_UID),
        };
        if self.meta.sop_class_uid.as_deref() == Some(uids::MEDIA_STORAGE_DIRECTORY_STORAGE) {
            return Err(refused(ReasonCode::Dicomdir, "a media storage directory"));
        }
        Ok(())
    }

    fn outcome(&self, stop: Stop) -> Outcome {
        match stop {
            Stop::More(bytes) => Outcome::More(bytes),
            Stop::Truncated => refused(ReasonCode::Truncated, "the file ends inside its data set"),
            Stop::Bad(detail) => refused(ReasonCode::BadDicom, detail),
        }
    }

    /// Reads the data set and makes the instance.
    fn instance(self) -> Result<Instance, Outcome> {
        let declared = self.meta.transfer_syntax_uid.as_deref();
        if declared == Some(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN) {
            return self.deflated();
        }
        let first = self.first_bytes()?;
        let (encoding, transfer_syntax) = encoding_of(declared, first);
        let mut parser = Parser::new(self.prefix, self.file_len, self.at, encoding);
        let parsed = match parser.data_set(is_enough) {
            Ok(parsed) => parsed,
            // Without any mark of DICOM, a few lucky bytes are no evidence.
            Err(Stop::Bad(_) | Stop::Truncated) if !self.certain && parser.top_level < 4 => {
                return Err(refused(ReasonCode::NotDicom, "neither the DICM prefix nor a DICOM data set"));
            }
            Err(stop) => return Err(self.outcome(stop)),
        };
        if let Some(pixels) = parsed.pixels
            && let Some(length) = pixels.length
            && pixels.offset.saturating_add(length) > self.file_len
        {
            let found = self.file_len.saturating_sub(pixels.offset);
            let detail = format!("pixel data of {length} bytes declared, {found} found");
            return Err(refused(ReasonCode::Truncated, detail));
        }
        self.build(&parsed, encoding.big, transfer_syntax, false)
    }

    /// Up to 8 bytes at the start of the data set.
    fn first_bytes(&self) -> Result<&'a [u8], Outcome> {
        let end = self.at.saturating_add(8).min(self.file_len);
        if end <= self.at {
            return Err(refused(ReasonCode::Truncated, "the file ends behind its file meta group"));
        }
        let range = usize::try_from(self.at).ok().zip(usize::try_from(end).ok());
        range.and_then(|(start, end)| self.prefix.get(start..end)).ok_or(Outcome::More(end))
    }

    fn build(&self, parsed: &Parsed<'_>, big: bool, syntax: String, deflated: bool) -> Result<Instance, Outcome> {
        if Fields::new(&parsed.data_set, big, None).has(tags::DIRECTORY_RECORD_SEQUENCE) {
            return Err(refused(ReasonCode::Dicomdir, "a media storage directory"));
        }
        if !self.certain && parsed.data_set.elements.is_empty() {
            return Err(refused(ReasonCode::NotDicom, "neither the DICM prefix nor a DICOM data set"));
        }
        build::instance(parsed, big, &self.meta, syntax, deflated).map_err(Outcome::Refused)
    }

    /// Inflates as much of the data set as its header needs (PS3.5 section A.5): the pixels stay deflated.
    fn deflated(self) -> Result<Instance, Outcome> {
        if (self.prefix.len() as u64) < self.file_len {
            return Err(Outcome::More(self.file_len));
        }
        let stored = usize::try_from(self.at).ok().and_then(|at| self.prefix.get(at..)).unwrap_or_default();
        let mut inflater = flate2::read::DeflateDecoder::new(stored);
        let mut inflated = Vec::new();
        let mut wanted = FIRST_INFLATED_BYTES;
        let encoding = Encoding { explicit: true, big: false };
        loop {
            let missing = wanted.saturating_sub(inflated.len() as u64);
            let read = inflater.by_ref().take(missing).read_to_end(&mut inflated);
            let ended = match read {
                Ok(read) => (read as u64) < missing,
                Err(_) => return Err(refused(ReasonCode::BadDicom, "the deflated data set does not inflate")),
            };
            let len = if ended { inflated.len() as u64 } else { u64::MAX };
            match Parser::new(&inflated, len, 0, encoding).data_set(is_enough) {
                Ok(parsed) => {
                    let syntax = uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN.to_owned();
                    return self.build(&parsed, false, syntax, true);
                }
                Err(Stop::More(needed)) if !ended && wanted < MAX_INFLATED_BYTES => {
                    wanted = needed.max(wanted * GROWTH).min(MAX_INFLATED_BYTES);
                }
                Err(Stop::More(_)) => {
                    let detail = format!("the header needs more than {MAX_INFLATED_BYTES} bytes once inflated");
                    return Err(refused(ReasonCode::TooLarge, detail));
                }
                Err(stop) => return Err(self.outcome(stop)),
            }
        }
    }
}

/// Whether the rest of the data set can be left unread: classes that hold no pixel data (reports, radiotherapy
/// structures, waveforms) may go on for megabytes behind the groups that matter here.
fn is_enough(next: Tag, set: &DataSet<'_>) -> bool {
    next.group() > 0x0028
        && Fields::new(set, false, None).text(tags::SOP_CLASS_UID).is_some_and(|class| has_no_pixels(&class))
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

/// The encoding that `first`, the first bytes of the data set, shows, and the transfer syntax. What the bytes show
/// outranks what is declared, as files converted by halves exist.
fn encoding_of(declared: Option<&str>, first: &[u8]) -> (Encoding, String) {
    let shown = match *first {
        [g0, g1, _, _, v0, v1, ..] if parser::is_known_vr([v0, v1]) => {
            Encoding { explicit: true, big: u16::from_be_bytes([g0, g1]) < u16::from_le_bytes([g0, g1]) }
        }
        _ => Encoding { explicit: false, big: false },
    };
    let by_bytes = match shown {
        Encoding { explicit: false, .. } => uids::IMPLICIT_VR_LITTLE_ENDIAN,
        Encoding { big: false, .. } => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        Encoding { big: true, .. } => BIG_ENDIAN,
    };
    let uid = match declared {
        Some(uid) if (uid == BIG_ENDIAN) == shown.big => uid,
        _ => by_bytes,
    };
    (shown, uid.to_owned())
}

/// The name of a transfer syntax (PS3.6 table A-1); `None` for one that is not known.
#[must_use]
pub fn transfer_syntax_name(uid: &str) -> Option<&'static str> {
    TransferSyntaxRegistry.get(uid).map(|syntax| syntax.name())
}

/// Explicit VR Big Endian, retired in 2006.
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
