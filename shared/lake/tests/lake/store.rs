//! A store whose answers to log entries can be bent.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What a put of a log entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Fails before it takes effect.
    Before,
    /// Takes effect, then answers with a time-out.
    After,
    /// Takes effect, then says that the entry exists: a retry inside the client met its own first try.
    OwnExists,
    /// Says that the entry exists, though nothing does: S3's answer 409.
    NothingExists,
    /// Is refused for want of permission.
    Denied,
    /// Never returns: the process is killed there.
    Hang,
}

/// Bends the first `times` puts of log entries after version 0.
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    fault: Fault,
    left: AtomicUsize,
}

impl Faulty {
    pub fn new(inner: Arc<dyn ObjectStore>, fault: Fault, times: usize) -> Arc<Self> {
        Arc::new(Self { inner, fault, left: AtomicUsize::new(times) })
    }

    /// Faults not yet met.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    fn bends(&self, location: &Path) -> bool {
        let entry = location.as_ref().contains("_delta_log/")
            && location.as_ref().ends_with(".json")
            && !location.as_ref().ends_with("00000000000000000000.json");
        entry && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

fn timed_out() -> Error {
    Error::Generic { store: "faulty", source: "timed out".into() }
}

fn exists(location: &Path) -> Error {
    Error::AlreadyExists { path: location.to_string(), source: "exists".into() }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if !self.bends(location) {
            return self.inner.put_opts(location, payload, options).await;
        }
        match self.fault {
            Fault::Before => Err(timed_out()),
            Fault::NothingExists => Err(exists(location)),
            Fault::Denied => Err(Error::PermissionDenied { path: location.to_string(), source: "denied".into() }),
            Fault::Hang => std::future::pending().await,
            Fault::After => {
                self.inner.put_opts(location, payload, options).await?;
                Err(timed_out())
            }
            Fault::OwnExists => {
                self.inner.put_opts(location, payload, options).await?;
                Err(exists(location))
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
