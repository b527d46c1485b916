//! Listing a bucket in the order of its keys, with many requests at a time.
//!
//! A plain listing of S3 is one page of 1,000 keys after the other. Here folders are listed one by one (delimiter `/`), those
//! that come next ahead of time, and the answers are given in the order of the keys as one listing would give them.
//! What waits is bounded: the pages that were fetched ahead, and one page of each folder above the current one.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::{ObjectMeta, ObjectStoreExt};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use crate::list::{PAGE, cannot_list, is_folder_marker, store_root, unusable_key};
use crate::store::{OpenedStore, open_store};
use crate::{Location, ObjectRef, StorageError};

/// The greatest character: nothing that S3 stores sorts after a folder's name with it appended.
const AFTER_ALL: char = char::MAX;

/// Whether a folder, given by its key with a slash at its end, is left out.
pub type SkipFolder = Box<dyn Fn(&str) -> bool + Send>;

/// How [`list_in_order`] goes through a bucket.
pub struct OrderedListing {
    /// Requests at a time, and pages of 1,000 keys held ahead.
    pub requests: usize,
    /// Folders at this depth of the key (1: `a/`) are listed with all that lies below in one go, which takes fewer requests
    /// where they hold many small folders. None: every folder by itself.
    pub whole_at_depth: Option<usize>,
    /// Folders to leave out with all that lies below: given the key of the folder with a slash at its end.
    pub skip: Option<SkipFolder>,
}

impl fmt::Debug for OrderedListing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderedListing")
            .field("requests", &self.requests)
            .field("whole_at_depth", &self.whole_at_depth)
            .finish_non_exhaustive()
    }
}

/// Lists every object at or below `location`, which lies in S3, sorted by the bytes of the keys. As
/// [`list`](crate::list()), it leaves out folder markers and gives a key that cannot be read as an `Err` of kind `Reject`.
///
/// # Errors
/// As items, as [`list`](crate::list()); `Fatal` where the location is not in S3, or the store does not list in order, as
/// directory buckets do not.
pub fn list_in_order(
    location: &Location,
    options: OrderedListing,
) -> BoxStream<'static, Result<ObjectRef, StorageError>> {
    let location = location.clone();
    let opening = async move {
        match Walk::open(&location, options).await {
            Ok(walk) => stream::unfold(walk, |mut walk| async move { Some((walk.next().await?, walk)) }).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    };
    stream::once(opening).flatten().boxed()
}

/// A page to ask for.
struct Request {
    /// What the keys begin with; empty or with a slash at its end.
    prefix: String,
    token: Option<String>,
    offset: Option<String>,
    keys: usize,
    answer: Option<AbortOnDropHandle<object_store::Result<PaginatedListResult>>>,
}

impl Request {
    fn first(prefix: String) -> Self {
        Self { prefix, token: None, offset: None, keys: PAGE, answer: None }
    }

    /// The same page anew, or another part of the same folder.
    fn again(&self, token: Option<String>, offset: Option<String>, keys: usize) -> Self {
        Self { prefix: self.prefix.clone(), token, offset, keys, answer: None }
    }
}

/// What is to be given or asked next, in the order of the keys.
enum Item {
    Objects(VecDeque<ObjectMeta>),
    Page(Request),
}

struct Walk {
    pager: Arc<dyn PaginatedListStore>,
    opened: OpenedStore,
    root: String,
    options: OrderedListing,
    items: VecDeque<Item>,
    /// Requests that were sent ahead stay under way when others come before them, so those in front are not the only ones.
    permits: Arc<Semaphore>,
    last: Option<String>,
    /// Whether anything was found, skipped or not.
    found: bool,
    ended: bool,
}

impl Walk {
    async fn open(location: &Location, options: OrderedListing) -> Result<Self, StorageError> {
        let opened = open_store(location).await?;
        let Some(pager) = opened.pager.clone() else {
            return Err(StorageError::fatal(location.uri(), "only a bucket can be listed in order: expected s3://"));
        };
        let mut walk = Self::of(pager, opened, options);
        if !walk.opened.prefix.is_root() && !location.uri().ends_with('/') {
            walk.look_for_single_object().await?;
        }
        Ok(walk)
    }

