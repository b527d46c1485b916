//! The real DICOM files.

use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `tests/data`: real files under permissive licences, always there.
#[must_use]
pub fn real_data() -> PathBuf {
    repository().join("tests/data")
}

/// More real files beside the repository, under licences that keep them out of it; says so on standard output where they are absent.
#[must_use]
pub fn extra_data(test: &str) -> Option<PathBuf> {
    let folder = repository().join("../shared/data");
    if folder.join("manifest.csv").is_file() {
        return Some(folder);
    }
    println!("{test}: skipped in part, no shared/data beside the repository");
    None
}
