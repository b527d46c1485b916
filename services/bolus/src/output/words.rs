//! Names and numbers as people read them.

pub use bolus_report::{counted, stacked};

/// A short name for a series: the folder or file that it came from, the end of its UID, and its stack's number where it has several.
pub fn series_name(source_uri: &str, uid: &str, stack: Option<u32>) -> String {
    let place = source_uri.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let tail = uid.char_indices().rev().nth(5).map_or(uid, |(start, _)| &uid[start..]);
    stacked(&format!("{place} …{tail}"), stack)
}

/// The usual name of a transfer syntax, or its UID.
pub fn codec_name(uid: &str) -> &str {
    bolus_ct::transfer_syntax_name(uid).unwrap_or(uid)
}

/// `71.4 MB`.
pub fn megabytes(bytes: u64) -> String {
    if bytes < 100_000 { format!("{:.1} kB", bytes as f64 / 1e3) } else { format!("{:.1} MB", bytes as f64 / 1e6) }
}

/// Enough of a digest to tell bundles apart by eye.
pub fn short_digest(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
