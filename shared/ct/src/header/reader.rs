//! The whole header, piece by piece: file meta group, data set, inflating where need be.

use std::ops::Range;

use bolus_study::{Reason, ReasonCode};
use dicom_dictionary_std::uids;

use super::build;
use super::meta::Meta;
use crate::Instance;
use crate::data_set::{Encoding, Fields, Scope, Stop, Walker, Window, is_known_vr};
use crate::deflated::Inflater;

/// How many bytes of a file to read first: 246 of the 249 files of the development corpus are settled by them, at
/// some 25 microseconds a header.
pub const FIRST_READ_BYTES: u64 = 16 * 1024;

/// Explicit VR Big Endian, retired in 2006.
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
/// Where the prefix `DICM` stands behind the preamble (PS3.10 section 7.1).
const PREAMBLE_BYTES: usize = 128;
/// Each further read of bytes that follow each other is this many times the one before, up to [`LONGEST_READ_BYTES`].
const GROWTH: u64 = 4;
const LONGEST_READ_BYTES: u64 = 1 << 20;
/// A header is refused that takes more bytes: of the file, or of what a deflated data set inflates to before its pixels.
/// Values that are passed over in the file do not count, as they are not read.
const MAX_HEADER_BYTES: u64 = 64 << 20;
/// A header may keep this many bytes in memory, and [`KEPT_PER_BYTE`] more for each byte that was read of its file: an
/// element without a value has 8 bytes in the file and takes a hundred here. Functional groups deflate to a thirtieth,
/// so there are [`KEPT_PER_DEFLATED_BYTE`] where the data set is or may be deflated. Never more than [`MAX_KEPT_BYTES`]: 10,000 frames of an Enhanced CT take 15 MB.
const KEPT_FLOOR_BYTES: u64 = 256 * 1024;
const KEPT_PER_BYTE: u64 = 16;
const KEPT_PER_DEFLATED_BYTE: u64 = 128;
const MAX_KEPT_BYTES: u64 = 64 << 20;

/// Reads the header of a file up to the pixel data, from whatever ranges of the file it asks for.
///
/// Takes files without preamble, without file meta group or transfer syntax, in implicit or explicit little endian,
/// explicit big endian, or deflated. What it holds is bounded by [`HeaderReader::memory_bound`], whatever the file says.
#[derive(Debug)]
pub struct HeaderReader {
    file_len: u64,
    phase: Phase,
    meta: Meta,
    /// `DICM` or a file meta group shows that this means to be DICOM.
    certain: bool,
    wanted: Range<u64>,
    /// How far the bytes must reach for the next step.
    least: u64,
    /// Bytes that were read so far.
    fed: u64,
    /// Bytes that may be kept by now.
    allowance: u64,
}

/// What a piece gave.
#[derive(Debug)]
pub enum HeaderStep {
    /// The whole header.
    Instance(Box<Instance>),
    /// The header goes on with the bytes that [`HeaderReader::wanted`] names.
    More(Box<HeaderReader>),
}

#[derive(Debug)]
enum Phase {
    Start,
    FileMeta(Walker),
    /// The file meta group ends at the offset.
    BehindMeta(u64),
    DataSet {
        walker: Walker,
        encoding: Encoding,
        transfer_syntax_uid: String,
    },
    Deflated {
        walker: Walker,
        inflater: Box<Inflater>,
        /// Where the deflate stream starts in the file.
        start: u64,
    },
}

/// Why there is no instance yet.
enum Outcome {
    /// The bytes must go on from the first offset and reach the second.
    More(u64, u64),
    Refused(Reason),
}

fn refused(code: ReasonCode, detail: impl Into<String>) -> Outcome {
    Outcome::Refused(Reason::new(code, detail))
}

impl HeaderReader {
    /// Begins with a file of `file_len` bytes.
    #[must_use]
    pub fn new(file_len: u64) -> Self {
        Self {
            file_len,
            phase: Phase::Start,
            meta: Meta::default(),
            certain: false,
            wanted: 0..FIRST_READ_BYTES.min(file_len),
            least: 0,
            fed: 0,
            allowance: 0,
        }
    }

