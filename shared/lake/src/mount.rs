//! A store seen from above: the table's library names objects by the whole path of their URL.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// A store whose root answers to the name `at`; nothing lies outside. The reverse of a
/// [`PrefixStore`](object_store::prefix::PrefixStore).
#[derive(Debug)]
pub(crate) struct Mounted {
    inner: Arc<dyn ObjectStore>,
    at: Path,
}

impl Mounted {
    /// Mounts the root of `inner` at `at`.
    pub fn new(inner: Arc<dyn ObjectStore>, at: Path) -> Self {
        Self { inner, at }
    }

    /// The path in `inner`.
    fn inside(&self, outer: &Path) -> Result<Path> {
        inside(&self.at, outer)
    }
}

fn inside(at: &Path, outer: &Path) -> Result<Path> {
    let missing = || Error::NotFound { path: outer.to_string(), source: "outside of the lake".into() };
    Ok(outer.prefix_match(at).ok_or_else(missing)?.collect())
}

fn outside(at: &Path, inner: &Path) -> Path {
    at.parts().chain(inner.parts()).collect()
}

fn meta_outside(at: &Path, meta: ObjectMeta) -> ObjectMeta {
    ObjectMeta { location: outside(at, &meta.location), ..meta }
}

impl fmt::Display for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.inner, self.at)
    }
}

#[async_trait]
impl ObjectStore for Mounted {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(&self.inside(location)?, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(&self.inside(location)?, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let result = self.inner.get_opts(&self.inside(location)?, options).await?;
        Ok(GetResult { meta: meta_outside(&self.at, result.meta), ..result })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(&self.inside(location)?, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (at, back) = (self.at.clone(), self.at.clone());
        let locations = locations.map(move |location| inside(&at, &location?)).boxed();
        self.inner.delete_stream(locations).map_ok(move |location| outside(&back, &location)).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = match self.inside(prefix.unwrap_or(&self.at)) {
            Ok(prefix) => prefix,
            Err(error) => return futures::stream::once(async { Err(error) }).boxed(),
        };
        let at = self.at.clone();
        self.inner.list(Some(&prefix)).map_ok(move |meta| meta_outside(&at, meta)).boxed()
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let both = self.inside(prefix.unwrap_or(&self.at)).and_then(|prefix| Ok((prefix, self.inside(offset)?)));
        let (prefix, offset) = match both {
            Ok(both) => both,
            Err(error) => return futures::stream::once(async { Err(error) }).boxed(),
        };
        let at = self.at.clone();
        self.inner.list_with_offset(Some(&prefix), &offset).map_ok(move |meta| meta_outside(&at, meta)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let listed = self.inner.list_with_delimiter(Some(&self.inside(prefix.unwrap_or(&self.at))?)).await?;
        Ok(ListResult {
            common_prefixes: listed.common_prefixes.iter().map(|prefix| outside(&self.at, prefix)).collect(),
            objects: listed.objects.into_iter().map(|meta| meta_outside(&self.at, meta)).collect(),
        })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(&self.inside(from)?, &self.inside(to)?, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(&self.inside(from)?, &self.inside(to)?, options).await
    }
}
