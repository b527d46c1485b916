//! Series by series as all at once: the same series of the same files, whatever the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bolus_ct::Series;
use bolus_ops::CpuPool;
use bolus_storage::Spool;
use bolus_study::Reason;
use bolus_testkit::SyntheticSeries;
use proptest::prelude::*;

use super::*;
use crate::inventory::folder_of;
use crate::{Inventory, discover, take_inventory};

/// Nothing here takes longer.
const DEADLINE: Duration = Duration::from_secs(60);

/// A file to be made: of a series, or of none.
#[derive(Debug, Clone)]
struct Made {
    /// Folders, and an archive where it says so.
    place: usize,
    series: usize,
    slice: usize,
}

const PLACES: [&str; 7] = ["", "a", "a/b", "a/b/c", "d", "e/f", "g.zip"];
const SLICES: usize = 3;

fn made() -> impl Strategy<Value = Vec<Made>> {
    let one = (0..PLACES.len(), 0..7_usize, 0..SLICES);
    prop::collection::vec(one.prop_map(|(place, series, slice)| Made { place, series, slice }), 1..40)
}

/// Series 0 is no DICOM; the others are series of studies of their own.
fn bytes_of(made: &Made, files: &[Vec<Vec<u8>>]) -> Vec<u8> {
    files.get(made.series).and_then(|slices| slices.get(made.slice)).cloned().unwrap_or_else(|| b"no image".to_vec())
}

fn write_tree(root: &Path, tree: &[Made], files: &[Vec<Vec<u8>>]) {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut members = 0;
    for (number, made) in tree.iter().enumerate() {
        let name = format!("{number:03}.dcm");
        let bytes = bytes_of(made, files);
        match PLACES[made.place] {
            "g.zip" => {
                archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
                archive.write_all(&bytes).unwrap();
                members += 1;
            }
            folder => {
                std::fs::create_dir_all(root.join(folder)).unwrap();
                std::fs::write(root.join(folder).join(name), bytes).unwrap();
            }
        }
    }
    if members > 0 {
        std::fs::write(root.join("g.zip"), archive.finish().unwrap().into_inner()).unwrap();
    }
}

/// What a series is made of, told by names alone: its files, and those of each stack with what becomes of them.
type Shown = (Vec<String>, Vec<String>);

/// All series of `inventory`, those of one UID together, by where they come from and their UID.
fn show(inventory: &Inventory, shown: &mut BTreeMap<(bool, String), Shown>) {
    let name = |object: &usize| inventory.objects[*object].uri.clone();
    for series in &inventory.series {
        let in_archive = series.objects.iter().any(|object| inventory.objects[*object].uri.contains("!/"));
        let entry = shown.entry((in_archive, series.uid.to_string())).or_default();
        entry.0.extend(series.counted_files().map(|object| name(&object)));
        let slices: Vec<String> = series.slices.iter().map(|slice| name(&slice.object)).collect();
        let refused: Vec<String> =
            series.refused.iter().map(|(object, reason)| format!("{}: {reason}", name(object))).collect();
        let content: Vec<String> = series.content().map(|(object, sop)| format!("{sop} {}", name(&object))).collect();
        entry.1.push(format!("{:?} {slices:?} {refused:?} {content:?} {:?}", series.stack, series.refusal));
    }
    for (files, stacks) in shown.values_mut() {
        files.sort();
        stacks.sort();
    }
}

fn sorted_refusals<'s>(scans: impl Iterator<Item = &'s Inventory>) -> Vec<(String, Reason)> {
    let mut refused: Vec<(String, Reason)> =
        scans.flat_map(|inventory| &inventory.refused).map(|file| (file.uri.clone(), file.reason.clone())).collect();
    refused.sort_by(|(one, _), (other, _)| one.cmp(other));
    refused
}

fn options(spool: &Path) -> FeedOptions {
    FeedOptions {
        excluded: Vec::new(),
        spool: Spool::new(Some(spool)).unwrap(),
        cpu: CpuPool::new(1).unwrap(),
        progress: Arc::default(),
        cancel: CancellationToken::new(),
    }
}

fn inputs(folders: &[&Path]) -> Vec<Location> {
    folders.iter().map(|folder| Location::Local(folder.to_path_buf())).collect()
}

async fn at_once(inputs: &[Location], options: &FeedOptions) -> Vec<Inventory> {
    let mut scans = Vec::new();
    for unit in discover(inputs, &options.progress, &options.cancel).await.unwrap().into_units() {
        let scanned = take_inventory(unit, &options.spool, &options.cpu, &options.progress, &options.cancel).await;
        scans.push(scanned.unwrap());
    }
    scans
}

async fn streamed(inputs: &[Location], options: &FeedOptions, limits: Limits) -> Vec<Part> {
    let mut feed = Feed::with_limits(inputs, options.clone(), limits).await.unwrap();
    let mut parts = Vec::new();
    while let Some(part) = feed.parts.recv().await {
        parts.push(part);
    }
    feed.task.await.unwrap().unwrap();
    parts
}

