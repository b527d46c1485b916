//! Recognising archives by name and by content.

/// How many first bytes decide what an object is: one tar header block.
pub(crate) const HEAD_BYTES: usize = 512;

/// A kind of archive that can be expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArchiveKind {
    /// `.zip`
    Zip,
    /// `.tar`
    Tar,
    /// `.tar.gz`, `.tgz`
    TarGz,
}

impl ArchiveKind {
    /// The kind that the end of `name` states, in any case.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        const ENDINGS: [(&str, ArchiveKind); 4] = [
            (".zip", ArchiveKind::Zip),
            (".tar", ArchiveKind::Tar),
            (".tar.gz", ArchiveKind::TarGz),
            (".tgz", ArchiveKind::TarGz),
        ];
        let name = name.to_ascii_lowercase();
        ENDINGS.into_iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, kind)| kind)
    }

    /// Whether the first [`HEAD_BYTES`] of an object are of this kind.
    pub(crate) fn matches(self, head: &[u8]) -> bool {
        match self {
            Self::Zip => is_zip(head),
            Self::Tar => is_tar(head),
            Self::TarGz => is_gzip(head),
        }
    }
}

fn is_zip(head: &[u8]) -> bool {
    // A local file, an empty archive, a spanned one.
    [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"].iter().any(|magic| head.starts_with(*magic))
}

fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(b"\x1f\x8b\x08")
}

/// Whether the first block is a tar header: its checksum holds. Old archives have no `ustar` mark.
fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..HEAD_BYTES) else { return false };
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let stated: u64 = block[CHECKSUM]
        .iter()
        .skip_while(|byte| **byte == b' ')
        .take_while(|byte| (b'0'..=b'7').contains(*byte))
        .fold(0, |sum, byte| sum * 8 + u64::from(byte - b'0'));
    let found: u64 =
        block.iter().enumerate().map(|(at, byte)| if CHECKSUM.contains(&at) { 32 } else { u64::from(*byte) }).sum();
    found == stated && block[0] != 0
}

/// The name of the archive or compression format that `head` begins with, whether or not it can be expanded.
pub(crate) fn nested_format(head: &[u8]) -> Option<&'static str> {
    const MAGICS: [(&[u8], &str); 6] = [
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstandard"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "rar"),
        (b"\x1f\x9d", "compress"),
    ];
    if is_zip(head) {
        return Some("zip");
    }
    if is_gzip(head) {
        return Some("gzip");
    }
    if is_tar(head) {
        return Some("tar");
    }
    MAGICS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_first_bytes() {
        assert_eq!(ArchiveKind::of_name("s3://b/A.TAR.GZ"), Some(ArchiveKind::TarGz));
        assert_eq!(ArchiveKind::of_name("a.zip"), Some(ArchiveKind::Zip));
        assert_eq!(ArchiveKind::of_name("a.gz"), None);
        assert!(!ArchiveKind::Zip.matches(b"DICM"));
        assert!(!ArchiveKind::Tar.matches(&[0; 512]));
        let mut header = ::tar::Header::new_old();
        header.set_path("x").unwrap();
        header.set_size(3);
        header.set_cksum();
        assert!(ArchiveKind::Tar.matches(header.as_bytes()));
        assert_eq!(nested_format(header.as_bytes()), Some("tar"));
    }
}
