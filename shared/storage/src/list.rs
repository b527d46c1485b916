//! Listing: every object at or below a location.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::store::{OpenedStore, open_store};
use crate::{ErrorKind, Location, ObjectRef, StorageError, local};

/// Found files that wait for the reader of a listing.
const LISTED_AHEAD: usize = 1024;
/// Keys asked for in one page: the most that S3 gives.
pub(crate) const PAGE: usize = 1000;

/// One step of a listing.
type Found = Result<ObjectRef, StorageError>;

/// Lists every object at or below `location`, with bounded memory. A single object is a listing of one. Between two objects of one folder
/// come only objects at or below it; there is no other order.
///
/// Nothing is left out: hidden files are listed, links are followed (each folder once), and a name that cannot be
/// read is an `Err` of kind `Reject` that names it, after which the listing goes on. An `Err` of kind `Retry` or
/// `Fatal` is the last item: the listing is incomplete. S3's zero-byte folder markers (`key/`) are folders, not
/// objects, and do not appear.
///
/// # Errors
/// As items: `Fatal` where there is nothing by that name or it may not be listed; `Retry` where the store failed.
pub fn list(location: &Location) -> BoxStream<'static, Found> {
    let location = location.clone();
    let listing = async move {
        match &location {
            Location::Local(root) => list_folder(root.clone()),
            Location::S3 { .. } | Location::Memory { .. } => match open_store(&location).await {
                Ok(opened) => list_store(opened, location.uri()).await,
                Err(error) => stream::iter([Err(error)]).boxed(),
            },
        }
    };
    stream::once(listing).flatten().boxed()
}

/// Finds the one object at `location`, in the version asked for.
///
/// # Errors
/// `Reject` where there is no such object, else as the store's.
pub async fn find(location: &Location, version: Option<String>) -> Found {
    if let Location::Local(_) = location {
        let nothing = || StorageError::reject(location.uri(), "no such file");
        return list(location).next().await.unwrap_or_else(|| Err(nothing()));
    }
    if location.uri().ends_with('/') {
        // Without its slash it would be another object.
        return Err(StorageError::reject(location.uri(), "a folder, not an object: its key ends in a slash"));
    }
    let opened = open_store(location).await?;
    let failed = |e| StorageError::store(location.uri(), "cannot find", e);
    let options = object_store::GetOptions { head: true, version: version.clone(), ..Default::default() };
    let meta = opened.store.get_opts(&opened.prefix, options).await.map_err(failed)?.meta;
    let mut object = ObjectRef::from_meta(&store_root(&opened), &opened.store, meta);
    object.version = version;
    Ok(object)
}

fn list_folder(root: std::path::PathBuf) -> BoxStream<'static, Found> {
    let (sender, receiver) = tokio::sync::mpsc::channel(LISTED_AHEAD);
    // The thread ends with the walk, or at the first file after the stream is dropped.
    tokio::task::spawn_blocking(move || local::walk(&root, &mut |found| sender.blocking_send(found).is_ok()));
    stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) }).boxed()
}

/// The URI of the store's root: the location's without its prefix.
pub(crate) fn store_root(opened: &OpenedStore) -> String {
    let root = opened.uri.strip_suffix(opened.prefix.as_ref()).unwrap_or(&opened.uri);
    root.trim_end_matches('/').to_owned()
}

/// Lists the object at the location, if there is one, and what lies below it as a folder: `s3://b/a` lists `a` and
/// `a/1`, not `ab`.
async fn list_store(opened: OpenedStore, uri: String) -> BoxStream<'static, Found> {
    let root = store_root(&opened);
    let mut first = Vec::new();
    if !opened.prefix.is_root() && !uri.ends_with('/') {
        match opened.store.head(&opened.prefix).await {
            Ok(meta) => first.push(Ok(ObjectRef::from_meta(&root, &opened.store, meta))),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return stream::iter([Err(cannot_list(&uri, error))]).boxed(),
        }
    }
    let below = match &opened.pager {
        Some(pager) => list_pages(Arc::clone(pager), opened.clone(), root),
        None => {
            let store = Arc::clone(&opened.store);
            let whole = uri.clone();
            let metas = opened.store.list(Some(&opened.prefix));
            metas
                .map(move |meta| match meta {
                    Ok(meta) => Ok(ObjectRef::from_meta(&root, &store, meta)),
                    Err(error) => Err(cannot_list(&whole, error)),
                })
                .boxed()
        }
    };
    refuse_nothing(uri, stream::iter(first).chain(below).boxed())
}

