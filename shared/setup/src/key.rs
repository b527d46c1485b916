//! The patient key.

use std::path::Path;

use bolus_labeling::PatientKey;
use bolus_ops::files::read_regular;

use crate::error::SetupError;

/// Most bytes of a file with a patient key.
const MOST_KEY_BYTES: u64 = 64 << 10;

/// Reads the key under which Patient IDs are digested.
///
/// # Errors
/// [`SetupError::KeyFile`] where `path` is no regular file of at most 64 KiB, [`SetupError::Key`] where it holds no key.
pub fn read_patient_key(path: &Path) -> Result<PatientKey, SetupError> {
    let unreadable = |source| SetupError::KeyFile { path: path.to_owned(), limit: MOST_KEY_BYTES, source };
    let bytes = read_regular(path, MOST_KEY_BYTES).map_err(unreadable)?;
    PatientKey::new(&bytes).map_err(|problem| SetupError::Key { path: path.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_of_a_keys_size_is_read_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("key"), "0123456789abcdef\n").unwrap();
        read_patient_key(&path("key")).unwrap();
        std::fs::write(path("short"), "0123").unwrap();
        assert!(matches!(read_patient_key(&path("short")), Err(SetupError::Key { .. })));
        std::fs::File::create(path("large")).unwrap().set_len(1 << 30).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        for odd in ["large", "pipe", ".", "none"] {
            let error = read_patient_key(&path(odd)).unwrap_err();
            assert!(matches!(error, SetupError::KeyFile { .. }), "{odd}: {error}");
        }
    }
}
