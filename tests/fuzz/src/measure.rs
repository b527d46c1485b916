//! What the process has taken: memory, with what decoders in C take and no allocator in Rust sees, and processor time.

use std::time::Duration;

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

/// The processor time that all threads of the process have taken so far. Linux only; elsewhere nothing is measured.
#[must_use]
pub fn processor_time() -> Duration {
    // See proc(5): utime and stime are fields 14 and 15, in ticks of 10 ms; the name before them may hold blanks.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}
