//! Archives as they come, and as they come from an enemy.

use std::io::{Cursor, Write};
use std::path::Path;

use bolus_storage::{
    ArchiveKind, ArchiveLimits, ErrorKind, Expansion, Location, ObjectRef, Spool, archive_kind, expand_archive, find,
};
use bolus_study::ReasonCode;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const SMALL: ArchiveLimits = ArchiveLimits {
    member_bytes: 1 << 20,
    total_bytes: 4 << 20,
    members: 20_000,
    name_bytes: 4 << 20,
    ratio: 100,
    ratio_free_bytes: 64 << 10,
    large_ratio: 100,
    large_bytes: 1 << 20,
};

fn stored() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Stored)
}

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn tar_entry(builder: &mut tar::Builder<Vec<u8>>, name: &[u8], kind: tar::EntryType, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, bytes).unwrap();
}

fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        tar_entry(&mut builder, name.as_bytes(), tar::EntryType::Regular, bytes);
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that do not compress (xorshift).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Replaces every `from` by `to`, of one length.
fn patched(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = (0..=bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

async fn object(folder: &Path, name: &str, bytes: &[u8]) -> ObjectRef {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    find(&Location::from_path(&path).unwrap(), None).await.unwrap()
}

struct Expanded {
    folder: tempfile::TempDir,
    expansion: Expansion,
}

impl Expanded {
    fn short(uri: &str) -> String {
        uri.rsplit_once("!/").map_or("", |(_, name)| name).to_owned()
    }

    fn names(&self) -> Vec<String> {
        self.expansion.members.iter().map(|member| Self::short(&member.uri)).collect()
    }

    /// Member name (empty for the archive) and a part of the reason.
    #[track_caller]
    fn check_refused(&self, expected: &[(&str, &str)]) {
        let refused = &self.expansion.refused;
        assert_eq!(refused.len(), expected.len(), "{refused:?}");
        for ((uri, reason), (name, part)) in refused.iter().zip(expected) {
            assert_eq!(Self::short(uri), *name, "{refused:?}");
            assert_eq!(reason.code, ReasonCode::Archive);
            assert!(reason.detail.contains(part), "{} lacks {part:?}", reason.detail);
        }
    }

    async fn bytes(&self, at: usize) -> Vec<u8> {
        self.expansion.members[at].read_all(1 << 30).await.unwrap().to_vec()
    }
}

async fn expand_within(name: &str, bytes: &[u8], limits: ArchiveLimits) -> Expanded {
    let folder = tempfile::tempdir().unwrap();
    let archive = object(folder.path(), name, bytes).await;
    let kind = archive_kind(&archive).await.unwrap().expect("an archive");
    let spool = Spool::new(Some(&folder.path().join("spool"))).unwrap();
    let expansion = expand_archive(&archive, kind, &spool, &limits, &CancellationToken::new()).await.unwrap();
    Expanded { folder, expansion }
}

async fn expand(name: &str, bytes: &[u8]) -> Expanded {
    expand_within(name, bytes, SMALL).await
}

#[tokio::test]
async fn the_same_members_come_out_of_every_kind() {
    let members: &[(&str, &[u8])] = &[("a/ü 1", b"one"), ("a/2", b""), ("b", &[7; 200_000])];
    let tar = tar_of(members);
    let mut etags = Vec::new();
    for (name, bytes) in [("x.ZIP", zip_of(members)), ("x.tgz", gzip(&tar)), ("x.tar.gz", gzip(&tar)), ("x.tar", tar)] {
        let expanded = expand_within(name, &bytes, ArchiveLimits::STANDARD).await;
        expanded.check_refused(&[]);
        assert_eq!(expanded.names(), ["a/ü 1", "a/2", "b"]);
        for (at, (_, content)) in members.iter().enumerate() {
            assert_eq!(expanded.bytes(at).await, *content);
        }
        let range = expanded.expansion.members[0].read_range(1..99).await.unwrap();
        assert_eq!(&range[..], b"ne");
        etags.push(expanded.expansion.members.iter().map(|member| member.etag.clone()).collect::<Vec<_>>());
    }
    assert!(etags.iter().all(|of_one| *of_one == etags[0]));
    assert_ne!(etags[0][0], etags[0][2]);
}

#[tokio::test]
async fn an_archive_needs_both_name_and_content() {
    let folder = tempfile::tempdir().unwrap();
    let zip = zip_of(&[("a", b"1")]);
    let cases: [(&str, &[u8], Option<ArchiveKind>); 5] = [
        ("a.zip", &zip, Some(ArchiveKind::Zip)),
        ("b.zip", b"not a zip", None),
        ("c.zip", b"", None),
        ("d.dcm", &zip, None),
        ("e.tar", &zip, None),
    ];
    for (name, bytes, expected) in cases {
        let archive = object(folder.path(), name, bytes).await;
        assert_eq!(archive_kind(&archive).await.unwrap(), expected, "{name}");
    }
}

#[tokio::test]
async fn the_spool_is_empty_once_the_members_are_dropped() {
    let Expanded { folder, expansion } = expand("x.zip", &zip_of(&[("a", b"1"), ("b", b"2")])).await;
    let spool = folder.path().join("spool");
    let last = expansion.members[1].clone();
    drop(expansion);
    assert_eq!(last.read_all(10).await.unwrap(), "2");
    drop(last);
    assert_eq!(std::fs::read_dir(spool).unwrap().count(), 0);
}

#[tokio::test]
async fn paths_that_leave_the_archive_are_refused() {
    let names = ["../up", "/abs", "a/../../b", "C:\\w", "good"];
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, b"x" as &[u8])).collect();
    let expected = [("../up", ".."), ("/abs", "absolute"), ("a/../../b", ".."), ("C:\\w", "absolute")];
    for (name, bytes) in [("x.zip", zip_of(&members)), ("x.tar", tar_of(&members))] {
        let expanded = expand(name, &bytes).await;
        assert_eq!(expanded.names(), ["good"]);
        expanded.check_refused(&expected);
    }
}

