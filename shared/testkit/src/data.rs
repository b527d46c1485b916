//! The real DICOM files.

use std::path::{Path, PathBuf};

use crate::required::{Missing, found_or_missing};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `tests/data`: real files under permissive licences, always there.
#[must_use]
pub fn real_data() -> PathBuf {
    repository().join("tests/data")
}

/// A file or folder of the inputs beside the repository, by its place below `../shared`: more real files, under
/// licences that keep them out of it. Where it is missing, the test fails if `BOLUS_TEST_REQUIRE` is 1, and otherwise
/// leaves out what needs it, and says so on standard error.
#[must_use]
pub fn shared(place: &str) -> Option<PathBuf> {
    found_or_missing(shared_in(&repository().join("../shared"), place))
}

fn shared_in(root: &Path, place: &str) -> Result<PathBuf, Missing> {
    let path = root.join(place);
    if path.exists() {
        return Ok(path);
    }
    let mend = "put the shared inputs beside the repository, or do without them by BOLUS_TEST_REQUIRE=0".to_owned();
    Err(Missing { what: format!("../shared/{place} is not there"), mend })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_beside_the_repository_is_named() {
        assert_eq!(shared_in(&real_data(), "manifest.csv").expect("it is there"), real_data().join("manifest.csv"));
        let missing = shared_in(&real_data(), "no/such.dcm").expect_err("there is none");
        assert_eq!(missing.what, "../shared/no/such.dcm is not there");
    }
}
