//! Listing and reading folders and a store in memory: nothing is left out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use bolus_storage::{ErrorKind, Location, ObjectRef, StorageError, find, list, open_store};
use bolus_study::ReasonCode;
use futures::StreamExt;
use object_store::ObjectStoreExt;

async fn listed(location: &Location) -> (Vec<ObjectRef>, Vec<StorageError>) {
    let (mut objects, mut errors) = (Vec::new(), Vec::new());
    let mut listing = list(location);
    while let Some(found) = listing.next().await {
        match found {
            Ok(object) => objects.push(object),
            Err(error) => errors.push(error),
        }
    }
    objects.sort_by(|a, b| a.uri.cmp(&b.uri));
    (objects, errors)
}

fn at(path: &Path) -> Location {
    Location::from_path(path).unwrap()
}

#[tokio::test]
async fn odd_names_are_listed_and_read() {
    let dir = tempfile::tempdir().unwrap();
    let names: [&[u8]; 12] = [
        b"a b",
        "ü".as_bytes(),
        b"50%",
        b"a%20b",
        b"x#y",
        b"p+q",
        b"[1]",
        b".hidden",
        b"not\xffutf8",
        b"line\nbreak",
        b"q?",
        b"~",
    ];
    for name in names {
        std::fs::write(dir.path().join(OsStr::from_bytes(name)), name).unwrap();
    }
    std::fs::create_dir_all(dir.path().join(".deep/er/")).unwrap();
    std::fs::write(dir.path().join(".deep/er/DICOMDIR"), "x").unwrap();
    let (objects, errors) = listed(&at(dir.path())).await;
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(objects.len(), names.len() + 1);
    for object in &objects {
        let path = object.local_path().unwrap();
        assert_eq!(object.read_all(100).await.unwrap(), std::fs::read(path).unwrap());
        let again = find(&Location::parse(&object.uri).unwrap(), None).await.unwrap();
        assert_eq!((&again.uri, &again.etag), (&object.uri, &object.etag));
    }
}

#[tokio::test]
async fn a_file_is_a_listing_of_one_and_nothing_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("one"), "abc").unwrap();
    assert_eq!(listed(&at(&dir.path().join("one"))).await.0.len(), 1);
    for missing in [at(&dir.path().join("none")), Location::parse("memory://nothing/here").unwrap()] {
        let (objects, errors) = listed(&missing).await;
        assert!(objects.is_empty());
        assert_eq!(errors.iter().map(|error| error.kind).collect::<Vec<_>>(), [ErrorKind::Fatal]);
    }
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    let (objects, errors) = listed(&at(&dir.path().join("empty"))).await;
    assert!(objects.is_empty() && errors.is_empty());
}

#[tokio::test]
async fn links_are_followed_once_and_dead_ends_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let root = dir.path();
    std::fs::create_dir_all(root.join("a/b")).unwrap();
    std::fs::write(root.join("a/b/file"), "1").unwrap();
    std::fs::write(other.path().join("outside"), "22").unwrap();
    symlink(root, root.join("a/b/loop")).unwrap();
    symlink(root.join("a/b"), root.join("0-again")).unwrap();
    symlink(other.path(), root.join("outer")).unwrap();
    symlink(root.join("a/b/file"), root.join("alias")).unwrap();
    // Named itself, a link is as good as what it leads to.
    assert_eq!(listed(&at(&root.join("outer"))).await.0.len(), 1);
    symlink("nowhere", root.join("dead")).unwrap();
    symlink("self", root.join("self")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let (objects, errors) = listed(&at(root)).await;
    let names: Vec<&str> = objects.iter().map(|object| object.uri.rsplit_once('/').unwrap().1).collect();
    assert_eq!(names, ["file", "alias"], "{objects:?}");
    let mut refused: Vec<String> = errors.iter().map(|e| e.uri.rsplit_once('/').unwrap().1.to_owned()).collect();
    refused.sort();
    assert_eq!(refused, ["dead", "outer", "self", "socket"]);
    let outer = errors.iter().find(|error| error.uri.ends_with("outer")).unwrap();
    assert!(outer.to_string().contains("name it as an input of its own"), "{outer}");
    assert!(errors.iter().all(|e| e.kind == ErrorKind::Reject && e.reason().code == ReasonCode::Unreadable));
}