#[tokio::test]
async fn an_archive_inside_is_refused_whatever_its_name() {
    let inner = zip_of(&[("deep", b"1")]);
    let gz = gzip(b"x");
    let tar = tar_of(&[("deep", b"1")]);
    let members: &[(&str, &[u8])] = &[("a.dcm", &inner), ("b", &gz), ("c", &tar), ("d.zip", b"plain"), ("e", b"ok")];
    let expected = [("a.dcm", "(zip)"), ("b", "(gzip)"), ("c", "(tar)")];
    for (name, bytes) in [("x.zip", zip_of(members)), ("x.tgz", gzip(&tar_of(members)))] {
        let expanded = expand(name, &bytes).await;
        assert_eq!(expanded.names(), ["d.zip", "e"]);
        expanded.check_refused(&expected);
    }
}

#[tokio::test]
async fn links_and_devices_are_refused() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    writer.add_directory("folder/", SimpleFileOptions::default()).unwrap();
    let zip = writer.finish().unwrap().into_inner();
    expand("x.zip", &zip).await.check_refused(&[("link", "link")]);

    let mut builder = tar::Builder::new(Vec::new());
    for kind in [b'1', b'2', b'3', b'4', b'6'] {
        tar_entry(&mut builder, &[b'k', kind], tar::EntryType::new(kind), b"");
    }
    tar_entry(&mut builder, b"folder/", tar::EntryType::Directory, b"");
    tar_entry(&mut builder, b"good\xff", tar::EntryType::Regular, b"1");
    let expanded = expand("x.tar", &builder.into_inner().unwrap()).await;
    assert_eq!(expanded.names(), ["good\u{fffd}"]);
    expanded.check_refused(&[("k1", "link"), ("k2", "link"), ("k3", "'3'"), ("k4", "'4'"), ("k6", "'6'")]);
}

