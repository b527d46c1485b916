//! What a program can lack before it begins.

use std::path::PathBuf;

use bolus_inference::InferenceError;
use bolus_lake::LakeError;
use bolus_storage::StorageError;

/// Why a program cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The lake's place is none.
    #[error(transparent)]
    Place(StorageError),
    /// Where a lake is to be read there is no such folder or bucket.
    #[error("no lake at {url}")]
    NoLake {
        /// The lake's place.
        url: String,
        /// Why.
        source: StorageError,
    },
    /// A lake cannot be read.
    #[error(transparent)]
    Unreadable(LakeError),
    /// The folder or bucket of a lake that is to be written cannot be opened.
    #[error("cannot use the lake {url}")]
    LakeStore {
        /// The lake's place.
        url: String,
        /// Why.
        source: StorageError,
    },
    /// A lake that is to be written cannot be opened or made.
    #[error("cannot use the lake {url}")]
    Lake {
        /// The lake's place.
        url: String,
        /// Why.
        source: LakeError,
    },
    /// No bundle was found where they were looked for.
    #[error("{missing}; {mend}")]
    NoBundle {
        /// What was looked for and where.
        missing: InferenceError,
        /// What the program's user can do about it.
        mend: &'static str,
    },
    /// A bundle cannot be used.
    #[error(transparent)]
    Bundle(InferenceError),
    /// A name stands for several bundles where one is needed.
    #[error("{name:?} stands for {}", bundles.join(" and "))]
    SeveralBundles {
        /// The name.
        name: String,
        /// The bundles' names.
        bundles: Vec<String>,
    },
    /// The file of the patient key cannot be read.
    #[error("cannot read the patient key {}, which must be a file of at most {limit} bytes", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Most bytes of such a file.
        limit: u64,
        /// Why.
        source: std::io::Error,
    },
    /// What the file holds is no patient key.
    #[error("patient key {}: {problem}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what is needed.
        problem: String,
    },
}
