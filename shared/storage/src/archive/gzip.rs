//! Gzip streams of any number of members, with each checksum verified.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// Inflates one gzip member after the other. Bytes after the last member that begin no other are ignored, as `gzip`
/// does: padding of tapes is common. An error therefore always means damage: a checksum or a cut.
pub(super) struct GzipReader<R> {
    state: Option<GzDecoder<R>>,
}

impl<R: BufRead> GzipReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { state: Some(GzDecoder::new(inner)) }
    }
}

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.state {
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(decoder) = self.state.take() else { break };
            let mut rest = decoder.into_inner();
            if rest.fill_buf()?.starts_with(b"\x1f") {
                self.state = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}
