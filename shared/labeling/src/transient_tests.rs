//! A store that fails for the moment is told from data that is bad.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bolus_inference::{Bundle, BundleSet};
use bolus_ops::CpuPool;
use bolus_storage::{ObjectRef, Spool};
use bolus_study::{Reason, ReasonCode, Status};
use futures::stream::{BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio_util::sync::CancellationToken;

use crate::{Engines, Inventory, Labeled, Labeler, LabelerOptions, Progress, Unit, take_inventory};

const SERIES: &str = "tests/data/series/totalsegmentator-abdomen-contrast";

/// A slice in its middle.
const SLICE: &str = "CT.1.3.12.2.1107.5.1.4.60064.30000022120808113428000016585";

/// A store in memory whose reads of one object fail: `passing` of them succeed first.
struct Flaky {
    inner: InMemory,
    broken: &'static str,
    passing: AtomicUsize,
}

impl fmt::Debug for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flaky")
    }
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flaky")
    }
}

#[async_trait]
impl ObjectStore for Flaky {
    async fn get_opts(&self, location: &object_store::path::Path, options: GetOptions) -> Result<GetResult> {
        let count = |left: usize| left.checked_sub(1);
        if location.filename() == Some(self.broken)
            && self.passing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count).is_err()
        {
            return Err(Error::Generic { store: "flaky", source: "503 Slow Down".into() });
        }
        self.inner.get_opts(location, options).await
    }

    async fn put_opts(
        &self,
        location: &object_store::path::Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &object_store::path::Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<object_store::path::Path>>,
    ) -> BoxStream<'static, Result<object_store::path::Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&object_store::path::Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&object_store::path::Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &object_store::path::Path,
        to: &object_store::path::Path,
        options: CopyOptions,
    ) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn repository() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The series of real slices in a store where the object `broken` can be read `passing` times.
async fn stored(broken: &'static str, passing: usize) -> (Arc<dyn ObjectStore>, Vec<ObjectRef>) {
    let inner = InMemory::new();
    for entry in std::fs::read_dir(repository().join(SERIES)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        inner.put(&name.into(), std::fs::read(path).unwrap().into()).await.unwrap();
    }
    let store: Arc<dyn ObjectStore> = Arc::new(Flaky { inner, broken, passing: AtomicUsize::new(passing) });
    let metas: Vec<ObjectMeta> = store.list(None).map(|meta| meta.unwrap()).collect().await;
    let objects = metas.into_iter().map(|meta| ObjectRef::from_meta("memory://flaky", &store, meta)).collect();
    (store, objects)
}

async fn scanned(objects: Vec<ObjectRef>) -> Inventory {
    let (cpu, progress, cancel) = (CpuPool::new(2).unwrap(), Progress::default(), CancellationToken::new());
    let spool = Spool::new(None).unwrap();
    take_inventory(Unit::Loose(objects, Vec::new()), &spool, &cpu, &progress, &cancel).await.unwrap()
}

async fn labelled(inventory: &Inventory) -> Labeled {
    let bundle = Bundle::load(&repository().join("tests/data/bundles/cheap")).unwrap();
    let engines = Engines::skipped(Arc::new(BundleSet::only(bundle)));
    let labeler = Labeler::new(engines, CpuPool::new(2).unwrap(), LabelerOptions::default(), Arc::default()).unwrap();
    labeler.label(inventory, &inventory.series[0]).await.unwrap()
}

fn code(reason: Option<&Reason>) -> Option<ReasonCode> {
    reason.map(|reason| reason.code)
}

#[tokio::test]
async fn a_header_that_the_store_did_not_give_marks_the_scan() {
    let (_, objects) = stored(SLICE, 0).await;
    let inventory = scanned(objects).await;
    assert_eq!(code(inventory.transient()), Some(ReasonCode::StoreUnavailable));
    assert_eq!(inventory.refused.len(), 1);
    assert!(inventory.refused[0].reason.detail.contains("503 Slow Down"), "{}", inventory.refused[0].reason);

    let (_, objects) = stored(SLICE, usize::MAX).await;
    assert_eq!(scanned(objects).await.transient(), None);
}

#[tokio::test]
async fn a_slice_that_the_store_did_not_give_marks_the_row() {
    let (_, objects) = stored(SLICE, 1).await;
    let inventory = scanned(objects).await;
    assert_eq!(inventory.transient(), None);
    let labeled = labelled(&inventory).await;
    // One slice in many: there is a label, and it is not to be trusted while the slice may come back.
    assert_eq!(labeled.row.status(), Status::Labelled);
    assert_eq!(code(labeled.transient()), Some(ReasonCode::StoreUnavailable));
    assert_eq!(labeled.row.refused_slices, [("store_unavailable".to_owned(), 1)]);
}

#[tokio::test]
async fn an_object_that_is_replaced_or_removed_after_the_listing_marks_the_row() {
    for removed in [false, true] {
        let (store, objects) = stored("", 0).await;
        let inventory = scanned(objects).await;
        let path = SLICE.into();
        store.delete(&path).await.unwrap();
        if !removed {
            store.put(&path, "other bytes".into()).await.unwrap();
        }
        let labeled = labelled(&inventory).await;
        assert_eq!(code(labeled.transient()), Some(ReasonCode::ChangedWhileReading));
    }
}

#[tokio::test]
async fn bad_bytes_are_not_transient() {
    let (store, mut objects) = stored("", 0).await;
    store.put(&SLICE.into(), "not DICOM".into()).await.unwrap();
    let meta = store.head(&SLICE.into()).await.unwrap();
    let place = objects.iter().position(|object| object.uri.ends_with(SLICE)).unwrap();
    objects[place] = ObjectRef::from_meta("memory://flaky", &store, meta);
    let inventory = scanned(objects).await;
    assert_eq!(inventory.refused.len(), 1);
    assert_eq!((inventory.transient(), labelled(&inventory).await.transient()), (None, None));
}
