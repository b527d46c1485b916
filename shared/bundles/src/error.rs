//! Why a bundle cannot be found, fetched or written.

use std::path::PathBuf;

use bolus_inference::{Bundle, InferenceError};
use bolus_storage::StorageError;

/// What stood in the way.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The file system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A bucket or folder that is read as one.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The manifest says something that it may not.
    #[error("{0}")]
    Manifest(String),
}

/// Why a bundle cannot be found, fetched or written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A folder or location cannot be listed.
    #[error("cannot list {place}")]
    List {
        /// The folder or location.
        place: String,
        /// Why.
        source: Cause,
    },
    /// A folder holds a manifest that cannot be read.
    #[error("not a bundle: {place}")]
    NotABundle {
        /// The folder.
        place: String,
        /// What is wrong with the manifest.
        source: Cause,
    },
    /// There is no bundle.
    #[error("no bundle at {place}: expected {} there, or in one folder below", Bundle::MANIFEST)]
    None {
        /// Where it was looked for.
        place: String,
    },
    /// There are several bundles where one is expected.
    #[error("{} bundles at {place}: pull one of{}", found.len(), found.iter().map(|one| format!("\n  {one}")).collect::<String>())]
    Several {
        /// Where they were looked for.
        place: String,
        /// Their folders.
        found: Vec<String>,
    },
    /// A file that the manifest names is not there.
    #[error("{place}: the file {name} is missing")]
    Missing {
        /// The bundle's folder.
        place: String,
        /// The file.
        name: String,
    },
    /// A file is larger than any of a bundle.
    #[error("{place}: {name} has {bytes} bytes, more than a bundle's file can have")]
    TooLarge {
        /// The bundle's folder.
        place: String,
        /// The file.
        name: String,
        /// Its size.
        bytes: u64,
    },
    /// A file cannot be fetched.
    #[error("cannot fetch {name}")]
    Fetch {
        /// The file.
        name: String,
        /// Why.
        source: Cause,
    },
    /// What was fetched or written is no bundle that can be used.
    #[error("{place} does not hold; nothing was changed")]
    Unsound {
        /// Where it came from.
        place: String,
        /// What is wrong.
        source: InferenceError,
    },
    /// A bundle of another digest has the place.
    #[error("{} is there with digest {found}, {place} has {offered}", target.display())]
    OtherDigest {
        /// The place.
        target: PathBuf,
        /// The digest, shortened, of the bundle that is there.
        found: String,
        /// Where the new bundle is.
        place: String,
        /// The new one's digest, shortened.
        offered: String,
    },
    /// Something has the place already, and was not to be replaced.
    #[error("{} is there already", target.display())]
    Exists {
        /// The place.
        target: PathBuf,
    },
    /// Something that is no bundle has the place.
    #[error("{} is there and is no bundle: move it away first", target.display())]
    Foreign {
        /// The place.
        target: PathBuf,
    },
    /// The place is among the bundles that come with the program.
    #[error("{} holds the bundles that come with the program: name another folder", folder.display())]
    Installed {
        /// The folder that holds them.
        folder: PathBuf,
    },
    /// A bundle's folder has another name than the bundle.
    #[error("{}: expected a folder called {name:?}, as the manifest's name", folder.display())]
    OtherName {
        /// The folder.
        folder: PathBuf,
        /// The bundle's name.
        name: String,
    },
    /// A place has no folder above it.
    #[error("{} has no folder above it", target.display())]
    NoParent {
        /// The place.
        target: PathBuf,
    },
    /// A file or folder cannot be made, written, copied or moved.
    #[error("cannot {action} {}", path.display())]
    Write {
        /// What was tried: `write`, `copy`, `make the folder` and the like.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The work on another thread ended without an outcome.
    #[error("the work ended unexpectedly: {0}")]
    Lost(String),
}

impl BundleError {
    /// Whether the same call would succeed where it may replace what is there.
    #[must_use]
    pub fn is_about_replacing(&self) -> bool {
        matches!(self, Self::OtherDigest { .. } | Self::Exists { .. })
    }

    /// A failed action on a file or folder.
    pub(crate) fn write(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Write { action, path, source }
    }
}
