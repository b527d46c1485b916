//! The whole way from DICOM files to the tensor, against an independent NumPy implementation (`tests/golden`).

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bolus_ops::CpuPool;
use bolus_preprocess::Spec;
use bolus_storage::{Location, Spool};
use tokio_util::sync::CancellationToken;

use crate::{Preparer, Progress, Unit, discover, take_inventory};

/// The promise is 1e-3 in the 0..1 tensor; single precision leaves far less.
const TOLERANCE: f32 = 1e-4;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

async fn check(name: &str) {
    let cpu = CpuPool::new(2).unwrap();
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let input = Location::from_path(&repository().join("tests/data/series").join(name)).unwrap();
    let unit: Unit = discover(&[input], &progress, &cancel).await.unwrap().into_units().remove(0);
    let inventory = take_inventory(unit, &Spool::new(None).unwrap(), &cpu, &progress, &cancel).await.unwrap();
    assert_eq!((inventory.series.len(), inventory.refused.len()), (1, 0));
    let preparer = Preparer::new(Spec::published_chest(), None, cpu, Arc::new(progress));
    let prepared = preparer.prepare(&inventory, &inventory.series[0]).await.unwrap();
    let golden = repository().join("tests/golden");
    let mut bytes = Vec::new();
    let file = std::fs::File::open(golden.join(format!("{name}.u16.gz"))).unwrap();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    assert_eq!(prepared.tensor.data.len() * 2, bytes.len(), "{name}: shape");
    let expected = bytes.as_chunks::<2>().0.iter().map(|pair| f32::from(u16::from_le_bytes(*pair)) / 65535.0);
    let worst = prepared.tensor.data.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("{name}: largest difference {worst}");
    assert!(worst <= TOLERANCE, "{name}: largest difference {worst}");
}

#[tokio::test]
async fn real_series_equal_the_independent_implementation() {
    check("chest-noncontrast-every10th").await;
    check("totalsegmentator-abdomen-contrast").await;
}