    fn of(pager: Arc<dyn PaginatedListStore>, opened: OpenedStore, options: OrderedListing) -> Self {
        let root = store_root(&opened);
        let prefix = if opened.prefix.is_root() { String::new() } else { format!("{}/", opened.prefix) };
        let items = VecDeque::from([Item::Page(Request::first(prefix))]);
        let permits = Arc::new(Semaphore::new(options.requests.max(1)));
        Self { pager, opened, root, options, items, permits, last: None, found: false, ended: false }
    }

    /// The location may be an object, a folder or both.
    async fn look_for_single_object(&mut self) -> Result<(), StorageError> {
        match self.opened.store.head(&self.opened.prefix).await {
            Ok(meta) => self.items.push_front(Item::Objects(VecDeque::from([meta]))),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(cannot_list(&self.opened.uri, error)),
        }
        Ok(())
    }

    async fn next(&mut self) -> Option<Result<ObjectRef, StorageError>> {
        while !self.ended {
            match self.items.front_mut() {
                None => return self.finish(),
                Some(Item::Objects(metas)) => match metas.pop_front() {
                    None => drop(self.items.pop_front()),
                    Some(meta) => {
                        if let Some(found) = self.give(meta).await {
                            return Some(found);
                        }
                    }
                },
                Some(Item::Page(_)) => {
                    self.ask_ahead();
                    if let Some(Item::Page(request)) = self.items.pop_front()
                        && let Err(error) = self.read(request).await
                    {
                        return Some(Err(error));
                    }
                }
            }
        }
        None
    }

    fn finish(&mut self) -> Option<Result<ObjectRef, StorageError>> {
        self.ended = true;
        (!self.found).then(|| Err(StorageError::fatal(&self.opened.uri, "no objects by that name")))
    }

    /// The object, unless it is a folder's marker.
    async fn give(&mut self, meta: ObjectMeta) -> Option<Result<ObjectRef, StorageError>> {
        self.found = true;
        match is_folder_marker(&self.opened.store, &meta).await {
            Ok(true) => return None,
            Ok(false) => {}
            Err(error) => return Some(Err(self.end(error))),
        }
        let key = meta.location.to_string();
        if self.last.as_ref().is_some_and(|last| *last > key) {
            self.ended = true;
            let message = format!("the store does not list in order: {key:?} came late");
            return Some(Err(StorageError::fatal(&self.opened.uri, message)));
        }
        self.last = Some(key);
        Some(Ok(ObjectRef::from_meta(&self.root, &self.opened.store, meta)))
    }

    /// Sends the requests of the pages that come next.
    fn ask_ahead(&mut self) {
        let pages = self.items.iter_mut().filter_map(|item| match item {
            Item::Page(request) => Some(request),
            Item::Objects(_) => None,
        });
        for request in pages.take(self.options.requests.max(1)).filter(|request| request.answer.is_none()) {
            let whole = self.options.whole_at_depth.is_some_and(|depth| request.prefix.matches('/').count() >= depth);
            let options = PaginatedListOptions {
                offset: request.offset.clone(),
                delimiter: (!whole).then_some("/".into()),
                max_keys: Some(request.keys),
                page_token: request.token.clone(),
                ..PaginatedListOptions::default()
            };
            let (pager, permits) = (Arc::clone(&self.pager), Arc::clone(&self.permits));
            let prefix = (!request.prefix.is_empty()).then(|| request.prefix.clone());
            let answer = tokio::spawn(async move {
                // The semaphore is never closed.
                let _permit = permits.acquire().await.ok();
                pager.list_paginated(prefix.as_deref(), options).await
            });
            request.answer = Some(AbortOnDropHandle::new(answer));
        }
    }

