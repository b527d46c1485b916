//! How far an unfinished `bolus submit` has come.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
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

impl State {
    /// The state of a run that has not begun.
    pub fn new(input: &str, topic: &str, studies_by: &str) -> Self {
        let (input, topic, studies_by) = (input.to_owned(), topic.to_owned(), studies_by.to_owned());
        Self { input, topic, studies_by, last: None, published: 0 }
    }

    /// Where the state lies unless the user says so: in the user's folder of states, one file an input, topic and rule.
    pub fn default_path(&self) -> anyhow::Result<PathBuf> {
        let of_user = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = of_user.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")));
        let folder = folder.context("neither XDG_STATE_HOME nor HOME is set: say --state FILE")?;
        let mut digest = Sha256::new();
        for part in [&self.input, &self.topic, &self.studies_by] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        let name: String = hex::encode(digest.finalize()).chars().take(16).collect();
        Ok(folder.join("bolus").join(format!("submit-{name}.json")))
    }

    /// Takes up what an earlier run left at `path`; itself where there is none.
    pub fn resume(self, path: &Path) -> anyhow::Result<Self> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(self),
            Err(error) => return Err(error).with_context(|| format!("cannot read the state {}", path.display())),
        };
        let found: Self = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is no state of bolus submit; --restart begins anew", path.display()))?;
        anyhow::ensure!(
            (&found.input, &found.topic, &found.studies_by) == (&self.input, &self.topic, &self.studies_by),
            "{} is the state of {} to {} by {}; --restart begins anew",
            path.display(),
            found.input,
            found.topic,
            found.studies_by,
        );
        Ok(found)
    }

    /// Writes the state, whole or not at all.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
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
        write().with_context(|| format!("cannot write the state {}", path.display()))
    }

    /// Removes the state of a run that is done.
    pub fn remove(path: &Path) -> anyhow::Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove the state {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}
