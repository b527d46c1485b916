//! A store whose answers to log entries can be bent.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Notify;

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
    /// Takes effect, then answers 412, as a retry inside a client that does not read that as "exists".
    Precondition,
    /// Takes effect, then answers with a time-out, and no log entry can be read until [`Faulty::see`].
    Blind,
    /// Waits until [`Faulty::release`].
    Gate,
    /// Ignores the condition of every put.
    Unconditional,
    /// Checks the condition of every put, and then writes.
    CheckThenWrite,
}

/// Bends the first `times` puts of log entries after version 0.
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    fault: Fault,
    left: AtomicUsize,
    blind: AtomicBool,
    /// Told when a put waits at the gate.
    pub reached: Notify,
    gate: Notify,
}

impl Faulty {
    pub fn new(inner: Arc<dyn ObjectStore>, fault: Fault, times: usize) -> Arc<Self> {
        let (left, blind) = (AtomicUsize::new(times), AtomicBool::new(false));
        Arc::new(Self { inner, fault, left, blind, reached: Notify::new(), gate: Notify::new() })
    }

    /// Lets the put at the gate pass.
    pub fn release(&self) {
        self.gate.notify_one();
    }

    /// Lets log entries be read again.
    pub fn see(&self) {
        self.blind.store(false, Ordering::SeqCst);
    }

    /// A put of a store that keeps no promise.
    async fn lie(&self, location: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        if self.fault == Fault::CheckThenWrite && options.mode == PutMode::Create {
            if self.inner.head(location).await.is_ok() {
                return Err(exists(location));
            }
            tokio::task::yield_now().await;
        }
        options.mode = PutMode::Overwrite;
        self.inner.put_opts(location, payload, options).await
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
        let lies = matches!(self.fault, Fault::Unconditional | Fault::CheckThenWrite);
        if !lies && !self.bends(location) {
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
            Fault::Precondition => {
                self.inner.put_opts(location, payload, options).await?;
                Err(Error::Precondition { path: location.to_string(), source: "412".into() })
            }
            Fault::Blind => {
                self.inner.put_opts(location, payload, options).await?;
                self.blind.store(true, Ordering::SeqCst);
                Err(timed_out())
            }
            Fault::Gate => {
                self.reached.notify_one();
                self.gate.notified().await;
                self.inner.put_opts(location, payload, options).await
            }
            Fault::Unconditional | Fault::CheckThenWrite => self.lie(location, payload, options).await,
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
        if self.blind.load(Ordering::SeqCst) && location.as_ref().contains("_delta_log/") {
            return Err(timed_out());
        }
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
