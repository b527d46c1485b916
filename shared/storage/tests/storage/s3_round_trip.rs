//! S3 against a real server: everything is written below a prefix of this run.

use std::collections::BTreeSet;

use bolus_storage::{
    ArchiveLimits, ErrorKind, Location, OpenedStore, Spool, archive_kind, expand_archive, find, list, open_store,
};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions};

const KEYS: usize = 1205;

async fn put(opened: &OpenedStore, key: &str, bytes: Vec<u8>) {
    opened.store.put(&Path::parse(format!("{}/{key}", opened.prefix)).unwrap(), bytes.into()).await.unwrap();
}

#[tokio::test]
async fn s3_round_trip() {
    let Some(server) = bolus_testkit::servers::s3() else { return };
    if std::env::var("AWS_ENDPOINT_URL").as_deref() != Ok(&server.endpoint) {
        run_again_with_aws_variables(&server);
        return;
    }
    let bucket = &server.bucket;
    let run = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let root = format!("s3://{bucket}/storage-{run}");
    let opened = open_store(&Location::parse(&root).unwrap()).await.unwrap();
    listing_has_every_key(&opened, &root).await;
    ranges_and_changes(&opened, &root).await;
    creation_is_conditional(&opened).await;
    archives_are_fetched(&opened, &root).await;
    let missing = list(&Location::parse(&format!("{root}/none")).unwrap()).next().await.unwrap().unwrap_err();
    assert_eq!(missing.kind, ErrorKind::Fatal);
    let no_bucket = list(&Location::parse("s3://bolus-no-such-bucket/x").unwrap()).next().await.unwrap().unwrap_err();
    assert_eq!(no_bucket.kind, ErrorKind::Fatal, "{no_bucket:?}");
    let written = opened.store.list(Some(&opened.prefix)).map_ok(|meta| meta.location).boxed();
    opened.store.delete_stream(written).try_collect::<Vec<_>>().await.unwrap();
}

/// Runs this test in a process of its own whose AWS variables name the server, as a user's would: a process cannot
/// safely change its own.
fn run_again_with_aws_variables(server: &bolus_testkit::servers::S3) {
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    let thread = std::thread::current();
    again.args(["--exact", thread.name().unwrap(), "--nocapture"]).envs(server.variables());
    let output = again.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&output.stderr));
}

async fn listing_has_every_key(opened: &OpenedStore, root: &str) {
    let odd = ["a b", "ü/ñ", "p+q", "50%", "a%20b", "x#y", "q?", "[1]", ".hidden", "a&b=c", "tilde~'()"];
    let keys: BTreeSet<String> =
        (0..KEYS).map(|n| format!("many/{n:05}")).chain(odd.iter().map(|key| format!("many/{key}"))).collect();
    stream::iter(&keys)
        .for_each_concurrent(16, |key| async move { put(opened, key, key.clone().into_bytes()).await })
        .await;
    let objects: Vec<_> = list(&Location::parse(&format!("{root}/many")).unwrap()).try_collect().await.unwrap();
    let found: BTreeSet<String> = objects.iter().map(|object| object.uri.replace(&format!("{root}/"), "")).collect();
    assert_eq!((objects.len(), found), (keys.len(), keys));
    for object in objects.iter().filter(|object| !object.uri.contains("many/0")) {
        assert!(!object.etag.contains('"'));
        assert_eq!(format!("{root}/{}", String::from_utf8_lossy(&object.read_all(99).await.unwrap())), object.uri);
        assert_eq!(find(&Location::parse(&object.uri).unwrap(), None).await.unwrap().etag, object.etag);
    }
}

async fn ranges_and_changes(opened: &OpenedStore, root: &str) {
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
    put(opened, "range", bytes.clone()).await;
    let object = find(&Location::parse(&format!("{root}/range")).unwrap(), None).await.unwrap();
    assert_eq!(object.read_range(10..20).await.unwrap(), bytes[10..20]);
    assert_eq!(object.read_range(99_990..200_000).await.unwrap(), bytes[99_990..]);
    put(opened, "range", vec![1; 100_000]).await;
    let changed = object.read_range(10..20).await.unwrap_err();
    assert_eq!(changed.kind, ErrorKind::Reject);
    assert_eq!(changed.code, bolus_study::ReasonCode::ChangedWhileReading, "{}", changed.reason());
    put(opened, "empty", Vec::new()).await;
    let empty = find(&Location::parse(&format!("{root}/empty")).unwrap(), None).await.unwrap();
    assert_eq!(empty.read_range(0..10).await.unwrap(), "");
}

async fn creation_is_conditional(opened: &OpenedStore) {
    let store = opened.rooted();
    let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let path = Path::from("create/once");
    store.put_opts(&path, "1".into(), create()).await.unwrap();
    let second = store.put_opts(&path, "2".into(), create()).await.unwrap_err();
    assert!(matches!(second, object_store::Error::AlreadyExists { .. }), "{second:?}");
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "1");
}

async fn archives_are_fetched(opened: &OpenedStore, root: &str) {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o644);
    builder.append_data(&mut header, "a/b", &b"abc"[..]).unwrap();
    put(opened, "study.tar", builder.into_inner().unwrap()).await;
    let archive = find(&Location::parse(&format!("{root}/study.tar")).unwrap(), None).await.unwrap();
    let kind = archive_kind(&archive).await.unwrap().unwrap();
    let spool = Spool::new(None).unwrap();
    let expansion =
        expand_archive(&archive, kind, &spool, &ArchiveLimits::STANDARD, &Default::default()).await.unwrap();
    assert_eq!(expansion.members[0].uri, format!("{root}/study.tar!/a/b"));
    assert_eq!(expansion.members[0].read_all(9).await.unwrap(), "abc");
}
