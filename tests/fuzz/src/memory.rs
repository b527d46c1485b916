//! The most memory that the process has held: with what decoders in C take, which no allocator in Rust sees.

/// Forgets the peak so far. Linux only; elsewhere nothing is measured.
pub fn reset_peak() {
    // See proc(5): 5 resets the peak of the resident set size.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The peak since [`reset_peak`] and what is held now, in bytes.
#[must_use]
pub fn peak_bytes() -> Option<(usize, usize)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<usize>().ok()?.checked_mul(1024)
    };
    Some((field("VmHWM:")?, field("VmRSS:")?))
}