/// An empty listing of a store is a name that does not exist: prefixes come into being with their objects.
fn refuse_nothing(uri: String, listing: BoxStream<'static, Found>) -> BoxStream<'static, Found> {
    let mut listing = listing.peekable();
    stream::once(async move {
        if std::pin::Pin::new(&mut listing).peek().await.is_none() {
            return stream::iter([Err(StorageError::fatal(uri, "no objects by that name"))]).boxed();
        }
        listing.boxed()
    })
    .flatten()
    .boxed()
}

/// A store that refuses a listing refuses all of it, so what rejects one object is fatal here.
pub(crate) fn cannot_list(uri: &str, error: object_store::Error) -> StorageError {
    let error = StorageError::store(uri, "cannot list", error);
    if error.kind == ErrorKind::Reject || is_refused_by_server(&error) {
        return error.with_kind(ErrorKind::Fatal);
    }
    error
}

/// Whether the server answered that the request is wrong, not that it is busy. object_store gives a listing's status
/// (404 for a bucket that does not exist) in text only; the test against a real server would notice a change of it.
fn is_refused_by_server(error: &StorageError) -> bool {
    let detail = error.reason().detail;
    ["400", "401", "403", "404", "405", "501"].iter().any(|status| detail.contains(&format!("status code: {status}")))
}

/// The state of a paged listing.
struct Pages {
    pager: Arc<dyn PaginatedListStore>,
    opened: OpenedStore,
    root: String,
    prefix: Option<String>,
    ready: VecDeque<ObjectMeta>,
    token: Option<String>,
    offset: Option<String>,
    page: usize,
    ended: bool,
}

/// Lists S3 page by page, so that a key which object_store cannot express (`a//b`, `a/../b`) is refused by name
/// where the plain listing would end with an error.
fn list_pages(pager: Arc<dyn PaginatedListStore>, opened: OpenedStore, root: String) -> BoxStream<'static, Found> {
    let prefix = (!opened.prefix.is_root()).then(|| format!("{}/", opened.prefix));
    let ready = VecDeque::new();
    let pages = Pages { pager, opened, root, prefix, ready, token: None, offset: None, page: PAGE, ended: false };
    stream::unfold(pages, |mut pages| async move { Some((pages.next().await?, pages)) }).boxed()
}

