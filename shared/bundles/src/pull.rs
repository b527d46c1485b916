//! Fetching a bundle from a folder or bucket.

use std::io::Write;
use std::path::{Path, PathBuf};

use bolus_inference::Bundle;
use bolus_ops::files::read_regular;
use bolus_storage::{Location, ObjectRef};
use sha2::{Digest, Sha256};

use crate::error::{BundleError, Cause};
use crate::found::{FoundBundle, MOST_MANIFEST_BYTES, bundles_at};
use crate::staged::StagedBundle;

/// Bytes that are asked for at a time, and held in memory.
const CHUNK: u64 = 8 << 20;
/// Most bytes of one file: an ONNX file cannot be larger.
const MOST_FILE_BYTES: u64 = 2 << 30;
/// Characters of a digest by which people tell bundles apart.
const SHORT_DIGEST: usize = 12;

/// A bundle that is to be fetched.
#[derive(Debug)]
pub struct Pull {
    bundle: FoundBundle,
    target: PathBuf,
}

/// What became of a pull.
#[derive(Debug)]
pub struct Pulled {
    /// The bundle at its source.
    pub bundle: FoundBundle,
    /// The folder in which it now lies.
    pub place: PathBuf,
    /// Whether files were fetched; false where the same bundle was there.
    pub fetched: bool,
}

impl Pull {
    /// Finds the only bundle at `source`, which will get a folder of its name in `parent`.
    ///
    /// # Errors
    /// Where there is none, where there are several, and where one cannot be read.
    pub async fn find(source: &Location, parent: &Path) -> Result<Self, BundleError> {
        let found = bundles_at(source).await?;
        let mut bundles = found.into_iter().collect::<Result<Vec<_>, _>>()?;
        let bundle = match (bundles.pop(), bundles.is_empty()) {
            (Some(bundle), true) => bundle,
            (None, _) => return Err(BundleError::None { place: source.to_string() }),
            (Some(last), false) => {
                let found = bundles.into_iter().chain([last]).map(|bundle| bundle.place).collect();
                return Err(BundleError::Several { place: source.to_string(), found });
            }
        };
        let target = parent.join(&bundle.manifest.name);
        Ok(Self { bundle, target })
    }

    /// The bundle.
    #[must_use]
    pub fn bundle(&self) -> &FoundBundle {
        &self.bundle
    }

    /// Fetches, checks and publishes it; with `replace` also where a bundle of another digest is there. `on_bytes` is told of
    /// each part that has come, in bytes.
    ///
    /// # Errors
    /// [`BundleError::OtherDigest`], what cannot be fetched or written, and what does not hold.
    pub async fn run(self, replace: bool, on_bytes: impl Fn(u64)) -> Result<Pulled, BundleError> {
        let Self { bundle, target } = self;
        let replace = match digest_at(&target) {
            // The same manifest may lie beside a damaged network: only a bundle that holds is left alone.
            Some(found) if found == bundle.digest => {
                if Bundle::load(&target).is_ok() {
                    return Ok(Pulled { bundle, place: target, fetched: false });
                }
                true
            }
            Some(found) if !replace => {
                let (found, offered) = (short(&found), short(&bundle.digest));
                return Err(BundleError::OtherDigest { target, found, place: bundle.place, offered });
            }
            Some(_) => true,
            None => false,
        };
        let place = fetch(&bundle, &target, replace, on_bytes).await?;
        Ok(Pulled { bundle, place, fetched: true })
    }
}

/// The digest of the manifest in `folder`, where there is one.
fn digest_at(folder: &Path) -> Option<String> {
    read_regular(&folder.join(Bundle::MANIFEST), MOST_MANIFEST_BYTES).ok().map(|text| hex::encode(Sha256::digest(text)))
}

fn short(digest: &str) -> String {
    digest.chars().take(SHORT_DIGEST).collect()
}

async fn fetch(
    bundle: &FoundBundle,
    target: &Path,
    replace: bool,
    on_bytes: impl Fn(u64),
) -> Result<PathBuf, BundleError> {
    let parts = bundle.parts()?;
    if let Some((name, object)) = parts.iter().find(|(_, object)| object.size > MOST_FILE_BYTES) {
        let (place, name) = (bundle.place.clone(), (*name).to_owned());
        return Err(BundleError::TooLarge { place, name, bytes: object.size });
    }
    let staged = StagedBundle::begin(target)?;
    for (name, object) in &parts {
        let copied = copy(object, staged.create(name)?, &on_bytes).await;
        copied.map_err(|source| BundleError::Fetch { name: (*name).to_owned(), source })?;
    }
    staged.write(Bundle::MANIFEST, &bundle.text)?;
    let place = bundle.place.clone();
    let published = tokio::task::spawn_blocking(move || {
        staged.check().map_err(|source| BundleError::Unsound { place, source })?;
        staged.publish(replace)
    });
    published.await.map_err(|lost| BundleError::Lost(lost.to_string()))?
}

/// Copies an object a chunk at a time.
async fn copy(object: &ObjectRef, mut file: std::fs::File, on_bytes: impl Fn(u64)) -> Result<(), Cause> {
    let mut start = 0;
    while start < object.size {
        let chunk = object.read_range(start..start + CHUNK).await?;
        start += chunk.len() as u64;
        on_bytes(chunk.len() as u64);
        file = on_disk(move || file.write_all(&chunk).map(|()| file)).await?;
    }
    on_disk(move || file.sync_all()).await
}

/// Runs what waits for a disk off the async threads.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, Cause> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)??)
}
