//! A bundle on disk, found by name, read and checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bolus_ops::files::read_regular;
use bolus_study::BundleRef;
use etcetera::base_strategy::{BaseStrategy, Xdg};
use sha2::{Digest, Sha256};

use crate::error::InferenceError;
use crate::manifest::Manifest;
use crate::onnx;

/// Most bytes of a manifest, and of a `default.toml`.
pub(crate) const MOST_MANIFEST_BYTES: u64 = 1 << 20;
/// Most bytes of a network: no protobuf can be larger.
const MOST_NETWORK_BYTES: u64 = 2 << 30;
/// Most bytes of a reference input: some thousand slices.
const MOST_REFERENCE_BYTES: u64 = 256 << 20;

/// A bundle whose files have been read and whose digests hold. The reference output is checked when an engine starts.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The manifest.
    pub manifest: Manifest,
    /// Name, version and digest, as stored in every row.
    pub reference: BundleRef,
    /// The ONNX file's bytes.
    pub(crate) network: Arc<Vec<u8>>,
    /// The reference input, `[slice, row, column]`, one byte a pixel.
    pub(crate) reference_input: Arc<Vec<u8>>,
}

impl Bundle {
    /// The manifest's file name.
    pub const MANIFEST: &str = "bundle.toml";
    /// The file name of the card, which tells people what the manifest cannot.
    pub const CARD: &str = "card.md";

    /// Finds a bundle: a folder that holds a manifest, or the name of one below one of `folders`.
    ///
    /// # Errors
    /// [`InferenceError::NoSuchBundle`] lists where it looked.
    pub fn locate(name: &str, folders: &[PathBuf]) -> Result<PathBuf, InferenceError> {
        let direct = PathBuf::from(name);
        if direct.join(Self::MANIFEST).exists() {
            return Ok(direct);
        }
        folders.iter().map(|folder| folder.join(name)).find(|folder| folder.join(Self::MANIFEST).exists()).ok_or_else(
            || InferenceError::NoSuchBundle {
                name: name.to_owned(),
                looked_in: folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", "),
            },
        )
    }

    /// Where bundles are looked for, the first that has one of the name wins: the folders named, `./models`, the user's own folder,
    /// beside an installed program (`../share/bolus/models`), and the source tree that the program was built in.
    #[must_use]
    pub fn folders(named: &[PathBuf]) -> Vec<PathBuf> {
        let mut folders = named.to_vec();
        folders.push(PathBuf::from("models"));
        folders.extend(Self::user_folder());
        folders.extend(Self::installed_folders());
        folders
    }

    /// Where the bundles that come with the program lie: beside an installed one, and in the source tree that it was built in.
    fn installed_folders() -> impl Iterator<Item = PathBuf> {
        let program = std::env::current_exe().ok();
        let beside = program.and_then(|program| Some(program.parent()?.join("../share/bolus/models")));
        beside.into_iter().chain([PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models")])
    }

    /// The folder of bundles that come with the program, where `path` lies in one: nothing may be written there. The user's own
    /// folder is none of them, though a program under `~/.local/bin` has it beside it.
    #[must_use]
    pub fn installed_around(path: &Path) -> Option<PathBuf> {
        // What is to be made does not exist yet: the nearest folder above it does.
        let real = path.ancestors().find_map(|above| above.canonicalize().ok())?;
        let own = Self::user_folder().and_then(|folder| folder.canonicalize().ok());
        let installed = Self::installed_folders().filter_map(|folder| folder.canonicalize().ok());
        installed.filter(|folder| Some(folder) != own.as_ref()).find(|folder| real.starts_with(folder))
    }

    /// The user's own folder of bundles: `$XDG_DATA_HOME/bolus/models`, by default `~/.local/share/bolus/models`.
    #[must_use]
    pub fn user_folder() -> Option<PathBuf> {
        Some(Xdg::new().ok()?.data_dir().join("bolus/models"))
    }

    /// Reads the bundle in `folder` and checks manifest and digests.
    ///
    /// # Errors
    /// [`InferenceError`] names the file and what is wrong with it.
    pub fn load(folder: &Path) -> Result<Self, InferenceError> {
        let path = folder.join(Self::MANIFEST);
        let text = read(&path, MOST_MANIFEST_BYTES)?;
        let manifest = std::str::from_utf8(&text)
            .map_err(|error| error.to_string())
            .and_then(Manifest::parse)
            .map_err(|problem| InferenceError::Manifest { path: path.clone(), problem })?;
        let network_path = folder.join(&manifest.network.file);
        let network = read(&network_path, MOST_NETWORK_BYTES)?;
        let found = digest(&network);
        if found != manifest.network.sha256.to_ascii_lowercase() {
            return Err(InferenceError::Digest { path: network_path, expected: manifest.network.sha256, found });
        }
        onnx::check_whole(&network).map_err(|problem| InferenceError::Network { path: network_path, problem })?;
        let reference_input = read(&folder.join(&manifest.reference.input), MOST_REFERENCE_BYTES)?;
        let [_, rows, columns] = manifest.preprocessing.crop;
        let expected = [manifest.reference.slices, rows, columns].into_iter().try_fold(1_usize, usize::checked_mul);
        if expected != Some(reference_input.len()) {
            let problem = format!(
                "reference.input: {} bytes, expected {} slices of {rows} by {columns}",
                reference_input.len(),
                manifest.reference.slices
            );
            return Err(InferenceError::Manifest { path, problem });
        }
        Ok(Self::of_parts(manifest, &text, network, reference_input))
    }

    /// A bundle of parts that fit each other; `text` is the manifest's file.
    pub(crate) fn of_parts(manifest: Manifest, text: &[u8], network: Vec<u8>, reference_input: Vec<u8>) -> Self {
        let reference = Self::reference_of(&manifest, text);
        Self { manifest, reference, network: Arc::new(network), reference_input: Arc::new(reference_input) }
    }

    /// What rows say of a bundle whose manifest's file is `text`.
    pub(crate) fn reference_of(manifest: &Manifest, text: &[u8]) -> BundleRef {
        BundleRef { name: manifest.name.clone(), version: manifest.version.clone(), digest: digest(text) }
    }

    /// Numbers that the network holds as weights; `None` where its file cannot be read that far.
    #[must_use]
    pub fn weights(&self) -> Option<u64> {
        onnx::weights(&self.network)
    }

    /// Bytes of the network's file.
    #[must_use]
    pub fn network_bytes(&self) -> usize {
        self.network.len()
    }
}

/// sha256 as lower-case hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Reads a file of a bundle, which others have laid out.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, InferenceError> {
    read_regular(path, limit).map_err(|source| InferenceError::Read { path: path.to_owned(), source })
}