impl Pages {
    async fn next(&mut self) -> Option<Found> {
        loop {
            if let Some(meta) = self.ready.pop_front() {
                match is_folder_marker(&self.opened.store, &meta).await {
                    Ok(true) => continue,
                    Ok(false) => return Some(Ok(ObjectRef::from_meta(&self.root, &self.opened.store, meta))),
                    Err(error) => return Some(Err(self.end(error))),
                }
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.fetch().await {
                return Some(Err(error));
            }
        }
    }

    async fn fetch(&mut self) -> Result<(), StorageError> {
        let options = PaginatedListOptions {
            max_keys: Some(self.page),
            page_token: self.token.clone(),
            offset: self.offset.clone(),
            ..PaginatedListOptions::default()
        };
        match self.pager.list_paginated(self.prefix.as_deref(), options).await {
            Ok(found) => {
                self.ended = found.page_token.is_none();
                self.token = found.page_token;
                self.offset = None;
                self.page = (self.page * 2).min(PAGE);
                self.ready.extend(found.result.objects);
                Ok(())
            }
            Err(object_store::Error::InvalidPath { source }) => match unusable_key(&source) {
                Some(key) if self.page == 1 => {
                    self.token = None;
                    self.offset = Some(key.clone());
                    let uri = format!("{}/{key}", self.root);
                    Err(StorageError::reject(uri, "the key cannot be read").with_source(source))
                }
                Some(_) => {
                    // The page holds good keys too: smaller pages bring them out one side of the bad one.
                    self.page = (self.page / 8).max(1);
                    Ok(())
                }
                None => Err(self.end(object_store::Error::InvalidPath { source })),
            },
            Err(error) => Err(self.end(error)),
        }
    }

    fn end(&mut self, error: object_store::Error) -> StorageError {
        self.ended = true;
        self.ready.clear();
        cannot_list(&self.opened.uri, error)
    }
}

pub(crate) fn unusable_key(error: &object_store::path::Error) -> Option<String> {
    use object_store::path::Error;
    match error {
        Error::EmptySegment { path } | Error::BadSegment { path, .. } => Some(path.clone()),
        _ => None,
    }
}

/// Whether an empty object's true key ends in a slash, which object_store's listing cuts off: then no object has the
/// name that is left.
pub(crate) async fn is_folder_marker(store: &Arc<dyn ObjectStore>, meta: &ObjectMeta) -> object_store::Result<bool> {
    if meta.size > 0 {
        return Ok(false);
    }
    match store.head(&meta.location).await {
        Ok(_) => Ok(false),
        Err(object_store::Error::NotFound { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use object_store::list::PaginatedListResult;
    use object_store::path::Path;
    use object_store::{ListResult, memory::InMemory};
    use proptest::prelude::*;

    /// Pages through sorted keys as S3 does, and fails a page that holds a key it cannot express, as object_store does.
    struct FakePager(Vec<String>);

    #[async_trait::async_trait]
    impl PaginatedListStore for FakePager {
        async fn list_paginated(
            &self,
            _prefix: Option<&str>,
            options: PaginatedListOptions,
        ) -> object_store::Result<PaginatedListResult> {
            let after = options.page_token.or(options.offset).unwrap_or_default();
            let size = options.max_keys.unwrap_or(PAGE);
            let rest: Vec<&String> = self.0.iter().filter(|key| **key > after).collect();
            let page = rest.get(..size.min(rest.len())).unwrap_or_default();
            let meta = |key: &&String| {
                let location = Path::parse(key.as_str())?;
                Ok(ObjectMeta { location, last_modified: Default::default(), size: 1, e_tag: None, version: None })
            };
            let objects = page.iter().map(meta).collect::<object_store::Result<_>>()?;
            let page_token = if rest.len() > size { page.last().map(|key| (*key).clone()) } else { None };
            Ok(PaginatedListResult { result: ListResult { common_prefixes: Vec::new(), objects }, page_token })
        }
    }

    proptest! {
        #[test]
        fn every_key_is_listed_or_refused_once(bad in prop::collection::btree_set(0..3000_usize, 0..6), total in 0..3000_usize) {
            let keys: Vec<String> =
                (0..total).map(|n| if bad.contains(&n) { format!("{n:05}//x") } else { format!("{n:05}") }).collect();
            let opened = OpenedStore {
                store: Arc::new(InMemory::new()), prefix: Path::ROOT, uri: "s3://b".to_owned(), pager: None,
            };
            let pager = Arc::new(FakePager(keys.clone()));
            let found: Vec<Found> = block_on(list_pages(pager, opened, "s3://b".to_owned()).collect());
            let names: Vec<String> = found.iter().map(|found| match found {
                Ok(object) => object.uri.clone(),
                Err(error) => { assert_eq!(error.kind, ErrorKind::Reject); error.uri.clone() }
            }).collect();
            let expected: Vec<String> = keys.iter().map(|key| format!("s3://b/{key}")).collect();
            prop_assert_eq!(names, expected);
        }
    }
}
