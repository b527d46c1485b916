//! Labels in part against labels of all slices.

use std::sync::Arc;

use bolus_inference::{Adaptive, AdaptiveSpec, Bundle, BundleSet, Decision};
use bolus_ops::CpuPool;
use bolus_preprocess::{Plan, Scale, Spec};
use bolus_storage::{Location, Spool};
use bolus_study::{Orientation, PredictedClass, ReasonCode, SeriesGeometry, Status};
use bolus_testkit::{SyntheticSeries, real_data};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::{Engines, Labeled, Labeler, LabelerOptions, Progress, discover, take_inventory};

/// The tests' smallest bundle with the published slab and an adaptive section.
fn bundle() -> Bundle {
    let mut bundle = Bundle::load(&real_data().join("bundles/cheap")).unwrap();
    bundle.manifest.preprocessing = Spec { scale: Scale::Clip, ..Spec::published_chest() };
    bundle.manifest.adaptive = Some(AdaptiveSpec { first: 8, step: 4, critical: 4.0, share: 0.5 });
    bundle
}

fn plan(spacing_mm: f64, slices: usize) -> Plan {
    let along_normal_mm: Vec<f64> = (0..slices).map(|index| index as f64 * spacing_mm).collect();
    let geometry = SeriesGeometry {
        rows: 64,
        columns: 64,
        pixel_spacing_mm: [4.0, 4.0],
        orientation: Orientation { along_row: [1.0, 0.0, 0.0], along_column: [0.0, 1.0, 0.0] },
        positions_mm: along_normal_mm.iter().map(|z| [0.0, 0.0, *z]).collect(),
        along_normal_mm,
        slice_spacing_mm: Some(spacing_mm),
        slice_thickness_mm: Some(spacing_mm),
        gaps: 0,
        spacing_deviation_mm: 0.0,
        shear_deg: 0.0,
    };
    Plan::new(&bundle().manifest.preprocessing, &geometry).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Scores change along a series in stretches (where a vessel is in the slice and where not), with some noise. An early stop then
    /// never gives the opposite class, and seldom one where all slices give none.
    #[test]
    fn an_early_stop_agrees_with_all_slices(
        stretches in prop::collection::vec((0.0_f32..1.0, 1_usize..30), 1..6),
        noise in prop::collection::vec(-0.05_f32..0.05, 70),
        spacing in 0.6_f64..6.0,
    ) {
        let bundle = bundle();
        let test = Adaptive::of(&bundle).unwrap();
        let plan = plan(spacing, (420.0 / spacing) as usize);
        let count = plan.outputs.len();
        let along = stretches.iter().flat_map(|(score, length)| std::iter::repeat_n(*score, *length)).cycle();
        let scores: Vec<f32> = along.zip(&noise).take(count).map(|(score, noise)| (score + noise).clamp(0.0, 1.0)).collect();
        let order = plan.spread_out();
        let mut scored = 0;
        let part = loop {
            scored = test.next(scored, count).min(count);
            let part: Vec<f32> = order[..scored].iter().map(|place| scores[*place]).collect();
            if test.is_settled(&part, count) {
                break Decision::of(&bundle.manifest, &part, usize::MAX).unwrap();
            }
        };
        let whole = Decision::of(&bundle.manifest, &scores, usize::MAX).unwrap();
        let opposite = part.class != whole.class && whole.class != PredictedClass::Indeterminate;
        prop_assert!(!opposite, "{scored} of {count}: {part:?} against {whole:?}");
    }
}

/// Labels a series of 80 slices of which those at `lost` go away after their headers were read.
async fn label(lost: impl Iterator<Item = usize>, adaptive: bool) -> (Labeled, u64) {
    let folder = tempfile::tempdir().unwrap();
    let files = SyntheticSeries::chest("1.2.3", 80).write(folder.path());
    let (cpu, cancel) = (CpuPool::new(2).unwrap(), CancellationToken::new());
    let progress = Arc::new(Progress::default());
    let input = Location::from_path(folder.path()).unwrap();
    let unit = discover(&[input], &progress, &cancel).await.unwrap().into_units().remove(0);
    let inventory = take_inventory(unit, &Spool::new(None).unwrap(), &cpu, &progress, &cancel).await.unwrap();
    lost.for_each(|index| std::fs::remove_file(&files[index]).unwrap());
    let engines = Engines::skipped(Arc::new(BundleSet::only(bundle())));
    let options = LabelerOptions { adaptive, previews: 3, ..LabelerOptions::default() };
    let labeler = Labeler::new(engines, cpu, options, Arc::clone(&progress)).unwrap();
    let labeled = labeler.label(&inventory, &inventory.series[0]).await.unwrap();
    let key = labeler.keys(&inventory.series[0], &inventory.objects).identity().unwrap().clone();
    let failed = labeled.row.status() == Status::Failed;
    assert_eq!(labeled.row.key, if failed { key.of_failure() } else { key });
    (labeled, progress.slices_fetched.get())
}

#[tokio::test]
async fn a_bad_slice_is_replaced_and_too_many_fail_the_series() {
    // 0.5 everywhere is never settled: all are scored, in rounds, and nothing is fetched twice.
    let (whole, fetched) = label(std::iter::empty(), true).await;
    let prediction = whole.row.prediction().unwrap();
    assert_eq!((prediction.slices.len(), prediction.slices_planned, fetched), (70, Some(70), 70));
    assert!(prediction.slices.windows(2).all(|pair| pair[0].z_mm < pair[1].z_mm));
    assert_eq!(whole.previews.len(), 3);
    let (less, _) = label((8..80).step_by(16), true).await;
    assert_eq!((less.row.status(), less.row.refused_slices[0].1), (Status::Labelled, 4), "{:?}", less.row);
    let (full, _) = label((8..80).step_by(16), false).await;
    assert_ne!(full.row.key, less.row.key);
    assert_eq!(full.row.refused_slices, less.row.refused_slices);
    assert_eq!(full.row.outcome, less.row.outcome);
    let (failed, _) = label((8..80).step_by(3), true).await;
    let reason = failed.row.reason().unwrap();
    assert_eq!((failed.row.status(), reason.code), (Status::Failed, ReasonCode::TooManyRefusedSlices), "{reason}");
}

/// Of a series of which nothing can be decoded for one fault, row and files have one reason.
#[tokio::test]
async fn one_fault_of_all_slices_is_the_fault_of_the_series() {
    for adaptive in [false, true] {
        let (gone, _) = label(0..80, adaptive).await;
        let (code, of_files) = (gone.row.reason().unwrap().code, &gone.refused_files);
        assert_ne!(code, ReasonCode::TooManyRefusedSlices);
        assert_eq!(gone.row.status(), Status::Failed);
        assert!(of_files.len() == 80 && of_files.iter().all(|(_, reason)| reason.code == code), "{of_files:?}");
    }
}
