//! Archives, expanded as listing does, under limits that are soon reached.

use std::sync::OnceLock;

use bolus_storage::{ArchiveKind, ArchiveLimits, Location, Spool, expand_archive, find};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const LIMITS: ArchiveLimits = ArchiveLimits {
    member_bytes: 1 << 20,
    total_bytes: 4 << 20,
    members: 1_000,
    ratio: 1_000,
    ratio_free_bytes: 256 << 10,
    ..ArchiveLimits::STANDARD
};

/// A `.zip`.
pub fn zip(data: &[u8]) {
    expand("a.zip", ArchiveKind::Zip, data);
}

/// A `.tar`.
pub fn tar(data: &[u8]) {
    expand("a.tar", ArchiveKind::Tar, data);
}

/// A `.tar.gz`.
pub fn tar_gz(data: &[u8]) {
    expand("a.tar.gz", ArchiveKind::TarGz, data);
}

fn expand(name: &str, kind: ArchiveKind, data: &[u8]) {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.max_blocking_threads(1).enable_all().build().expect("a runtime starts")
    });
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join(name);
    std::fs::write(&path, data).expect("the folder takes a file");
    runtime.block_on(async {
        let spool = Spool::new(Some(&folder.path().join("spool"))).expect("the spool can be made");
        let location = Location::parse(&path.to_string_lossy()).expect("a path is a location");
        let archive = find(&location, None).await.expect("the file is there");
        let expanded = expand_archive(&archive, kind, &spool, &LIMITS, &CancellationToken::new()).await;
        let expanded = expanded.expect("a hostile archive is no error");
        let bytes: u64 = expanded.members.iter().map(|member| member.size).sum();
        assert!(bytes <= LIMITS.total_bytes && expanded.members.len() <= LIMITS.members, "{bytes} bytes");
    });
}