#[tokio::test]
async fn repeated_names_are_all_kept() {
    let zip = patched(zip_of(&[("n1", b"1"), ("n2", b"2"), ("n3", b"3")]), b"n2", b"n1");
    for (name, bytes) in [("x.zip", zip), ("x.tar", tar_of(&[("n1", b"1"), ("n1", b"2"), ("n3", b"3")]))] {
        let expanded = expand(name, &bytes).await;
        expanded.check_refused(&[]);
        assert_eq!(expanded.names(), ["n1", "n1#2", "n3"]);
        assert_eq!(expanded.bytes(1).await, b"2");
    }
}

#[tokio::test]
async fn damaged_and_encrypted_members_are_refused_and_the_others_go_on() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [("first", "AAAAAAAAAA"), ("second", "BBBBBBBBBB"), ("third", "CCCCCCCCCC")] {
        writer.start_file(name, stored()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    let good = writer.finish().unwrap().into_inner();
    let expanded = expand("x.zip", &patched(good.clone(), b"BBBBBBBBBB", b"BBBBXBBBBB")).await;
    assert_eq!(expanded.names(), ["first", "third"]);
    expanded.check_refused(&[("second", "cannot be read")]);

    let mut encrypted = good.clone();
    let header = (0..good.len()).rfind(|&at| good[at..].starts_with(b"PK\x01\x02")).unwrap();
    encrypted[header + 8] |= 1;
    let expanded = expand("x.zip", &encrypted).await;
    assert_eq!(expanded.names(), ["first", "second"]);
    expanded.check_refused(&[("third", "encrypted")]);

    let mut odd_method = good.clone();
    odd_method[header + 10] = 14;
    expand("x.zip", &odd_method).await.check_refused(&[("third", "compression method")]);

    let expanded = expand("x.zip", &good[..good.len() - 30]).await;
    assert!(expanded.names().is_empty());
    expanded.check_refused(&[("", "damaged zip")]);
}

#[tokio::test]
async fn a_cut_stream_keeps_what_came_whole_and_a_corrupt_one_nothing() {
    let noise = noise(100_000);
    let tar = tar_of(&[("a", &noise), ("b", &noise[..99_000]), ("c", b"3")]);
    let whole = gzip(&tar);
    let expanded = expand("x.tgz", &whole[..whole.len() * 3 / 4]).await;
    assert_eq!(expanded.names(), ["a"]);
    expanded.check_refused(&[("b", "cannot be read"), ("", "nothing after entry 2")]);

    let expanded = expand("x.tar", &tar[..150_000]).await;
    assert_eq!(expanded.names(), ["a"]);
    expanded.check_refused(&[("b", "missing"), ("", "damaged tar")]);

    let mut corrupt = whole.clone();
    let checksum = corrupt.len() - 8;
    corrupt[checksum] ^= 1;
    let expanded = expand("x.tgz", &corrupt).await;
    assert!(expanded.names().is_empty());
    assert_eq!(expanded.expansion.refused.len(), 4);

    let padded = [whole, vec![0; 700]].concat();
    assert_eq!(expand("x.tgz", &padded).await.names(), ["a", "b", "c"]);
    let (head, tail) = tar.split_at(70_000);
    assert_eq!(expand("x.tgz", &[gzip(head), gzip(tail)].concat()).await.names(), ["a", "b", "c"]);
}

/// Gives zeros without holding them.
fn deflate_zeros(writer: &mut dyn Write, bytes: u64) {
    let block = vec![0; 1 << 20];
    for _ in 0..bytes >> 20 {
        writer.write_all(&block).unwrap();
    }
}

#[tokio::test]
async fn a_bomb_is_refused_before_it_has_gone_off() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("bomb", SimpleFileOptions::default()).unwrap();
    deflate_zeros(&mut writer, 1 << 30);
    writer.start_file("good", SimpleFileOptions::default()).unwrap();
    writer.write_all(b"1").unwrap();
    let zip = writer.finish().unwrap().into_inner();
    let wide = ArchiveLimits { ratio: 1_000_000, large_ratio: 1_000_000, ..SMALL };
    let expanded = expand_within("x.zip", &zip, ArchiveLimits { total_bytes: 1 << 30, ..wide }).await;
    assert_eq!(expanded.names(), ["good"]);
    expanded.check_refused(&[("bomb", "more than 1048576 bytes")]);
    let steep = ArchiveLimits { member_bytes: 1 << 40, total_bytes: 1 << 40, ..ArchiveLimits::STANDARD };
    let expanded = expand_within("x.zip", &zip, steep).await;
    assert_eq!(expanded.names(), ["good"]);
    expanded.check_refused(&[("bomb", "more than 1000 times")]);

    let mut header = tar::Header::new_gnu();
    header.set_path("bomb").unwrap();
    header.set_size(1 << 30);
    header.set_cksum();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(header.as_bytes()).unwrap();
    deflate_zeros(&mut encoder, 1 << 30);
    let tgz = encoder.finish().unwrap();
    let expanded = expand("x.tgz", &tgz).await;
    assert!(expanded.names().is_empty());
    expanded.check_refused(&[("bomb", "more than 1048576 bytes"), ("", "limit of its ratio")]);
}