/// Nothing that would wait for a writer, or be read without end, is opened, whatever it is called and however it is named.
#[tokio::test]
async fn pipes_and_devices_are_refused_by_name_and_never_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("slice.dcm");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    symlink("/dev/zero", dir.path().join("study.zip")).unwrap();
    symlink("/dev/tty", dir.path().join("terminal")).unwrap();
    std::fs::write(dir.path().join("good"), "1").unwrap();
    let (objects, errors) = listed(&at(dir.path())).await;
    assert_eq!((objects.len(), errors.len()), (1, 3), "{objects:?} {errors:?}");
    for named in [pipe.as_path(), Path::new("/dev/zero")] {
        let error = find(&at(named), None).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Reject, "{error}");
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }
    // A file that becomes a pipe after it was listed.
    let object = &objects[0];
    let path = object.local_path().unwrap();
    std::fs::remove_file(path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    assert_eq!(object.read_range(0..1).await.unwrap_err().kind, ErrorKind::Reject);
}

/// Deeper than a path can name: what is too deep is refused by name, and what lies above is listed.
#[tokio::test]
async fn folders_may_be_as_deep_as_they_like() {
    let dir = tempfile::tempdir().unwrap();
    // Two halves, each of which a path can name, the one moved below the other.
    let half = |name: &str, depth: usize| {
        let mut folder = dir.path().join(name);
        for _ in 0..depth {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("file"), "1").unwrap();
            folder.push("d".repeat(100));
        }
        folder
    };
    let (upper, _) = (half("upper", 30), half("lower", 30));
    std::fs::rename(dir.path().join("lower"), upper.parent().unwrap().join("lower")).unwrap();
    let (objects, errors) = listed(&at(dir.path())).await;
    assert!(objects.len() > 30 && objects.len() < 60, "{}", objects.len());
    assert!((1..=2).contains(&errors.len()) && errors.iter().all(|e| e.kind == ErrorKind::Reject), "{errors:?}");
}

#[tokio::test]
async fn identity_survives_a_copy_and_sees_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    std::fs::write(&path, "0123456789").unwrap();
    let object = find(&at(&path), None).await.unwrap();
    let copy = dir.path().join("copy");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::File::options().write(true).open(&copy).unwrap().set_modified(object.modified.unwrap()).unwrap();
    assert_eq!(find(&at(&copy), None).await.unwrap().etag, object.etag);

    assert_eq!(object.read_range(2..5).await.unwrap(), "234");
    assert_eq!(object.read_range(8..50).await.unwrap(), "89");
    assert_eq!(object.read_range(50..60).await.unwrap(), "");
    assert_eq!(object.read_range(0..u64::MAX).await.unwrap(), "0123456789");
    let too_large = object.read_all(9).await.unwrap_err();
    assert_eq!((too_large.kind, too_large.code), (ErrorKind::Reject, ReasonCode::TooLarge));

    std::fs::write(&path, "01234567890").unwrap();
    let changed = object.read_range(0..2).await.unwrap_err();
    assert_eq!(changed.kind, ErrorKind::Reject);
    assert_eq!(changed.reason().code, bolus_study::ReasonCode::ChangedWhileReading);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(object.read_range(0..2).await.unwrap_err().kind, ErrorKind::Reject);
}

#[tokio::test]
async fn a_store_lists_the_object_and_the_folder_of_one_name() {
    let opened = open_store(&Location::parse("memory://list").unwrap()).await.unwrap();
    for key in ["a", "a/1 +ü", "a/b/2", "ab", "z"] {
        opened.store.put(&object_store::path::Path::parse(key).unwrap(), key.to_owned().into()).await.unwrap();
    }
    let uris = |text: &'static str| async move {
        let (objects, errors) = listed(&Location::parse(text).unwrap()).await;
        assert!(errors.is_empty(), "{errors:?}");
        objects.into_iter().map(|object| object.uri.replace("memory://list/", "")).collect::<Vec<_>>()
    };
    assert_eq!(uris("memory://list").await, ["a", "a/1 +ü", "a/b/2", "ab", "z"]);
    assert_eq!(uris("memory://list/a").await, ["a", "a/1 +ü", "a/b/2"]);
    assert_eq!(uris("memory://list/a/").await, ["a/1 +ü", "a/b/2"]);
    assert_eq!(uris("memory://list/ab").await, ["ab"]);
    let object = find(&Location::parse("memory://list/a/1 +ü").unwrap(), None).await.unwrap();
    assert_eq!(object.read_range(2..4).await.unwrap(), "1 ");
    opened.store.put(&object_store::path::Path::parse("a/1 +ü").unwrap(), "new".into()).await.unwrap();
    assert_eq!(object.read_range(0..2).await.unwrap_err().kind, ErrorKind::Reject);
}
