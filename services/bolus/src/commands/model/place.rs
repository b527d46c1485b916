//! A new bundle's folder: written out of sight, checked, and moved to its place in one step.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use bolus_inference::{Bundle, DeviceChoice, PATIENCE, Verified};
use bolus_ops::scratch::{ScratchFolder, remove_left_behind};

use crate::commands::threads;

/// What the names of folders in the making begin with.
const KIND: &str = ".bolus-model-";

/// The absolute path of `out`, the folder that `--out` names for a bundle called `name`: its last part must be that name.
pub fn out_folder(out: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let absolute = std::path::absolute(out)?;
    ensure!(
        absolute.file_name().is_some_and(|last| *last == *name),
        "--out {}: expected a folder called {name:?}, as the manifest's name",
        out.display()
    );
    Ok(absolute)
}

/// A bundle's folder in the making. What is not published is removed.
pub struct Staged {
    /// Beside the target, so that a move is one step; hidden, so that nobody takes it for a bundle.
    around: ScratchFolder,
    target: PathBuf,
}

impl Staged {
    /// Begins a folder that will become `target`; makes the folders above it. Refused among the bundles that come with the program.
    pub fn begin(target: &Path) -> anyhow::Result<Self> {
        let target = std::path::absolute(target)?;
        if let Some(folder) = Bundle::installed_around(&target) {
            bail!("{} holds the bundles that come with the program: name another folder", folder.display());
        }
        let parent = target.parent().with_context(|| format!("{} has no folder above it", target.display()))?;
        fs::create_dir_all(parent).with_context(|| format!("cannot make the folder {}", parent.display()))?;
        let around = remove_left_behind(parent, KIND).and_then(|()| ScratchFolder::make(parent, KIND));
        let around = around.with_context(|| format!("cannot write into {}", parent.display()))?;
        let staged = Self { around, target };
        fs::create_dir(staged.folder())?;
        Ok(staged)
    }

    /// The folder in the making.
    pub fn folder(&self) -> PathBuf {
        self.around.path().join("new")
    }

    /// Makes an empty file in it.
    pub fn create(&self, name: &str) -> anyhow::Result<fs::File> {
        let path = self.folder().join(name);
        fs::File::create_new(&path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes a file into it, onto the disk.
    pub fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let mut file = self.create(name)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).with_context(|| format!("cannot write {name}"))
    }

    /// Copies a bundle into it, save its manifest: the network, the reference input and, where there is one, the card.
    pub fn copy(&self, bundle: &Bundle, folder: &Path) -> anyhow::Result<()> {
        let (network, input) = (&bundle.manifest.network.file, &bundle.manifest.reference.input);
        let card = folder.join(Bundle::CARD).is_file().then_some(Bundle::CARD);
        for name in [network, input].map(String::as_str).into_iter().chain(card) {
            let (from, to) = (folder.join(name), self.folder().join(name));
            fs::copy(&from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        }
        Ok(())
    }

    /// Loads what is there as a user would, and runs the network on its reference.
    pub fn check(&self) -> anyhow::Result<(Bundle, Verified)> {
        let bundle = Bundle::load(&self.folder())?;
        let verified = bundle.verify(DeviceChoice::Cpu, threads(None), PATIENCE)?;
        Ok((bundle, verified))
    }

    /// Moves the folder to its place. One that is there is replaced only with `replace`, and only where it is a bundle's: it is
    /// moved aside first, so that for a moment there is none, and comes back where the move fails.
    pub fn publish(self, replace: bool) -> anyhow::Result<PathBuf> {
        let target = &self.target;
        let failed = || format!("cannot move the bundle to {}", target.display());
        if !target.exists() {
            fs::rename(self.folder(), target).with_context(failed)?;
        } else if !target.join(Bundle::MANIFEST).is_file() {
            bail!("{} is there and is no bundle: move it away first", target.display());
        } else if replace {
            // Not among what is removed after a crash: it may be all that there is of the bundle then.
            let name = target.file_name().unwrap_or_default().to_string_lossy();
            let old = target.with_file_name(format!(".bolus-replaced-{name}"));
            fs::rename(target, &old).with_context(failed)?;
            if let Err(error) = fs::rename(self.folder(), target) {
                fs::rename(&old, target).with_context(|| format!("cannot move {} back", target.display()))?;
                return Err(error).with_context(failed);
            }
            fs::remove_dir_all(&old).with_context(|| format!("cannot remove {}", old.display()))?;
        } else {
            bail!("{} is there already; --force replaces it", target.display());
        }
        Ok(self.target)
    }
}
