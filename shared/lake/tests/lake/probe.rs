//! The probe passes sound stores and catches the others.

use std::sync::Arc;

use bolus_lake::{ErrorKind, Lake, LakeError, probe_conditional_put};
use futures::StreamExt;
use object_store::ObjectStore;

use crate::store::{Fault, Faulty};
use crate::support::{local_store, memory_store, memory_url, s3_store};

async fn passes(store: Arc<dyn ObjectStore>) {
    let lake = Lake::open_or_create(&memory_url(), store.clone()).await.unwrap();
    let before = store.list(None).count().await;
    lake.probe().await.unwrap();
    assert_eq!(store.list(None).count().await, before, "the probe left something behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sound_stores_pass() {
    passes(memory_store()).await;
    let folder = tempfile::tempdir().unwrap();
    passes(local_store(&folder)).await;
    let Some(store) = s3_store() else { return };
    passes(store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stores_that_lie_are_caught_and_named() {
    for (fault, words) in
        [(Fault::Unconditional, "8 of 8 writers created"), (Fault::CheckThenWrite, "writers created the same object")]
    {
        let sound = memory_store();
        let error = probe_conditional_put(Faulty::new(sound.clone(), fault, 0)).await.unwrap_err();
        assert!(matches!(error, LakeError::UnsafeStore { .. }), "{fault:?}: {error}");
        assert_eq!(error.kind(), ErrorKind::Fatal);
        let text = error.to_string();
        assert!(text.contains("the store Faulty") && text.contains(words), "{fault:?}: {text}");
        assert_eq!(sound.list(None).count().await, 0, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_probe_left_behind_hinders_no_lake() {
    use object_store::ObjectStoreExt;

    let store = memory_store();
    store.put(&"_bolus_probe/killed-3".into(), "x".into()).await.unwrap();
    Lake::open_or_create(&memory_url(), store).await.unwrap();
}
