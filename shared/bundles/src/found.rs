//! Bundles where they lie, in a folder or a bucket: their manifests read, their other files only listed.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use bolus_inference::{Bundle, Manifest};
use bolus_storage::{Location, ObjectRef, list};
use futures::TryStreamExt;
use sha2::{Digest, Sha256};

use crate::error::{BundleError, Cause};

/// Most bytes of a manifest: beyond it the file is something else.
pub(crate) const MOST_MANIFEST_BYTES: u64 = 1 << 20;

/// A bundle at its place.
#[derive(Debug)]
pub struct FoundBundle {
    /// Its folder: a path or s3://bucket/prefix.
    pub place: String,
    /// The manifest.
    pub manifest: Manifest,
    /// The manifest file's bytes.
    pub text: Vec<u8>,
    /// sha256 of the manifest file: the bundle's digest.
    pub digest: String,
    /// The files of the folder by their names.
    files: BTreeMap<String, ObjectRef>,
}

/// A folder with a manifest that cannot be read.
#[derive(Debug)]
pub struct UnreadableBundle {
    /// The folder.
    pub place: String,
    /// What is wrong.
    pub problem: Cause,
}

impl From<UnreadableBundle> for BundleError {
    fn from(unreadable: UnreadableBundle) -> Self {
        Self::NotABundle { place: unreadable.place, source: unreadable.problem }
    }
}

impl FoundBundle {
    /// The files that make up the bundle: network, reference input and, where there is one, the card.
    ///
    /// # Errors
    /// [`BundleError::Missing`] where a file that the manifest names is not there.
    pub fn parts(&self) -> Result<Vec<(&str, &ObjectRef)>, BundleError> {
        let named = [&self.manifest.network.file, &self.manifest.reference.input];
        let mut parts = Vec::new();
        for name in named {
            let missing = || BundleError::Missing { place: self.place.clone(), name: name.clone() };
            parts.push((name.as_str(), self.files.get(name).ok_or_else(missing)?));
        }
        parts.extend(self.files.get(Bundle::CARD).map(|card| (Bundle::CARD, card)));
        Ok(parts)
    }

    /// Bytes of the bundle's files, as far as they are there.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let parts = self.parts().unwrap_or_default();
        self.text.len() as u64 + parts.iter().map(|(_, object)| object.size).sum::<u64>()
    }

    async fn read(place: String, files: BTreeMap<String, ObjectRef>) -> Result<Self, UnreadableBundle> {
        match Self::read_manifest(&files).await {
            Ok((manifest, text)) => {
                let digest = hex::encode(Sha256::digest(&text));
                Ok(Self { place, manifest, text, digest, files })
            }
            Err(problem) => Err(UnreadableBundle { place, problem }),
        }
    }

    async fn read_manifest(files: &BTreeMap<String, ObjectRef>) -> Result<(Manifest, Vec<u8>), Cause> {
        let gone = || Cause::Manifest("the manifest has gone".to_owned());
        let object = files.get(Bundle::MANIFEST).ok_or_else(gone)?;
        let text = object.read_all(MOST_MANIFEST_BYTES).await?.to_vec();
        let manifest = std::str::from_utf8(&text).map_err(|error| Cause::Manifest(error.to_string()))?;
        Ok((Manifest::parse(manifest).map_err(Cause::Manifest)?, text))
    }
}

/// The bundle at `location`, or those in the folders right below it, ordered by their places.
///
/// # Errors
/// [`BundleError::List`] where the location cannot be listed.
pub async fn bundles_at(location: &Location) -> Result<Vec<Result<FoundBundle, UnreadableBundle>>, BundleError> {
    let folders = match location {
        Location::Local(folder) => local_folders(folder).await?,
        _ => remote_folders(location)
            .await
            .map_err(|error| BundleError::List { place: location.to_string(), source: error.into() })?,
    };
    let mut found = Vec::new();
    for (place, files) in folders {
        found.push(FoundBundle::read(place, files).await);
    }
    Ok(found)
}

/// Those of `folders` that are there, by their real paths and each once.
#[must_use]
pub fn existing_folders(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    let there = folders.iter().filter_map(|folder| folder.canonicalize().ok());
    there.filter(|folder| seen.insert(folder.clone())).collect()
}

/// Folders by their places, with the files that lie in them.
type Folders = BTreeMap<String, BTreeMap<String, ObjectRef>>;

/// Bundle folders on this machine. Only they are listed: below a model folder there may be anything.
async fn local_folders(folder: &Path) -> Result<Folders, BundleError> {
    let mut folders = Folders::new();
    for folder in bundle_folders(folder)? {
        let place = folder.display().to_string();
        let files = files_of(&folder).await;
        folders.insert(place.clone(), files.map_err(|source| BundleError::List { place, source })?);
    }
    Ok(folders)
}

async fn files_of(folder: &Path) -> Result<BTreeMap<String, ObjectRef>, Cause> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name().and_then(|name| name.to_str())) {
            files.insert(name.to_owned(), bolus_storage::find(&Location::from_path(&path)?, None).await?);
        }
    }
    Ok(files)
}

/// `folder` where it is a bundle's, else the bundles' folders right below it, by name. Hidden folders are no bundles: one may be
/// about to become one.
///
/// # Errors
/// [`BundleError::List`] where the folder cannot be read.
pub fn bundle_folders(folder: &Path) -> Result<Vec<PathBuf>, BundleError> {
    if is_bundle(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    let below = folders_below(folder);
    below.map_err(|error| BundleError::List { place: folder.display().to_string(), source: error.into() })
}

fn is_bundle(folder: &Path) -> bool {
    folder.join(Bundle::MANIFEST).is_file()
}

fn folders_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && is_bundle(&entry.path()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Folders of a bucket that hold a manifest: the location's own or those right below it.
async fn remote_folders(location: &Location) -> Result<Folders, bolus_storage::StorageError> {
    let root = location.uri().trim_end_matches('/').to_owned();
    let mut folders = Folders::new();
    let mut listing = list(location);
    while let Some(object) = listing.try_next().await? {
        let Some(below) = object.uri.strip_prefix(&root).and_then(|below| below.strip_prefix('/')) else { continue };
        let (place, name) = match below.rsplit_once('/') {
            None => (root.clone(), below.to_owned()),
            Some((folder, name)) if !folder.contains('/') => (format!("{root}/{folder}"), name.to_owned()),
            Some(_) => continue,
        };
        folders.entry(place).or_default().insert(name, object);
    }
    folders.retain(|_, files| files.contains_key(Bundle::MANIFEST));
    if let Some(itself) = folders.remove(&root) {
        return Ok(Folders::from([(root, itself)]));
    }
    Ok(folders)
}