#[tokio::test]
async fn long_header_records_do_not_fill_the_memory() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 30);
    header.set_cksum();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&tar_of(&[("a", b"1")])[..1024]).unwrap();
    encoder.write_all(header.as_bytes()).unwrap();
    deflate_zeros(&mut encoder, 1 << 30);
    let limits = ArchiveLimits { ratio: 1 << 20, large_ratio: 1 << 20, ..ArchiveLimits::STANDARD };
    let expanded = expand_within("x.tgz", &encoder.finish().unwrap(), limits).await;
    assert_eq!(expanded.names(), ["a"]);
    expanded.check_refused(&[("", "too long")]);
}

#[tokio::test]
async fn the_archive_as_a_whole_has_limits() {
    let noise = noise(1_000_000);
    let names: Vec<String> = (0..6).map(|n| format!("m{n}")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), noise.as_slice())).collect();
    for (name, bytes) in [("x.zip", zip_of(&members)), ("x.tar", tar_of(&members))] {
        let expanded = expand(name, &bytes).await;
        assert_eq!(expanded.names(), ["m0", "m1", "m2", "m3"]);
        expanded.check_refused(&[("m4", "more than 4194304"), ("", "nothing after entry 5")]);
        let expanded = expand_within(name, &bytes, ArchiveLimits { members: 2, ..SMALL }).await;
        assert_eq!(expanded.names(), ["m0", "m1"]);
        expanded.check_refused(&[("", "more than 2 members")]);
    }
}

/// Names are as many and as long as somebody likes: what they take of memory and of time is bounded.
#[tokio::test]
async fn names_take_little_memory_and_no_time() {
    // Links are refused, so that nothing but names is kept of them.
    let seconds_of = async |count: usize| {
        let mut builder = tar::Builder::new(Vec::new());
        for _ in 0..count {
            tar_entry(&mut builder, b"a", tar::EntryType::Symlink, b"");
        }
        let started = std::time::Instant::now();
        let expanded = expand_within("x.tar", &builder.into_inner().unwrap(), ArchiveLimits::STANDARD).await;
        let seconds = started.elapsed().as_secs_f64();
        let names: std::collections::HashSet<&String> = expanded.expansion.refused.iter().map(|(uri, _)| uri).collect();
        assert!(names.len() == count && names.iter().any(|name| name.ends_with(&format!("!/a#{count}"))));
        seconds
    };
    // The time grows with the number of names, and not with its square: beside each other, since the machine may be busy.
    let (few, many) = (seconds_of(5_000).await, seconds_of(50_000).await);
    assert!(many < 50.0 * few, "{many} s for ten times what took {few} s");

    let long = "n".repeat(4_000);
    let mut builder = tar::Builder::new(Vec::new());
    for _ in 0..500 {
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        builder.append_data(&mut header, &long, &b"1"[..]).unwrap();
    }
    let limits = ArchiveLimits { name_bytes: 1 << 18, ..SMALL };
    let expanded = expand_within("x.tar", &builder.into_inner().unwrap(), limits).await;
    let kept: usize = expanded.expansion.members.iter().map(|member| member.uri.len()).sum();
    assert!(kept < (1 << 18) + 2_000, "{kept}");
    expanded.check_refused(&[("", "names take more than 262144 bytes")]);
}

