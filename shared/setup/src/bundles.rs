//! Finding bundles, and checking them.

use std::path::PathBuf;

use bolus_inference::{Bundle, BundleSet, InferenceError};

use crate::error::SetupError;

/// The bundles that `name` stands for, all read and checked; `folders` are searched before the usual places (see
/// [`Bundle::folders`]). `mend` tells the program's user what to do where none is found.
///
/// # Errors
/// [`SetupError::NoBundle`], and [`SetupError::Bundle`] for one that cannot be used.
pub fn find_bundles(name: &str, folders: &[PathBuf], mend: &'static str) -> Result<BundleSet, SetupError> {
    BundleSet::find(name, &Bundle::folders(folders)).map_err(|error| with_mend(error, mend))
}

/// The real folder of the bundle `name`, which may be a folder itself; otherwise as [`find_bundles`]. Nothing is read.
///
/// # Errors
/// [`SetupError::NoBundle`].
pub fn locate_bundle(name: &str, folders: &[PathBuf], mend: &'static str) -> Result<PathBuf, SetupError> {
    let folder = Bundle::locate(name, &Bundle::folders(folders)).map_err(|error| with_mend(error, mend))?;
    Ok(folder.canonicalize().unwrap_or(folder))
}

/// The only bundle of `set`, which `name` stands for.
///
/// # Errors
/// [`SetupError::SeveralBundles`].
pub fn only_bundle(set: &BundleSet, name: &str) -> Result<Bundle, SetupError> {
    match set.bundles() {
        [only] => Ok(Bundle::clone(only)),
        several => {
            let bundles = several.iter().map(|bundle| bundle.manifest.name.clone()).collect();
            Err(SetupError::SeveralBundles { name: name.to_owned(), bundles })
        }
    }
}

fn with_mend(error: InferenceError, mend: &'static str) -> SetupError {
    match error {
        missing @ (InferenceError::NoSuchBundle { .. } | InferenceError::NoDefaults { .. }) => {
            SetupError::NoBundle { missing, mend }
        }
        other => SetupError::Bundle(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_found_is_told_with_where_it_was_looked_for_and_the_programs_mend() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_owned()];
        let missing = [
            find_bundles("nonesuch", &folders, "set its folder").unwrap_err(),
            locate_bundle("nonesuch", &folders, "set its folder").unwrap_err(),
        ];
        for error in missing {
            let text = error.to_string();
            let here = folder.path().display().to_string();
            assert!(text.starts_with("no bundle \"nonesuch\": looked in ") && text.contains(&here), "{text}");
            assert!(text.ends_with("; set its folder") && !text.contains("BOLUS_MODELS"), "{text}");
        }
        std::fs::create_dir(folder.path().join("broken")).unwrap();
        std::fs::write(folder.path().join("broken/bundle.toml"), "name = 1").unwrap();
        let broken = find_bundles("broken", &folders, "set its folder").unwrap_err();
        assert!(matches!(broken, SetupError::Bundle(InferenceError::Manifest { .. })), "{broken}");
    }
}