/// Compares both ways, and gives the number of series that came back.
async fn compare(folders: &[&Path], spool: &Path, limits: Limits) -> usize {
    let (options, inputs) = (options(spool), inputs(folders));
    let whole = at_once(&inputs, &options).await;
    let parts = tokio::time::timeout(DEADLINE, streamed(&inputs, &options, limits)).await.unwrap();
    let came_back = parts.iter().filter(|part| part.came_back).count();
    // What came back replaces what was given before.
    let mut last: Vec<&Part> = Vec::new();
    for part in &parts {
        if part.came_back {
            let before = last.len();
            last.retain(|known| known.id != part.id);
            assert_eq!(last.len() + 1, before, "what comes back was there once");
        } else {
            assert!(part.id.is_none() || last.iter().all(|known| known.id != part.id), "a series is given once");
        }
        last.push(part);
    }
    let (mut expected, mut found) = (BTreeMap::new(), BTreeMap::new());
    whole.iter().for_each(|inventory| show(inventory, &mut expected));
    last.iter().for_each(|part| show(&part.inventory, &mut found));
    assert_eq!(found, expected);
    let refused = sorted_refusals(last.iter().map(|part| &part.inventory));
    assert_eq!(refused, sorted_refusals(whole.iter()));
    let seen = |scans: &mut dyn Iterator<Item = &Inventory>| scans.map(Inventory::files_seen).sum::<usize>();
    assert_eq!(seen(&mut last.iter().map(|part| &part.inventory)), seen(&mut whole.iter()));
    came_back
}

/// The files of five series, and of a sixth that has the UIDs of the fifth and another image: only pixels tell the two apart.
fn series_files() -> Vec<Vec<Vec<u8>>> {
    let series =
        |number: usize| SyntheticSeries { slices: SLICES, ..SyntheticSeries::tiny(&format!("1.2.3.{number}"), number) };
    let copied = SyntheticSeries { vessel_hu: 300, ..series(5) };
    let files = |one: SyntheticSeries| (0..SLICES).map(|slice| one.file(slice)).collect();
    [Vec::new()].into_iter().chain((1..6).map(series).chain([copied]).map(files)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_tree_gives_the_same_series_and_the_same_account_as_all_at_once(
        tree in made(),
        window in prop::sample::select(vec![0, 2, 10, WINDOW]),
        header_bytes in prop::sample::select(vec![0, 8_000, HEADER_BYTES]),
        log_bytes in prop::sample::select(vec![1, LOG_BYTES]),
    ) {
        let (folder, spool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = series_files();
        write_tree(folder.path(), &tree, &files);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(compare(&[folder.path()], spool.path(), Limits { window, header_bytes, log_bytes }));
        // Neither archives nor lists are left on the disk.
        prop_assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
    }
}

/// Writes slice `slice` of a series into `folder`.
fn write_slice(root: &Path, folder: &str, series: usize, slice: usize) {
    let files = series_files();
    std::fs::create_dir_all(root.join(folder)).unwrap();
    std::fs::write(root.join(folder).join(format!("{series}-{slice}.dcm")), &files[series][slice]).unwrap();
}

#[tokio::test]
async fn a_series_that_goes_on_far_away_comes_back_whole() {
    let (folder, spool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (place, slice) in [("a", 0), ("z", 1), ("z", 2)] {
        write_slice(folder.path(), place, 1, slice);
    }
    for slice in 0..3 {
        write_slice(folder.path(), "m", 2, slice);
        write_slice(folder.path(), "m", 4, slice);
    }
    let folders = ["a", "m", "z"].map(|name| folder.path().join(name));
    let folders = folders.each_ref().map(std::path::PathBuf::as_path);
    for header_bytes in [0, HEADER_BYTES] {
        let limits = Limits { window: 0, header_bytes, log_bytes: LOG_BYTES };
        assert_eq!(compare(&folders, spool.path(), limits).await, 1);
        assert_eq!(compare(&folders, spool.path(), Limits { window: WINDOW, ..limits }).await, 0);
    }
}

#[tokio::test]
async fn phases_with_copied_uids_are_told_apart_by_their_pixels() {
    let (folder, spool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for slice in 0..SLICES {
        write_slice(folder.path(), "a", 5, slice);
        write_slice(folder.path(), "b", 6, slice);
    }
    let limits = Limits { window: WINDOW, header_bytes: HEADER_BYTES, log_bytes: LOG_BYTES };
    let parts = streamed(&inputs(&[folder.path()]), &options(spool.path()), limits).await;
    assert_eq!(parts.len(), 1);
    let mixed = |series: &Series| {
        let folders = series.slices.iter().map(|slice| folder_of(&parts[0].inventory.objects[slice.object].uri));
        folders.collect::<BTreeSet<_>>().len() > 1
    };
    let labelled: Vec<&Series> = parts[0].inventory.series.iter().filter(|series| series.refusal.is_none()).collect();
    assert!(!labelled.iter().any(|series| mixed(series)), "two phases in one stack: {labelled:?}");
    assert_eq!(parts[0].inventory.files_seen(), 2 * SLICES);
    // Headers alone take them for copies.
    assert_eq!(compare(&[folder.path()], spool.path(), limits).await, 0);
}

#[tokio::test]
async fn a_listing_that_is_cut_short_gives_no_half_series() {
    let (folder, spool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for slice in 0..3 {
        write_slice(folder.path(), "a", 1, slice);
    }
    let options = options(spool.path());
    let mut feed = Feed::start(&inputs(&[folder.path()]), options.clone()).await.unwrap();
    options.cancel.cancel();
    let outcome = tokio::time::timeout(DEADLINE, feed.task).await.unwrap().unwrap();
    assert!(matches!(outcome, Err(LabelingError::Cancelled)), "{outcome:?}");
    assert!(feed.parts.recv().await.is_none());
}

#[tokio::test]
async fn an_input_that_is_not_there_is_told_before_anything_is_read() {
    let (folder, spool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_slice(folder.path(), "a", 1, 0);
    let options = options(spool.path());
    let inputs = inputs(&[folder.path(), &folder.path().join("nonesuch")]);
    let error = Feed::start(&inputs, options.clone()).await.err().unwrap();
    assert!(matches!(error, LabelingError::Storage(_)), "{error}");
    assert_eq!(options.progress.headers_read.get(), 0);
}