    /// Waits for a page and puts what it holds in its place.
    async fn read(&mut self, mut request: Request) -> Result<(), StorageError> {
        let Some(answer) = request.answer.take() else { return Ok(()) };
        let answer = answer.await.map_err(|e| {
            StorageError::new(crate::ErrorKind::Retry, &self.opened.uri, "the listing was stopped").with_source(e)
        })?;
        match answer {
            Ok(page) => {
                self.place(&request, page);
                Ok(())
            }
            Err(object_store::Error::InvalidPath { source }) => match unusable_key(&source) {
                Some(key) if request.keys == 1 => {
                    self.found = true;
                    let end = if key.ends_with('/') { format!("{key}{AFTER_ALL}") } else { key.clone() };
                    self.items.push_front(Item::Page(request.again(None, Some(end), 1)));
                    let uri = format!("{}/{key}", self.root);
                    Err(StorageError::reject(uri, "the key cannot be read").with_source(source))
                }
                Some(_) => {
                    // The page holds good keys too: smaller pages bring them out one side of the bad one.
                    let keys = (request.keys / 8).max(1);
                    let (token, offset) = (request.token.clone(), request.offset.clone());
                    self.items.push_front(Item::Page(request.again(token, offset, keys)));
                    Ok(())
                }
                None => Err(self.end(object_store::Error::InvalidPath { source })),
            },
            Err(error) => Err(self.end(error)),
        }
    }

    fn place(&mut self, request: &Request, page: PaginatedListResult) {
        if page.page_token.is_some() {
            let keys = (request.keys * 2).min(PAGE);
            self.items.push_front(Item::Page(request.again(page.page_token, None, keys)));
        }
        let objects = page.result.objects.into_iter().map(|meta| (meta.location.to_string(), Some(meta)));
        let folders = page.result.common_prefixes.iter().map(|folder| (format!("{folder}/"), None));
        let mut entries: Vec<(String, Option<ObjectMeta>)> = objects.chain(folders).collect();
        self.found |= !entries.is_empty();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut run = VecDeque::new();
        for (key, meta) in entries.into_iter().rev() {
            match meta {
                Some(meta) => run.push_front(meta),
                None => {
                    self.place_run(&mut run);
                    if !self.options.skip.as_ref().is_some_and(|skip| skip(&key)) {
                        self.items.push_front(Item::Page(Request::first(key)));
                    }
                }
            }
        }
        self.place_run(&mut run);
    }

    fn place_run(&mut self, run: &mut VecDeque<ObjectMeta>) {
        if !run.is_empty() {
            self.items.push_front(Item::Objects(std::mem::take(run)));
        }
    }

