//! A series is the same in one file as in many, however its frames are stored.
#![allow(clippy::unwrap_used)] // Helpers of tests: a panic is a failed test.

use std::path::Path;
use std::sync::Arc;

use bolus_ops::CpuPool;
use bolus_preprocess::Spec;
use bolus_storage::{Location, Spool};
use bolus_study::ReasonCode;
use bolus_testkit::{Frames, SyntheticSeries};
use tokio_util::sync::CancellationToken;

use bolus_labeling::{Inventory, Prepared, Preparer, Progress, Unprepared, discover, pixel_digest, take_inventory};

const FORMS: [Frames; 5] = [Frames::Native, Frames::Deflated, Frames::Coded, Frames::BasicTable, Frames::ExtendedTable];

async fn scanned(folder: &Path) -> Inventory {
    let (cpu, progress, cancel) = (CpuPool::new(2).unwrap(), Progress::default(), CancellationToken::new());
    let input = Location::from_path(folder).unwrap();
    let unit = discover(&[input], &progress, &cancel).await.unwrap().into_units().remove(0);
    take_inventory(unit, &Spool::new(None).unwrap(), &cpu, &progress, &cancel).await.unwrap()
}

/// The tensor of the one series in `folder`, and the bytes that were read for it.
async fn prepared(folder: &Path) -> (Result<Prepared, Unprepared>, u64) {
    let inventory = scanned(folder).await;
    let (cpu, progress) = (CpuPool::new(2).unwrap(), Arc::new(Progress::default()));
    let preparer = Preparer::new(Spec::published_chest(), None, cpu, Arc::clone(&progress));
    let outcome = preparer.prepare(&inventory, &inventory.series[0]).await;
    (outcome, progress.bytes_read.get())
}

fn written(name: &str, bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), bytes).unwrap();
    folder
}

#[tokio::test]
async fn one_file_gives_the_tensor_of_many() {
    let series = SyntheticSeries { size: 64, pixel_spacing_mm: 5.0, ..SyntheticSeries::chest("1.2.3.4", 60) };
    let many = tempfile::tempdir().unwrap();
    series.write(many.path());
    let expected = prepared(many.path()).await.0.unwrap().tensor;
    for form in FORMS {
        let file = series.enhanced(form);
        let (found, bytes_read) = prepared(written("all.dcm", &file).path()).await;
        assert!(found.unwrap().tensor.data == expected.data, "{form:?}");
        // Coded frames are read once, and their items' headers; deflated ones from the nearest known place.
        let most = if form == Frames::Deflated { 20 } else { 2 } * file.len() as u64;
        assert!(bytes_read <= most + 4096, "{form:?}: {bytes_read} of {}", file.len());
    }
}

#[tokio::test]
async fn pixels_are_digested_frame_by_frame() {
    let series = SyntheticSeries::tiny("1.2.3.5", 1);
    let mut digests = Vec::new();
    for form in FORMS {
        let folder = written("all.dcm", &series.enhanced(form));
        let inventory = scanned(folder.path()).await;
        let (cpu, progress) = (CpuPool::new(2).unwrap(), Progress::default());
        digests.push(pixel_digest(&inventory.objects[0], &cpu, &progress).await.unwrap().1.unwrap());
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
}

#[tokio::test]
async fn a_coded_value_that_is_far_too_long_is_refused_unread() {
    let series = SyntheticSeries::chest("1.2.3.6", 12);
    let folder = tempfile::tempdir().unwrap();
    for index in 0..series.slices {
        let mut file = series.coded_file(index);
        // Behind the frame's item comes another of 200 MB, in a file that has as many bytes and no blocks on disk.
        let delimiter = file.len() - 8;
        file.truncate(delimiter);
        file.extend([0xFE, 0xFF, 0x00, 0xE0]);
        file.extend(200_000_000_u32.to_le_bytes());
        let path = folder.path().join(format!("{index}.dcm"));
        std::fs::write(&path, &file).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(200_000_000 + file.len() as u64).unwrap();
    }
    let (outcome, bytes_read) = prepared(folder.path()).await;
    let refused = outcome.unwrap_err();
    assert!(refused.refused.iter().all(|(_, reason)| reason.code == ReasonCode::TooLarge), "{refused:?}");
    assert!(!refused.refused.is_empty() && bytes_read < 20 << 20, "{bytes_read}");
}

#[tokio::test]
async fn headers_that_outgrow_their_reservation_are_read_again_with_more() {
    let series = SyntheticSeries { size: 16, ..SyntheticSeries::chest("1.2.3.7", 3000) };
    let inventory = scanned(written("all.dcm", &series.enhanced(Frames::Native)).path()).await;
    assert_eq!(inventory.series[0].slices.len(), 3000, "{:?}", inventory.refused);
}
