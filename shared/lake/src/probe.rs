//! Whether a store keeps the promise that the lake stands on.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::error::LakeError;

/// The folder of the objects that the probe writes and removes, beside the table's.
pub(crate) const PROBE: &str = "_bolus_probe";

/// Objects that are raced for. A store that checks and then writes was seen to lose 12 of 40 such races.
const KEYS: usize = 40;
/// Objects that are raced for at the same time.
const KEYS_AT_ONCE: usize = 8;
/// Writers that race for each object.
const WRITERS: usize = 8;

/// Bytes of an object: about those of a log entry, so that writing it takes as long.
const OBJECT_BYTES: usize = 4_096;

/// Lets several writers race to create the same objects below `_bolus_probe/`, and removes these again.
///
/// Each object must be created by exactly one writer, whose bytes then stay, and a later writer must be refused. That a
/// store refuses a writer who comes late is not enough: one that checks first and writes then passes that and loses races.
///
/// # Errors
/// [`LakeError::UnsafeStore`] where the store breaks one of these rules, and the store's own errors, which say nothing
/// about them: on [`ErrorKind::Retry`](crate::ErrorKind::Retry) probe again.
pub fn probe_conditional_put(store: Arc<dyn ObjectStore>) -> BoxFuture<'static, Result<(), LakeError>> {
    Box::pin(async move {
        let probe = Uuid::new_v4();
        let paths: Vec<Path> = (0..KEYS).map(|key| Path::from(format!("{PROBE}/{probe}-{key}"))).collect();
        let raced = stream::iter(paths.clone())
            .map(|path| race(Arc::clone(&store), path))
            .buffer_unordered(KEYS_AT_ONCE)
            .try_for_each(|()| std::future::ready(Ok(())))
            .await;
        for path in &paths {
            if let Err(error) = store.delete(path).await
                && !matches!(error, Error::NotFound { .. })
            {
                tracing::debug!(%error, %path, "left an object of the probe behind");
            }
        }
        raced
    })
}

/// Races for one object, and looks at what came of it.
async fn race(store: Arc<dyn ObjectStore>, path: Path) -> Result<(), LakeError> {
    let wrong = |what: String| LakeError::UnsafeStore { store: store.to_string(), what };
    let barrier = Arc::new(Barrier::new(WRITERS));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, path, barrier) = (Arc::clone(&store), path.clone(), Arc::clone(&barrier));
        writers.spawn(async move {
            barrier.wait().await;
            created(store.as_ref(), &path, body(writer)).await.map(|won| won.then_some(writer))
        });
    }
    // A panic of a store is no answer of it.
    let answers: Vec<Result<Option<usize>, Error>> = writers.join_all().await;
    let winners: Vec<usize> = answers.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    if winners.len() > 1 {
        return Err(wrong(format!("{} of {WRITERS} writers created the same object", winners.len())));
    }
    let found = match store.get(&path).await {
        Ok(object) => object.bytes().await?,
        Err(Error::NotFound { .. }) => {
            return Err(wrong(format!("an object that {WRITERS} writers tried to create does not exist")));
        }
        Err(error) => return Err(error.into()),
    };
    // No winner: the answer to the one who won was lost inside the store's client, whose retry was then refused.
    let is_kept = match winners.first() {
        Some(winner) => found == body(*winner),
        None => (0..WRITERS).any(|writer| found == body(writer)),
    };
    if !is_kept {
        return Err(wrong("an object does not hold what the writer wrote who created it".into()));
    }
    if created(store.as_ref(), &path, body(WRITERS)).await? {
        return Err(wrong("an object that exists was created again".into()));
    }
    Ok(())
}

fn body(writer: usize) -> Bytes {
    vec![b'a' + writer as u8; OBJECT_BYTES].into()
}

/// Whether a conditional put created the object; not, where it was refused because the object exists.
async fn created(store: &dyn ObjectStore, path: &Path, body: Bytes) -> Result<bool, Error> {
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match store.put_opts(path, body.into(), options).await {
        Ok(_) => Ok(true),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