/// The tar goes wrong before the checksum is reached: the members before are no better for it.
#[tokio::test]
async fn a_changed_stream_gives_no_member_though_the_tar_fails_first() {
    let noise = noise(3_000);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(&tar_of(&[("a", &noise), ("bbbb", b"2")])).unwrap();
    let whole = encoder.finish().unwrap();
    let place = |part: &[u8]| whole.windows(part.len()).position(|window| window == part).unwrap();
    let (content, header) = (place(&noise[..16]), place(b"bbbb"));
    for (places, trusted) in [(&[content, header][..], false), (&[header], false), (&[], true)] {
        let mut changed = whole.clone();
        for at in places {
            changed[*at] ^= 1;
        }
        let expanded = expand("x.tgz", &changed).await;
        assert_eq!(expanded.names(), if trusted { &["a", "bbbb"][..] } else { &[] });
        let told =
            expanded.expansion.refused.iter().any(|(_, reason)| reason.detail.contains("no member can be trusted"));
        assert_ne!(told, trusted, "{:?}", expanded.expansion.refused);
    }
}

/// Some programs write the number of entries modulo 65,536: nothing is lost without a word.
#[tokio::test]
async fn members_beyond_the_count_are_refused_by_name() {
    let zip = zip_of(&[("a", b"1"), ("b", b"2"), ("c", b"3")]);
    let end = zip.len() - 22;
    assert_eq!((&zip[end..end + 4], zip[end + 10]), (&b"PK\x05\x06"[..], 3));
    for (counted, names) in [(2, &["a", "b"][..]), (0, &[])] {
        let mut zip = zip.clone();
        (zip[end + 8], zip[end + 10]) = (counted, counted);
        let expanded = expand("x.zip", &zip).await;
        assert_eq!(expanded.names(), names);
        expanded.check_refused(&[("", "more members than its directory counts")]);
    }
    let empty = expand("x.zip", &zip_of(&[])).await;
    assert!(empty.names().is_empty());
    empty.check_refused(&[]);
}

/// A small archive whose entries all name the same bytes, which would make any number of large members.
#[tokio::test]
async fn overlapping_members_are_refused() {
    let zip = zip_of(&[("m", &noise(100_000))]);
    let last = |mark: &[u8]| zip.windows(4).rposition(|window| window == mark).unwrap();
    let (directory, end) = (last(b"PK\x01\x02"), last(b"PK\x05\x06"));
    let (entries, mut trailer) = (zip[directory..end].repeat(20), zip[end..].to_vec());
    trailer[8..12].copy_from_slice(&[20, 0, 20, 0]);
    trailer[12..16].copy_from_slice(&u32::try_from(entries.len()).unwrap().to_le_bytes());
    let expanded = expand("x.zip", &[&zip[..directory], &entries, &trailer].concat()).await;
    assert_eq!(expanded.names(), ["m", "m#2"]);
    expanded.check_refused(&[("", "members overlap")]);
}

#[tokio::test]
async fn many_members_and_zip64() {
    let names: Vec<String> = (0..10_000).map(|n| format!("d{}/{n}", n % 10)).collect();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for name in &names {
        writer.start_file(name.as_str(), stored().large_file(true)).unwrap();
        writer.write_all(name.as_bytes()).unwrap();
    }
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    let tar = tar_of(&members);
    for (archive, bytes) in [("x.zip", writer.finish().unwrap().into_inner()), ("x.tgz", gzip(&tar))] {
        let expanded = expand_within(archive, &bytes, ArchiveLimits::STANDARD).await;
        assert_eq!(expanded.names(), names);
        assert_eq!(expanded.bytes(9_999).await, names[9_999].as_bytes());
    }
}