    /// The bytes of the file to give to [`HeaderReader::feed`] next.
    #[must_use]
    pub fn wanted(&self) -> Range<u64> {
        self.wanted.clone()
    }

    /// How far the bytes must reach at least.
    pub(super) fn least(&self) -> u64 {
        self.least
    }

    /// The most memory in bytes that the reader and the bytes that it wants take together, until it wants others.
    #[must_use]
    pub fn memory_bound(&self) -> u64 {
        let wanted = self.wanted.end - self.wanted.start;
        self.most_kept(self.fed.saturating_add(wanted)) + 2 * wanted
    }

    /// The most that may be kept of `read` bytes.
    fn most_kept(&self, read: u64) -> u64 {
        let times = if matches!(self.phase, Phase::DataSet { .. }) { KEPT_PER_BYTE } else { KEPT_PER_DEFLATED_BYTE };
        KEPT_FLOOR_BYTES.saturating_add(read.saturating_mul(times)).min(MAX_KEPT_BYTES)
    }

    /// Goes on with `bytes`, which start where [`HeaderReader::wanted`] does. They may end later; ending earlier is taken
    /// as well, as long as there are any.
    ///
    /// # Errors
    /// The reason why the file is refused: empty, not DICOM, a media index, broken, too large, or shorter than its own
    /// data set or native pixel data say. Reading it again gives the same.
    pub fn feed(mut self, bytes: &[u8]) -> Result<HeaderStep, Reason> {
        if self.file_len == 0 {
            return Err(Reason::new(ReasonCode::EmptyFile, "the file has no bytes"));
        }
        let window = Window { bytes, start: self.wanted.start };
        self.allowance = self.most_kept(self.fed.saturating_add(bytes.len() as u64));
        if let Phase::FileMeta(walker) | Phase::DataSet { walker, .. } | Phase::Deflated { walker, .. } =
            &mut self.phase
        {
            walker.allow(self.allowance);
        }
        let has = window.start.saturating_add(bytes.len() as u64);
        match self.advance(window) {
            Ok(instance) => Ok(HeaderStep::Instance(Box::new(instance))),
            Err(Outcome::Refused(reason)) => Err(reason),
            Err(Outcome::More(_, to)) if to <= has || to > self.file_len => {
                Err(Reason::new(ReasonCode::Truncated, "the file ends inside its header"))
            }
            Err(Outcome::More(from, to)) => {
                self.want(from, to, bytes.len() as u64)?;
                Ok(HeaderStep::More(Box::new(self)))
            }
        }
    }

    /// Settles what is wanted next: from `from` at least to `to`, and more the longer the header turns out to be.
    fn want(&mut self, from: u64, to: u64, had: u64) -> Result<(), Reason> {
        let contiguous = from <= self.wanted.end;
        self.fed = self.fed.saturating_add(had);
        if self.fed.max(to - from) > MAX_HEADER_BYTES {
            let detail = format!("the header takes more than {MAX_HEADER_BYTES} bytes");
            return Err(Reason::new(ReasonCode::TooLarge, detail));
        }
        let length = match &self.phase {
            _ if !contiguous => FIRST_READ_BYTES,
            _ => had.saturating_mul(GROWTH).clamp(FIRST_READ_BYTES, LONGEST_READ_BYTES),
        };
        self.least = to;
        self.wanted = from..from.saturating_add(length).max(to).min(self.file_len);
        Ok(())
    }

    fn advance(&mut self, window: Window<'_>) -> Result<Instance, Outcome> {
        loop {
            match &mut self.phase {
                Phase::Start => self.start(window)?,
                Phase::FileMeta(walker) => match walker.run(window) {
                    Ok(()) => self.file_meta()?,
                    Err(stop) => return Err(outcome(stop, walker.at())),
                },
                &mut Phase::BehindMeta(at) => self.data_set(window, at)?,
                Phase::DataSet { walker, .. } => match walker.run(window) {
                    Ok(()) => return self.plain_instance(),
                    Err(stop) => {
                        let (at, top_level) = (walker.at(), walker.top_level);
                        return Err(self.data_set_outcome(stop, at, top_level));
                    }
                },
                Phase::Deflated { .. } => return self.inflate(window),
            }
        }
    }

