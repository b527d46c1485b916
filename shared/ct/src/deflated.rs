//! Inflating a stream (RFC 1951) piece by piece: what is passed over is not held, and a place in the stream can be come
//! back to.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

/// What one step inflates at most.
const STEP_BYTES: usize = 64 * 1024;

/// A raw deflate stream that is inflated as far as it is needed.
///
/// Holds what was inflated and not dropped, and 43 KB of state. A clone goes on from the same place.
#[derive(Clone)]
pub(crate) struct Inflater {
    state: Box<InflateState>,
    out: Vec<u8>,
    /// Inflated bytes up to here.
    end: u64,
    /// Bytes before this are not held.
    keep_from: u64,
    consumed: u64,
    ended: bool,
    broken: bool,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { end, keep_from, consumed, ended, .. } = self;
        f.debug_struct("Inflater")
            .field("end", end)
            .field("keep_from", keep_from)
            .field("consumed", consumed)
            .field("ended", ended)
            .finish_non_exhaustive()
    }
}

/// The stream is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

impl Inflater {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self {
            state: InflateState::new_boxed(DataFormat::Raw),
            out: Vec::new(),
            end: 0,
            keep_from: 0,
            consumed: 0,
            ended: false,
            broken: false,
        }
    }

    /// What is held, and the offset of its first byte.
    pub fn held(&self) -> (&[u8], u64) {
        (&self.out, self.end - self.out.len() as u64)
    }

    /// What is held, by itself.
    pub fn into_held(self) -> Vec<u8> {
        self.out
    }

    /// Inflated bytes so far, dropped ones too.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Bytes of the stream that were taken so far.
    pub fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Whether nothing more will come.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Drops what lies before `offset`, now and as it comes.
    pub fn drop_before(&mut self, offset: u64) {
        self.keep_from = self.keep_from.max(offset);
        let (_, start) = self.held();
        let dropped = usize::try_from(self.keep_from.saturating_sub(start)).unwrap_or(usize::MAX);
        self.out.drain(..dropped.min(self.out.len()));
    }

    /// Inflates one step of `input`, the stream from [`Inflater::consumed`] on; `is_last` where nothing follows it. A
    /// stream without an end has ended with its bytes.
    ///
    /// *Errors*: [`Broken`] where the bytes are no deflate stream; what came before is given first.
    pub fn step(&mut self, input: &[u8], is_last: bool) -> Result<(), Broken> {
        if self.broken {
            return Err(Broken);
        }
        let mut buffer = [0; STEP_BYTES];
        let result = inflate(&mut self.state, input, &mut buffer, MZFlush::None);
        self.consumed += result.bytes_consumed as u64;
        let written = buffer.get(..result.bytes_written).unwrap_or_default();
        let dropped = usize::try_from(self.keep_from.saturating_sub(self.end)).unwrap_or(usize::MAX);
        self.out.extend_from_slice(written.get(dropped.min(written.len())..).unwrap_or_default());
        self.end += written.len() as u64;
        let stuck = result.bytes_consumed == 0 && written.is_empty();
        match result.status {
            Ok(MZStatus::StreamEnd) => self.ended = true,
            Ok(_) | Err(MZError::Buf) if stuck && is_last => self.ended = true,
            Ok(_) | Err(MZError::Buf) => {}
            Err(_) if written.is_empty() => return Err(Broken),
            Err(_) => self.broken = true,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_clone_goes_on_from_its_place_and_what_is_passed_over_is_not_held() {
        let plain: Vec<u8> = (0..1_000_000_u32).flat_map(|number| (number / 3).to_le_bytes()).collect();
        let stream = deflated(&plain);
        let mut inflater = Inflater::new();
        let mut places = Vec::new();
        while !inflater.has_ended() {
            places.push(inflater.clone());
            let from = inflater.consumed() as usize;
            inflater.step(&stream[from..], true).unwrap();
            inflater.drop_before(inflater.end());
            assert!(inflater.held().0.is_empty());
        }
        assert_eq!(inflater.end(), plain.len() as u64);
        for mut place in places.into_iter().step_by(7) {
            let wanted = place.end() as usize + 70_000;
            place.drop_before(wanted as u64);
            while place.end() < (wanted + 10) as u64 && !place.has_ended() {
                let from = place.consumed() as usize;
                place.step(&stream[from..], true).unwrap();
            }
            let (held, start) = place.held();
            assert!(held.len() <= STEP_BYTES);
            assert_eq!(held, &plain[start as usize..start as usize + held.len()]);
        }
    }

    #[test]
    fn a_stream_that_is_cut_ends_and_one_that_is_none_is_broken() {
        let stream = deflated(&[7; 5000]);
        let mut inflater = Inflater::new();
        let cut = &stream[..stream.len() - 2];
        for _ in 0..10 {
            inflater.step(&cut[inflater.consumed() as usize..], true).unwrap();
        }
        assert!(inflater.has_ended() && inflater.end() < 5000);
        assert_eq!(Inflater::new().step(b"\x78\x9C no raw stream", true), Err(Broken));
    }
}