    fn end(&mut self, error: object_store::Error) -> StorageError {
        self.ended = true;
        self.items.clear();
        cannot_list(&self.opened.uri, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use object_store::path::Path;
    use object_store::{ListResult, memory::InMemory};
    use proptest::prelude::*;

    /// Pages through sorted keys as S3 does, delimiter and all, and counts the requests that run at a time.
    struct FakePager {
        keys: BTreeSet<String>,
        page: usize,
        running: AtomicUsize,
        most: Arc<AtomicUsize>,
    }

    #[async_trait::async_trait]
    impl PaginatedListStore for FakePager {
        async fn list_paginated(
            &self,
            prefix: Option<&str>,
            options: PaginatedListOptions,
        ) -> object_store::Result<PaginatedListResult> {
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(running, Ordering::SeqCst);
            tokio::task::yield_now().await;
            self.running.fetch_sub(1, Ordering::SeqCst);
            let prefix = prefix.unwrap_or_default();
            let after = options.page_token.clone().or(options.offset.clone()).unwrap_or_default();
            let size = options.max_keys.unwrap_or(PAGE).min(self.page);
            let mut entries = BTreeSet::new();
            for key in self.keys.iter().filter(|key| key.starts_with(prefix)) {
                let rest = &key[prefix.len()..];
                let entry = match (options.delimiter.is_some(), rest.find('/')) {
                    (true, Some(slash)) => key[..=prefix.len() + slash].to_owned(),
                    _ => key.clone(),
                };
                // A token lies after the whole folder that it names; an offset is a key.
                let is_after = if options.page_token.is_some() { entry > after } else { *key > after };
                if is_after {
                    entries.insert(entry);
                }
            }
            let page: Vec<&String> = entries.iter().take(size).collect();
            let mut result = ListResult { common_prefixes: Vec::new(), objects: Vec::new() };
            for entry in &page {
                let location = Path::parse(entry.as_str())?;
                if options.delimiter.is_some() && entry.ends_with('/') {
                    result.common_prefixes.push(location);
                } else {
                    let last_modified = Default::default();
                    result.objects.push(ObjectMeta { location, last_modified, size: 1, e_tag: None, version: None });
                }
            }
            let page_token = if entries.len() > size { page.last().map(|key| (*key).clone()) } else { None };
            Ok(PaginatedListResult { result, page_token })
        }
    }

    fn listed(keys: &BTreeSet<String>, page: usize, options: OrderedListing) -> (Vec<String>, usize) {
        let opened =
            OpenedStore { store: Arc::new(InMemory::new()), prefix: Path::ROOT, uri: "s3://b".to_owned(), pager: None };
        let most = Arc::new(AtomicUsize::new(0));
        let pager = FakePager { keys: keys.clone(), page, running: AtomicUsize::new(0), most: Arc::clone(&most) };
        let mut walk = Walk::of(Arc::new(pager), opened, options);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let names = runtime.block_on(async {
            let mut names = Vec::new();
            while let Some(found) = walk.next().await {
                names.push(match found {
                    Ok(object) => object.uri,
                    Err(error) => format!("refused {}", error.uri),
                });
            }
            names
        });
        (names, most.load(Ordering::SeqCst))
    }

    fn options(requests: usize, whole_at_depth: Option<usize>) -> OrderedListing {
        OrderedListing { requests, whole_at_depth, skip: None }
    }

    fn keys(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    proptest! {
        #[test]
        fn every_key_comes_once_and_in_order(
            keys in prop::collection::btree_set("[ab!0-]{1,2}(/[ab!0-]{1,2}){0,3}", 1..120),
            page in 1..7_usize, requests in 1..5_usize, whole in prop::option::of(0..3_usize),
        ) {
            let (names, most) = listed(&keys, page, options(requests, whole));
            let expected: Vec<String> = keys.iter().map(|key| format!("s3://b/{key}")).collect();
            prop_assert_eq!(names, expected);
            prop_assert!(most <= requests);
        }
    }

    #[test]
    fn a_key_that_cannot_be_read_is_named_and_the_others_are_listed() {
        let keys = keys(&["a/1", "a/2//x", "a/2//y", "a/3", "b/1", "b/../c", "c"]);
        let (names, _) = listed(&keys, 1000, options(4, None));
        let expected =
            ["s3://b/a/1", "refused s3://b/a/2//", "s3://b/a/3", "refused s3://b/b/../", "s3://b/b/1", "s3://b/c"];
        assert_eq!(names, expected);
    }

    #[test]
    fn folders_that_are_skipped_are_not_asked_for() {
        let keys = keys(&["a/1", "b/1", "b/c/2", "d"]);
        let skip: Box<dyn Fn(&str) -> bool + Send> = Box::new(|folder| folder == "b/");
        let (names, _) = listed(&keys, 1000, OrderedListing { skip: Some(skip), ..options(2, None) });
        assert_eq!(names, ["s3://b/a/1", "s3://b/d"]);
        let everything: Box<dyn Fn(&str) -> bool + Send> = Box::new(|_| true);
        let nothing = listed(&keys_of_one(), 1000, OrderedListing { skip: Some(everything), ..options(2, None) });
        assert_eq!(nothing.0, Vec::<String>::new());
    }

    fn keys_of_one() -> BTreeSet<String> {
        keys(&["a/1"])
    }

    #[test]
    fn a_prefix_without_objects_does_not_exist() {
        assert_eq!(listed(&BTreeSet::new(), 1000, options(2, None)).0, ["refused s3://b"]);
    }
}