    /// Finds where the file meta group or the data set starts.
    fn start(&mut self, window: Window<'_>) -> Result<(), Outcome> {
        let prefix = window.bytes;
        let with_preamble = PREAMBLE_BYTES + 4;
        if prefix.len() < with_preamble && (prefix.len() as u64) < self.file_len {
            return Err(Outcome::More(0, (with_preamble as u64).min(self.file_len)));
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
        self.certain = start > 0;
        self.phase = Phase::FileMeta(self.walker(Scope::FileMeta, Encoding::EXPLICIT, start as u64));
        Ok(())
    }

    fn walker(&self, scope: Scope, encoding: Encoding, at: u64) -> Walker {
        Walker::new(scope, encoding, at, self.file_len, self.allowance)
    }

    fn file_meta(&mut self) -> Result<(), Outcome> {
        let Phase::FileMeta(walker) = &self.phase else { return Ok(()) };
        self.certain |= walker.top_level > 0;
        self.meta = Meta::of(Fields::new(&walker.data_set, false));
        if self.meta.sop_class_uid.as_deref() == Some(uids::MEDIA_STORAGE_DIRECTORY_STORAGE) {
            return Err(refused(ReasonCode::Dicomdir, "a media storage directory"));
        }
        self.phase = Phase::BehindMeta(walker.at());
        Ok(())
    }

    /// Begins with the data set at `at`, in the encoding that its first bytes show.
    fn data_set(&mut self, window: Window<'_>, at: u64) -> Result<(), Outcome> {
        let length = self.file_len.saturating_sub(at).min(8);
        if length == 0 {
            return Err(refused(ReasonCode::Truncated, "the file ends behind its file meta group"));
        }
        let first = window.peek(at, length).map_err(|stop| outcome(stop, at))?;
        let declared = self.meta.transfer_syntax_uid.as_deref();
        // A plain data set that is called deflated: no deflate stream starts like one.
        let plain =
            matches!(first, [_, _, _, _, v0, v1, ..] if is_known_vr([*v0, *v1])) && looks_like_a_data_set(first);
        if declared == Some(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN) && !plain {
            let mut walker = self.walker(Scope::DataSet, Encoding::EXPLICIT, 0);
            walker.ends_at(u64::MAX);
            self.phase = Phase::Deflated { walker, inflater: Box::new(Inflater::new()), start: at };
            return Ok(());
        }
        let (encoding, transfer_syntax_uid) = encoding_of(declared, first);
        let walker = self.walker(Scope::DataSet, encoding, at);
        self.phase = Phase::DataSet { walker, encoding, transfer_syntax_uid };
        Ok(())
    }

    fn data_set_outcome(&self, stop: Stop, at: u64, top_level: usize) -> Outcome {
        match stop {
            // Without any mark of DICOM, a few lucky bytes are no evidence.
            Stop::Bad(_) | Stop::Truncated if !self.certain && top_level < 4 => {
                refused(ReasonCode::NotDicom, "neither the DICM prefix nor a DICOM data set")
            }
            stop => outcome(stop, at),
        }
    }

    fn plain_instance(&self) -> Result<Instance, Outcome> {
        let Phase::DataSet { walker, encoding, transfer_syntax_uid } = &self.phase else {
            return Err(refused(ReasonCode::BadDicom, "no data set"));
        };
        if let Some(pixels) = walker.found.pixels
            && let Some(length) = pixels.length
            && pixels.offset.saturating_add(length) > self.file_len
        {
            let found = self.file_len.saturating_sub(pixels.offset);
            let detail = format!("pixel data of {length} bytes declared, {found} found");
            return Err(refused(ReasonCode::Truncated, detail));
        }
        self.build(walker, encoding.big, transfer_syntax_uid, None)
    }

    fn build(&self, walker: &Walker, big: bool, syntax: &str, deflated: Option<u64>) -> Result<Instance, Outcome> {
        if !self.certain && walker.data_set.elements.is_empty() {
            return Err(refused(ReasonCode::NotDicom, "neither the DICM prefix nor a DICOM data set"));
        }
        let source = build::Source { file_len: self.file_len, meta: &self.meta, big, syntax, deflated };
        build::instance(&walker.data_set, walker.found, &source).map_err(Outcome::Refused)
    }

    /// Inflates as much of the data set as its header needs (PS3.5 section A.5): the pixels stay deflated.
    fn inflate(&mut self, window: Window<'_>) -> Result<Instance, Outcome> {
        let file_len = self.file_len;
        let Phase::Deflated { walker, inflater, start } = &mut self.phase else {
            return Err(refused(ReasonCode::BadDicom, "no deflated data set"));
        };
        loop {
            let (bytes, offset) = inflater.held();
            let needed = match walker.run(Window { bytes, start: offset }) {
                Ok(()) => break,
                Err(Stop::More(needed)) => needed,
                Err(stop) => return Err(outcome(stop, 0)),
            };
            if inflater.has_ended() {
                return Err(refused(ReasonCode::Truncated, "the deflated data set ends inside its header"));
            }
            if needed > MAX_HEADER_BYTES {
                let detail = format!("the header takes more than {MAX_HEADER_BYTES} bytes once inflated");
                return Err(refused(ReasonCode::TooLarge, detail));
            }
            let at = *start + inflater.consumed();
            let input = usize::try_from(at.saturating_sub(window.start)).ok().and_then(|from| window.bytes.get(from..));
            let input = input.unwrap_or_default();
            let is_last = at + input.len() as u64 >= file_len;
            if input.is_empty() && !is_last {
                return Err(Outcome::More(at, at + 1));
            }
            inflater.drop_before(walker.at());
            let inflated = inflater.step(input, is_last);
            inflated.map_err(|_| refused(ReasonCode::BadDicom, "the deflated data set does not inflate"))?;
            if inflater.has_ended() {
                walker.ends_at(inflater.end());
            }
        }
        let Phase::Deflated { walker, start, .. } = &self.phase else {
            return Err(refused(ReasonCode::BadDicom, "no deflated data set"));
        };
        self.build(walker, false, uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, Some(*start))
    }
}

/// Whether `prefix` starts like a data set without preamble: an attribute of the groups 0002 or 0008, in either byte
/// order, with a known value representation or a modest length.
fn looks_like_a_data_set(prefix: &[u8]) -> bool {
    let Some(&[g0, g1, _, e1, v0, v1, l0, l1]) = prefix.first_chunk::<8>() else { return false };
    if is_known_vr([v0, v1]) {
        return matches!((g0, g1), (0x02 | 0x08, 0x00) | (0x00, 0x08));
    }
    matches!((g0, g1), (0x02 | 0x08, 0x00)) && e1 == 0x00 && u32::from_le_bytes([v0, v1, l0, l1]) <= 1024
}

/// Why a walk that is at `at` stopped.
fn outcome(stop: Stop, at: u64) -> Outcome {
    match stop {
        Stop::More(to) => Outcome::More(at, to),
        Stop::Truncated => refused(ReasonCode::Truncated, "the file ends inside its data set"),
        Stop::Bad(detail) => refused(ReasonCode::BadDicom, detail),
        Stop::Refused(reason) => Outcome::Refused(reason),
    }
}

/// The encoding that `first`, the first bytes of the data set, shows, and the transfer syntax. What the bytes show
/// outranks what is declared, as files converted by halves exist.
fn encoding_of(declared: Option<&str>, first: &[u8]) -> (Encoding, String) {
    let encoding = match *first {
        [g0, g1, _, _, v0, v1, ..] if is_known_vr([v0, v1]) => {
            Encoding { explicit: true, big: u16::from_be_bytes([g0, g1]) < u16::from_le_bytes([g0, g1]) }
        }
        _ => Encoding::IMPLICIT,
    };
    let by_bytes = match encoding {
        Encoding { explicit: false, .. } => uids::IMPLICIT_VR_LITTLE_ENDIAN,
        Encoding { big: false, .. } => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        Encoding { big: true, .. } => BIG_ENDIAN,
    };
    let uid = match declared {
        // It was looked at: the data set is not deflated.
        Some(uid) if uid != uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN && (uid == BIG_ENDIAN) == encoding.big => uid,
        _ => by_bytes,
    };
    (encoding, uid.to_owned())
}
