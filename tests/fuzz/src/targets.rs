//! The parsers that outside bytes reach first.

use bolus_inference::Manifest;

use crate::archives::{tar, tar_gz, zip};
use crate::dicom::{codec, file, header};

/// A parser under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// Feeds it bytes; it may refuse them in any way but a panic.
    pub run: fn(&[u8]),
    /// The most memory that one input may take, in bytes.
    pub memory_bytes: usize,
}

const MIB: usize = 1 << 20;

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "header", run: header, memory_bytes: 64 * MIB },
    Target { name: "file", run: file, memory_bytes: 256 * MIB },
    Target { name: "rle", run: |data| codec("1.2.840.10008.1.2.5", data), memory_bytes: 64 * MIB },
    Target { name: "jpeg", run: |data| codec("1.2.840.10008.1.2.4.51", data), memory_bytes: 64 * MIB },
    Target { name: "jpeg-lossless", run: |data| codec("1.2.840.10008.1.2.4.70", data), memory_bytes: 64 * MIB },
    Target { name: "jpeg-ls", run: |data| codec("1.2.840.10008.1.2.4.80", data), memory_bytes: 64 * MIB },
    Target { name: "jpeg2000", run: |data| codec("1.2.840.10008.1.2.4.90", data), memory_bytes: 128 * MIB },
    Target { name: "htj2k", run: |data| codec("1.2.840.10008.1.2.4.201", data), memory_bytes: 128 * MIB },
    Target { name: "jpeg-xl", run: |data| codec("1.2.840.10008.1.2.4.110", data), memory_bytes: 128 * MIB },
    Target { name: "deflated-frame", run: |data| codec("1.2.840.10008.1.2.8.1", data), memory_bytes: 64 * MIB },
    Target { name: "zip", run: zip, memory_bytes: 64 * MIB },
    Target { name: "tar", run: tar, memory_bytes: 64 * MIB },
    Target { name: "tar-gz", run: tar_gz, memory_bytes: 64 * MIB },
    Target { name: "event", run: event, memory_bytes: 64 * MIB },
    Target { name: "manifest", run: manifest, memory_bytes: 64 * MIB },
];

fn event(data: &[u8]) {
    let Ok(parsed) = bolus_events::parse(data) else { return };
    assert!(parsed.events.len() + parsed.refused.len() <= data.len(), "more events than bytes");
}

fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(manifest) = Manifest::parse(text) else { return };
    if manifest.validate().is_ok() {
        let written = manifest.to_toml().expect("what is valid can be written");
        let again = Manifest::parse(&written).expect("what was written can be read");
        assert!(again.validate().is_ok(), "what was valid stays so");
    }
}
