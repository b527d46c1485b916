//! What an archive may hold.

/// What an archive may hold. Beyond a limit of a member, the member is refused; beyond a limit of the archive, the
/// rest of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Bytes of one member, inflated. Default 2 GiB, above the largest single DICOM file of any scanner.
    pub member_bytes: u64,
    /// Bytes of all members together, inflated; also the bytes of an archive that must first be fetched from a store.
    /// Default 64 GiB. The spool's disk must hold this much for each archive that is expanded at a time.
    pub total_bytes: u64,
    /// Members, folders included. Default 1,000,000.
    pub members: usize,
    /// Bytes of the URIs of all members together, which stay in memory as long as the members are in use. Default 256 MiB:
    /// what a million members with names of the usual length take.
    pub name_bytes: u64,
    /// Inflated bytes for each compressed byte, of one member and of the whole archive. Default 1000: deflate cannot
    /// exceed 1032, and CT slices seldom reach 10.
    pub ratio: u64,
    /// The ratio is not looked at before this many inflated bytes. Default 64 MiB: a small member of zeros is no bomb.
    pub ratio_free_bytes: u64,
    /// The ratio beyond [`large_bytes`](Self::large_bytes). Default 100: a study of empty slices is no bomb, one of a gigabyte
    /// of them is, and costs room and minutes.
    pub large_ratio: u64,
    /// From this many inflated bytes on [`large_ratio`](Self::large_ratio) holds. Default 1 GiB.
    pub large_bytes: u64,
}

impl ArchiveLimits {
    /// The defaults named at each field.
    pub const STANDARD: Self = Self {
        member_bytes: 2 << 30,
        total_bytes: 64 << 30,
        members: 1_000_000,
        name_bytes: 256 << 20,
        ratio: 1000,
        ratio_free_bytes: 64 << 20,
        large_ratio: 100,
        large_bytes: 1 << 30,
    };

    /// The ratio that `inflated` bytes out of `compressed` exceed.
    pub(super) fn exceeded_ratio(&self, inflated: u64, compressed: u64) -> Option<u64> {
        let rules = [(self.ratio_free_bytes, self.ratio), (self.large_bytes, self.large_ratio)];
        let is_broken =
            |(from, ratio): &(u64, u64)| inflated > *from && inflated > compressed.max(1).saturating_mul(*ratio);
        rules.into_iter().find(is_broken).map(|(_, ratio)| ratio)
    }
}
