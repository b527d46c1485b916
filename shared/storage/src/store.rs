//! From a location to an object store.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::ObjectStore;
use object_store::list::PaginatedListStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;

use crate::location::file_uri;
use crate::{Location, StorageError, s3};

/// The stores behind `memory://`.
static MEMORY: Mutex<BTreeMap<String, Arc<InMemory>>> = Mutex::new(BTreeMap::new());

/// An object store and the place in it that a location names.
#[derive(Clone)]
pub struct OpenedStore {
    /// The store: a bucket, a folder or a store in memory.
    pub store: Arc<dyn ObjectStore>,
    /// The location's place in `store`; empty for a folder, which is its store's root.
    pub prefix: Path,
    /// The location as a URI, without a trailing slash.
    pub uri: String,
    /// Where the store can list page by page: S3.
    pub(crate) pager: Option<Arc<dyn PaginatedListStore>>,
}

impl OpenedStore {
    /// The store as seen from `prefix`: its root is the location.
    #[must_use]
    pub fn rooted(&self) -> Arc<dyn ObjectStore> {
        if self.prefix.is_root() {
            return Arc::clone(&self.store);
        }
        Arc::new(PrefixStore::new(Arc::clone(&self.store), self.prefix.clone()))
    }
}

impl fmt::Debug for OpenedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedStore").field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// Opens the store of `location` for reading. A local location must be a folder.
///
/// # Errors
/// `Fatal` where the folder does not exist or the bucket cannot be opened. Nothing is asked of S3 yet, save the
/// bucket's region where neither a region nor an endpoint is configured.
pub async fn open_store(location: &Location) -> Result<OpenedStore, StorageError> {
    let uri = location.uri().trim_end_matches('/').to_owned();
    match location {
        Location::Local(folder) => {
            let store = LocalFileSystem::new_with_prefix(folder)
                .map_err(|e| StorageError::fatal(file_uri(folder), "no such folder").with_source(e))?;
            Ok(OpenedStore { store: Arc::new(store), prefix: Path::ROOT, uri, pager: None })
        }
        Location::S3 { bucket, key } => {
            let prefix = key_path(&uri, key)?;
            let store = s3::open_bucket(bucket).await?;
            Ok(OpenedStore { store: Arc::clone(&store) as _, prefix, uri, pager: Some(store) })
        }
        Location::Memory { name, key } => {
            let mut stores = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
            let store = Arc::clone(stores.entry(name.clone()).or_default());
            Ok(OpenedStore { store, prefix: key_path(&uri, key)?, uri, pager: None })
        }
    }
}

/// Opens the store of `location` for writing: as [`open_store`], and a missing local folder is made.
///
/// # Errors
/// As [`open_store`], and `Fatal` where the folder cannot be made.
pub async fn open_store_for_writing(location: &Location) -> Result<OpenedStore, StorageError> {
    if let Location::Local(folder) = location {
        let made: &FilePath = folder;
        tokio::fs::create_dir_all(made)
            .await
            .map_err(|e| StorageError::fatal(file_uri(made), "cannot make the folder").with_source(e))?;
    }
    open_store(location).await
}

/// The key as the store's library has it, which cuts slashes off both ends: at the end they make no difference to a prefix, at the
/// beginning they make another key.
fn key_path(uri: &str, key: &str) -> Result<Path, StorageError> {
    if key.starts_with('/') {
        return Err(StorageError::fatal(uri, "not a key that can be read: it begins with a slash"));
    }
    Path::parse(key).map_err(|e| StorageError::fatal(uri, "not a key that can be read").with_source(e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::{ObjectStoreExt, PutMode, PutOptions};

    #[tokio::test]
    async fn folders_are_made_for_writing_only_and_creation_is_conditional() {
        let dir = tempfile::tempdir().unwrap();
        let location = Location::Local(dir.path().join("a b/ü%23"));
        assert_eq!(open_store(&location).await.unwrap_err().kind, crate::ErrorKind::Fatal);
        let opened = open_store_for_writing(&location).await.unwrap();
        let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let path = Path::from("_delta_log/0.json");
        opened.rooted().put_opts(&path, "x".into(), create()).await.unwrap();
        let twice = opened.rooted().put_opts(&path, "y".into(), create()).await.unwrap_err();
        assert!(matches!(twice, object_store::Error::AlreadyExists { .. }));
        assert!(dir.path().join("a b/ü%23/_delta_log/0.json").exists());
    }

    #[tokio::test]
    async fn a_memory_store_is_known_by_its_name() {
        let opened = open_store(&Location::parse("memory://store-test/p/q/").unwrap()).await.unwrap();
        opened.rooted().put(&Path::from("x"), "1".into()).await.unwrap();
        let whole = open_store(&Location::parse("memory://store-test").unwrap()).await.unwrap();
        assert!(whole.store.head(&Path::from("p/q/x")).await.is_ok());
    }
}
