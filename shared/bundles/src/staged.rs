//! A new bundle's folder: written out of sight, checked, and moved to its place in one step.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use bolus_inference::{Bundle, DeviceChoice, InferenceError, PATIENCE, Verified};
use bolus_ops::scratch::{ScratchFolder, remove_left_behind};
use bolus_ops::threads_or_cores;

use crate::error::BundleError;

/// What the names of folders in the making begin with.
const KIND: &str = ".bolus-model-";

/// The absolute path of `out`, the folder that is to become the bundle called `name`: its last part must be that name.
///
/// # Errors
/// [`BundleError::OtherName`].
pub fn out_folder(out: &Path, name: &str) -> Result<PathBuf, BundleError> {
    let absolute = std::path::absolute(out).map_err(BundleError::write("name the folder", out))?;
    if absolute.file_name().is_some_and(|last| *last == *name) {
        Ok(absolute)
    } else {
        Err(BundleError::OtherName { folder: out.to_owned(), name: name.to_owned() })
    }
}

/// A bundle's folder in the making. What is not published is removed.
#[derive(Debug)]
pub struct StagedBundle {
    /// Beside the target, so that a move is one step; hidden, so that nobody takes it for a bundle.
    around: ScratchFolder,
    target: PathBuf,
}

impl StagedBundle {
    /// Begins a folder that will become `target`; makes the folders above it.
    ///
    /// # Errors
    /// [`BundleError::Installed`] among the bundles that come with the program, and where no folder can be made.
    pub fn begin(target: &Path) -> Result<Self, BundleError> {
        let target = std::path::absolute(target).map_err(BundleError::write("name the folder", target))?;
        if let Some(folder) = Bundle::installed_around(&target) {
            return Err(BundleError::Installed { folder });
        }
        let Some(parent) = target.parent() else { return Err(BundleError::NoParent { target }) };
        fs::create_dir_all(parent).map_err(BundleError::write("make the folder", parent))?;
        let around = remove_left_behind(parent, KIND).and_then(|()| ScratchFolder::make(parent, KIND));
        let around = around.map_err(BundleError::write("write into", parent))?;
        let staged = Self { around, target };
        fs::create_dir(staged.folder()).map_err(BundleError::write("make the folder", staged.folder()))?;
        Ok(staged)
    }

    /// The folder in the making.
    fn folder(&self) -> PathBuf {
        self.around.path().join("new")
    }

    /// Makes an empty file in it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(&self, name: &str) -> Result<fs::File, BundleError> {
        let path = self.folder().join(name);
        fs::File::create_new(&path).map_err(BundleError::write("write", path))
    }

    /// Writes a file into it, onto the disk.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        let mut file = self.create(name)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        written.map_err(BundleError::write("write", self.folder().join(name)))
    }

    /// Copies a bundle into it, save its manifest: the network, the reference input and, where there is one, the card.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn copy(&self, bundle: &Bundle, folder: &Path) -> Result<(), BundleError> {
        let (network, input) = (&bundle.manifest.network.file, &bundle.manifest.reference.input);
        let card = folder.join(Bundle::CARD).is_file().then_some(Bundle::CARD);
        for name in [network, input].map(String::as_str).into_iter().chain(card) {
            let from = folder.join(name);
            fs::copy(&from, self.folder().join(name)).map_err(BundleError::write("copy", from))?;
        }
        Ok(())
    }

    /// Loads what is there as a user would, and runs the network on its reference.
    ///
    /// # Errors
    /// [`InferenceError`] names what does not hold.
    pub fn check(&self) -> Result<(Bundle, Verified), InferenceError> {
        let bundle = Bundle::load(&self.folder())?;
        let verified = bundle.verify(DeviceChoice::Cpu, threads_or_cores(None), PATIENCE)?;
        Ok((bundle, verified))
    }

    /// Moves the folder to its place. One that is there is replaced only with `replace`, and only where it is a bundle's: it is
    /// moved aside first, so that for a moment there is none, and comes back where the move fails.
    ///
    /// # Errors
    /// [`BundleError::Exists`], [`BundleError::Foreign`], and those of the file system.
    pub fn publish(self, replace: bool) -> Result<PathBuf, BundleError> {
        let target = &self.target;
        let failed = || BundleError::write("move the bundle to", target);
        if !target.exists() {
            fs::rename(self.folder(), target).map_err(failed())?;
        } else if !target.join(Bundle::MANIFEST).is_file() {
            return Err(BundleError::Foreign { target: self.target });
        } else if replace {
            // Not among what is removed after a crash: it may be all that there is of the bundle then.
            let name = target.file_name().unwrap_or_default().to_string_lossy();
            let old = target.with_file_name(format!(".bolus-replaced-{name}"));
            fs::rename(target, &old).map_err(failed())?;
            if let Err(error) = fs::rename(self.folder(), target) {
                fs::rename(&old, target).map_err(BundleError::write("move back", target))?;
                return Err(failed()(error));
            }
            fs::remove_dir_all(&old).map_err(BundleError::write("remove", old))?;
        } else {
            return Err(BundleError::Exists { target: self.target });
        }
        Ok(self.target)
    }
}