#[tokio::test]
async fn an_archive_in_a_store_is_fetched_and_one_that_changed_is_noticed() {
    let noise = noise(20_000_000);
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(Some(folder.path())).unwrap();
    let limits = ArchiveLimits::STANDARD;
    let never = CancellationToken::new();
    let archives = [("zip", zip_of(&[("a", &noise)])), ("tar", tar_of(&[("a", &noise)]))];
    for (ending, bytes) in archives {
        let uri = format!("memory://archives/study.{ending}");
        let location = Location::parse(&uri).unwrap();
        let opened = bolus_storage::open_store(&location).await.unwrap();
        opened.store.put_opts(&opened.prefix, bytes.into(), Default::default()).await.unwrap();
        let archive = find(&location, None).await.unwrap();
        let kind = archive_kind(&archive).await.unwrap().unwrap();
        let expansion = expand_archive(&archive, kind, &spool, &limits, &never).await.unwrap();
        assert_eq!(expansion.members[0].uri, format!("{uri}!/a"));
        assert_eq!(expansion.members[0].read_all(1 << 30).await.unwrap(), noise);
        opened.store.put_opts(&opened.prefix, "new".into(), Default::default()).await.unwrap();
        let error = expand_archive(&archive, kind, &spool, &limits, &never).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Reject);
    }
}

#[tokio::test]
async fn expansion_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("x.zip", zip_of(&[("a", b"1")])), ("x.tar", tar_of(&[("a", b"1")]))] {
        let archive = object(folder.path(), name, &bytes).await;
        let kind = archive_kind(&archive).await.unwrap().unwrap();
        let spool = Spool::new(Some(&folder.path().join("spool"))).unwrap();
        let cancel = CancellationToken::new();
        cancel.cancel();
        let error = expand_archive(&archive, kind, &spool, &SMALL, &cancel).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Retry);
        assert_eq!(std::fs::read_dir(folder.path().join("spool")).unwrap().count(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens to the bytes, nothing panics, and what still comes out under its name is what went in
    /// (zip and gzip hold checksums) or the damage is told.
    #[test]
    fn damage_is_never_silent(
        which in 0..2_usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..=255), 0..4),
        keep in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let members: Vec<(String, Vec<u8>)> =
            (0..5_u8).map(|n| (format!("m{n}"), (0..2000_u32).map(|k| (k.wrapping_mul(2_654_435_761) >> 20) as u8 ^ n).collect())).collect();
        let borrowed: Vec<(&str, &[u8])> = members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let (name, mut bytes) = if which == 0 { ("x.zip", zip_of(&borrowed)) } else { ("x.tgz", gzip(&tar_of(&borrowed))) };
        for (at, flip) in flips { let at = at.index(bytes.len()); bytes[at] ^= flip; }
        if cut { bytes.truncate(keep.index(bytes.len())); }
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let archive = object(folder.path(), name, &bytes).await;
            let Some(kind) = archive_kind(&archive).await.unwrap() else { return };
            let spool = Spool::new(Some(&folder.path().join("spool"))).unwrap();
            let expansion = expand_archive(&archive, kind, &spool, &SMALL, &CancellationToken::new()).await.unwrap();
            let whole = expansion.refused.is_empty();
            let mut contents = Vec::new();
            for member in &expansion.members {
                contents.push(member.read_all(1 << 20).await.unwrap().to_vec());
            }
            // Names of a zip have no checksum, contents have: what is changed is refused, and what is lost leaves a refusal.
            let expected: Vec<&Vec<u8>> = members.iter().map(|(_, bytes)| bytes).collect();
            // The checksum of a gzip stream lies at its end: before a cut nothing tells, and the cut is refused, be it in the data or
            // in the checksum itself.
            let is_cut = |detail: &str| detail.contains("incomplete deflate stream") || detail.contains("unexpected end of file");
            let untold = expansion.refused.iter().any(|(_, reason)| is_cut(&reason.detail));
            let known = contents.iter().all(|found| expected.contains(&found));
            assert!(known || (name == "x.tgz" && untold), "a changed member of {name}, refused: {:?}", expansion.refused);
            assert!(!whole || expected.iter().all(|bytes| contents.contains(bytes)), "{} members", contents.len());
        });
    }
}
