//! How far an unfinished `bolus submit` has come.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use etcetera::base_strategy::{BaseStrategy, Xdg};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How far a run has come: every study up to `last`, in the order of the listing, is in the topic.
///
/// A study is counted only after the broker has acknowledged it, and the file is written from time to time and at the end. So a
/// run that is stopped cleanly goes on without a repetition; after a crash the studies since the last writing are sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// What is submitted.
    pub input: String,
    /// Where to.
    pub topic: String,
    /// By which rule.
    pub studies_by: String,
    /// The place of the last study that is done with.
    pub last: Option<String>,
    /// Studies published so far, in all runs.
    pub published: u64,
}

/// Why a state cannot be kept or taken up.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// No folder of the user's is known.
    #[error("neither XDG_STATE_HOME nor HOME is set: say --state FILE")]
    NoFolder,
    /// The file cannot be read.
    #[error("cannot read the state {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{} is no state of bolus submit; --restart begins anew", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// It is the state of another run.
    #[error("{} is the state of {} to {} by {}; --restart begins anew", path.display(), found.input, found.topic, found.studies_by)]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: Box<State>,
    },
    /// The file cannot be written.
    #[error("cannot write the state {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be removed.
    #[error("cannot remove the state {}", path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl State {
    /// The state of a run that has not begun.
    #[must_use]
    pub fn new(input: &str, topic: &str, studies_by: &str) -> Self {
        let (input, topic, studies_by) = (input.to_owned(), topic.to_owned(), studies_by.to_owned());
        Self { input, topic, studies_by, last: None, published: 0 }
    }

    /// Where the state lies unless the user says so: in the user's folder of states, one file an input, topic and rule.
    ///
    /// # Errors
    /// [`StateError::NoFolder`].
    pub fn default_path(&self) -> Result<PathBuf, StateError> {
        let folder = Xdg::new().ok().and_then(|folders| folders.state_dir()).ok_or(StateError::NoFolder)?;
        let mut digest = Sha256::new();
        for part in [&self.input, &self.topic, &self.studies_by] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        let name: String = hex::encode(digest.finalize()).chars().take(16).collect();
        Ok(folder.join("bolus").join(format!("submit-{name}.json")))
    }

    /// Takes up what an earlier run left at `path`; itself where there is none.
    ///
    /// # Errors
    /// [`StateError`] where the file cannot be read, or is that of another run.
    pub fn resume(self, path: &Path) -> Result<Self, StateError> {
        let path_buf = || path.to_path_buf();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(self),
            Err(source) => return Err(StateError::Read { path: path_buf(), source }),
        };
        let found: Self =
            serde_json::from_slice(&bytes).map_err(|source| StateError::Other { path: path_buf(), source })?;
        if (&found.input, &found.topic, &found.studies_by) == (&self.input, &self.topic, &self.studies_by) {
            Ok(found)
        } else {
            Err(StateError::OtherRun { path: path_buf(), found: Box::new(found) })
        }
    }

    /// Writes the state, whole or not at all.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn save(&self, path: &Path) -> Result<(), StateError> {
        let write = || -> std::io::Result<()> {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let mut name = path.as_os_str().to_owned();
            name.push(".new");
            let new = PathBuf::from(name);
            let mut file = std::fs::File::create(&new)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            std::fs::rename(&new, path)
        };
        write().map_err(|source| StateError::Write { path: path.to_path_buf(), source })
    }

    /// Removes the state of a run that is done.
    ///
    /// # Errors
    /// [`StateError::Remove`].
    pub fn remove(path: &Path) -> Result<(), StateError> {
        match std::fs::remove_file(path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                Err(StateError::Remove { path: path.to_path_buf(), source })
            }
            _ => Ok(()),
        }
    }
}
