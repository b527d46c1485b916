//! Which bundle a series goes to, on real slices.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bolus_inference::{AUTO, Bundle, BundleSet};
use bolus_ops::CpuPool;
use bolus_storage::{Location, Spool};
use bolus_study::{BodyPart, ReasonCode, Status};
use bolus_testkit::{SyntheticSeries, real_data};
use tokio_util::sync::CancellationToken;

use crate::{Engines, Inventory, Labeler, LabelerOptions, Progress, Route, Router, Unit, discover, take_inventory};

async fn scanned(path: &Path) -> Inventory {
    let (cpu, progress, cancel) = (CpuPool::new(2).unwrap(), Progress::default(), CancellationToken::new());
    let input = Location::from_path(path).unwrap();
    let unit: Unit = discover(&[input], &progress, &cancel).await.unwrap().into_units().remove(0);
    take_inventory(unit, &Spool::new(None).unwrap(), &cpu, &progress, &cancel).await.unwrap()
}

/// Bundles with the tests' smallest network, one for head and neck, one for chest and abdomen.
fn set() -> (tempfile::TempDir, Arc<BundleSet>) {
    let folder = tempfile::tempdir().unwrap();
    let source = real_data().join("bundles/cheap");
    let manifest = std::fs::read_to_string(source.join(Bundle::MANIFEST)).unwrap();
    let all = "[\"head-neck\", \"chest\", \"abdomen\", \"pelvis\", \"extremity\"]";
    for (name, parts) in [("head", "[\"head-neck\"]"), ("torso", "[\"chest\", \"abdomen\"]")] {
        let own = folder.path().join(name);
        std::fs::create_dir(&own).unwrap();
        for file in ["model.onnx", "reference.u8"] {
            std::fs::copy(source.join(file), own.join(file)).unwrap();
        }
        let text = manifest.replace("\"cheap\"", &format!("\"{name}\"")).replace(all, parts);
        std::fs::write(own.join(Bundle::MANIFEST), text).unwrap();
    }
    let set = BundleSet::find(AUTO, &[folder.path().to_owned()]).unwrap();
    (folder, Arc::new(set))
}

/// Real series and single slices whose headers are not asked, and what they show; a slice at a lung's base alone is undecided.
const SHOWN: [(&str, Option<BodyPart>); 10] = [
    ("series/chest-noncontrast-every10th", Some(BodyPart::Chest)),
    ("series/totalsegmentator-abdomen-contrast", Some(BodyPart::Abdomen)),
    ("transfer-syntaxes/other/693_J2KR.dcm", Some(BodyPart::HeadNeck)),
    ("slices-labelled/noncontrast/A048383-19001231-30.dcm", Some(BodyPart::Chest)),
    ("slices-labelled/contrast/A056642-19010107-111.dcm", Some(BodyPart::Chest)),
    ("slices-labelled/contrast/A002304-19001231-076.dcm", Some(BodyPart::Chest)),
    ("slices-labelled/noncontrast/A027284-19000925-116.dcm", Some(BodyPart::Abdomen)),
    ("slices-labelled/noncontrast/A027284-19001231-131.dcm", Some(BodyPart::Abdomen)),
    ("slices-labelled/contrast/A067967-19001231-270.dcm", None),
    ("slices-labelled/noncontrast/A056642-19001229-053.dcm", None),
];

#[tokio::test]
async fn the_image_tells_the_body_part_of_real_series() {
    let cpu = CpuPool::new(2).unwrap();
    let mut wrong = Vec::new();
    for (name, part) in SHOWN {
        let mut inventory = scanned(&real_data().join(name)).await;
        inventory.series[0].body_part = None;
        let look = crate::look::look(&inventory.series[0], &inventory.objects, &cpu, &Progress::default()).await;
        let sighting = look.sighting.unwrap();
        println!("{name}: {part:?}, by the image {:?}, {}", sighting.parts, sighting.why);
        if sighting.parts != part.into_iter().collect::<Vec<_>>() {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn headers_go_before_the_image_and_what_no_bundle_covers_is_refused_by_name() {
    let (_folder, set) = set();
    let router = Router::new(Arc::clone(&set));
    let (cpu, progress) = (CpuPool::new(2).unwrap(), Progress::default());
    let input = tempfile::tempdir().unwrap();
    for (number, (tag, expected)) in [
        ("CHEST", Ok("torso")),
        ("HEAD", Ok("head")),
        ("NECKCHEST", Ok("head")),
        ("CHESTABDPELVIS", Ok("torso")),
        ("PELVIS", Err("no bundle covers pelvis (by tag), only head-neck, chest, abdomen")),
        ("ABDOMEN", Ok("torso")),
        // A trunk, by the image.
        ("", Ok("torso")),
    ]
    .into_iter()
    .enumerate()
    {
        let path: PathBuf = input.path().join(number.to_string());
        let series = SyntheticSeries { body_part: tag, ..SyntheticSeries::chest(&format!("1.2.{number}"), 12) };
        series.write(&path);
        let inventory = scanned(&path).await;
        let routed = router.route(&inventory.series[0], &inventory.objects, &cpu, &progress).await;
        let name = routed.bundle.as_ref().map(|place| set.bundles()[*place].manifest.name.as_str());
        assert_eq!(name.map_err(|reason| reason.detail.as_str()), expected, "{tag}");
        assert_eq!(router.by_headers(&inventory.series[0]) == Route::ByImage, tag.is_empty());
    }
}

#[tokio::test]
async fn a_row_is_known_under_any_key_that_it_may_have() {
    let (_folder, set) = set();
    let input = tempfile::tempdir().unwrap();
    // No body, so that the image tells nothing; and one that it tells.
    for (name, size) in [("limb", 16), ("trunk", 128)] {
        let series = SyntheticSeries { body_part: "", size, ..SyntheticSeries::chest("1.2.3", 12) };
        series.write(&input.path().join(name));
    }
    for adaptive in [false, true] {
        let labeler = |set: &Arc<BundleSet>| {
            let (engines, cpu) = (Engines::skipped(Arc::clone(set)), CpuPool::new(2).unwrap());
            Labeler::new(engines, cpu, LabelerOptions { adaptive, ..LabelerOptions::default() }, Arc::default())
        };
        if adaptive {
            let error = labeler(&set).err().unwrap();
            assert!(format!("{:?}", error).contains("NotAdaptive"), "{error:?}");
            continue;
        }
        let labeler = labeler(&set).unwrap();
        for (name, status, bundle) in [("limb", Status::Refused, AUTO), ("trunk", Status::Labelled, "torso")] {
            let inventory = scanned(&input.path().join(name)).await;
            let keys = labeler.keys(&inventory.series[0], &inventory.objects);
            // Two bundles and none, each with the two refusals by values.
            assert_eq!(keys.all().count(), 9);
            let labeled = labeler.label(&inventory, &inventory.series[0]).await.unwrap();
            let row = &labeled.row;
            assert_eq!((row.status(), row.bundle.name.as_str()), (status, bundle), "{:?}", row.reason());
            assert_eq!(keys.known(|key| *key == row.key), Some(&row.key));
            assert_eq!(keys.refusal_by_image(&row.key).is_some(), status == Status::Refused);
            assert_eq!(row.reason().is_some(), status == Status::Refused);
            if let Some(reason) = row.reason() {
                assert_eq!(reason.code, ReasonCode::BodyPart);
                assert!(reason.detail.contains("the image does not tell it"), "{reason}");
            }
        }
    }
}
