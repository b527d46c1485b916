use bolus_study::{
    Audit, BundleRef, ContentDigest, InstanceFingerprint, LabelRow, Outcome, PredictedClass, Prediction, RowKey,
    SeriesFacts, SeriesUid, SliceScore, SopInstanceUid, StackRef,
};
use image::{Rgb, RgbImage};

use std::path::Path;

use super::*;

const SLICES: usize = 9;

fn row(number: u32, class: PredictedClass) -> LabelRow {
    let series = SeriesUid::new(&format!("1.2.{number}")).unwrap();
    let content = ContentDigest::of(vec![InstanceFingerprint { instance: number.to_string(), etag: String::new() }]);
    let slice = |place: usize| SliceScore {
        z_mm: place as f64 * 12.0 - 700.0,
        sop_instance_uid: SopInstanceUid::new(&format!("1.2.{number}.{place}")).unwrap(),
        probability: place as f32 / SLICES as f32,
    };
    LabelRow {
        key: RowKey::of(series.as_str(), &content, "digest"),
        study_uid: None,
        series_uid: Some(series),
        series_uid_derived: false,
        stack: (number == 2).then(|| StackRef { number: 3, parted_by: "kernel".into() }),
        patient_key: None,
        source_uri: "file:///data/".into(),
        content,
        bundle: BundleRef { name: "some".into(), version: "1.0.0".into(), digest: "digest".into() },
        facts: SeriesFacts::default(),
        body_part: None,
        declared: None,
        outcome: Outcome::Labelled(Prediction {
            class,
            probability: 0.75,
            raw_probability: 0.75,
            audit: Audit::FillsGap,
            slices: (0..SLICES).map(slice).collect(),
            slices_planned: Some(SLICES),
            coverage: None,
            device: "cpu".into(),
            runtime: "none".into(),
        }),
        files: SLICES,
        refused_slices: Vec::new(),
        remarks: Vec::new(),
        seconds: 0.5,
        created_at_us: 0,
        program_version: "0".into(),
        event: None,
        attempts: 1,
    }
}

/// Grey values of a slice of 8 × 8.
fn grey(slice: usize) -> Vec<u8> {
    (0..64).map(|pixel| (pixel * 3 + slice * 7) as u8).collect()
}

fn read(path: &Path) -> RgbImage {
    image::open(path).unwrap().to_rgb8()
}

fn heat<'a>(slices: &'a [HeatSlice<'a>], class: PredictedClass) -> HeatSheet<'a> {
    HeatSheet {
        title: "series 1.2.3".into(),
        finding: "chest   predicted: enhanced (0.750)".into(),
        class,
        plane: [8, 8],
        spacing_mm: [20.0, 25.0],
        patch: [2, 2],
        limit: HeatSheet::limit_of(slices),
        slice_threshold: 0.5,
        slices,
    }
}

fn has(picture: &RgbImage, colour: [u8; 3]) -> bool {
    picture.pixels().any(|pixel| *pixel == Rgb(colour))
}

#[test]
fn a_sheet_shows_its_slices_and_the_class_of_the_series() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sheet.png");
    let greys: Vec<Vec<u8>> = (0..7).map(grey).collect();
    let slices: Vec<GreySlice> =
        greys.iter().zip(0..).map(|(pixels, slice)| GreySlice { slice, pixels, columns: 8 }).collect();
    for (class, colour) in [
        (PredictedClass::Enhanced, [255, 150, 60]),
        (PredictedClass::Native, [90, 175, 255]),
        (PredictedClass::Indeterminate, [200, 200, 120]),
    ] {
        let row = row(1, class);
        write_sheet(&path, &row, row.prediction().unwrap(), &slices, 0.5).unwrap();
        let sheet = read(&path);
        // Five slices of 192 pixels in a line with 12 between them; two lines, the head, and the chart below.
        assert_eq!(sheet.dimensions(), (1032, 78 + 2 * 224 + 120 + 24));
        assert_eq!(sheet.get_pixel(500, 2).0, colour, "{class:?}");
        // The middle of the second slice, whose frame it does not touch: its grey value at row 4, column 4.
        assert_eq!(sheet.get_pixel(12 + 204 + 96, 78 + 96).0, [grey(1)[4 * 8 + 4]; 3]);
    }
}

#[test]
fn an_overview_lists_series_in_the_order_of_their_titles() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.png");
    let mut overview = Overview::default();
    assert!(overview.is_empty());
    let (dark, bright) = ([40; 64], [220; 64]);
    for (number, pixels) in [(2, &bright), (1, &dark)] {
        let row = row(number, PredictedClass::Native);
        let slice = GreySlice { slice: 0, pixels, columns: 8 };
        overview.add(&row, row.prediction().unwrap(), &[slice]);
    }
    overview.save(&path).unwrap();
    let picture = read(&path);
    assert_eq!(picture.dimensions(), (1000, 60 + 2 * 172));
    assert_eq!([56, 228].map(|top| picture.get_pixel(70, top + 34 + 60).0), [[40; 3], [220; 3]]);
}

#[test]
fn heat_is_orange_where_covering_lowers_the_score_and_blue_where_it_raises_it() {
    let folder = tempfile::tempdir().unwrap();
    let (pixels, patch_drops) = (vec![0.4; 64], vec![Some(1.23), None, Some(-0.5)]);
    // Left half for contrast, right half against it.
    let pixel_drops: Vec<f32> = (0..64).map(|pixel| if pixel % 8 < 4 { 1.3 } else { -1.3 }).collect();
    let slice = HeatSlice {
        chosen: "highest",
        z_mm: 3.0,
        probability: 0.9,
        pixels: &pixels,
        patch_drops: &patch_drops,
        pixel_drops: &pixel_drops,
    };
    let slices = [slice, HeatSlice { chosen: "", probability: 0.1, ..slice }];
    let sheet = heat(&slices, PredictedClass::Enhanced);
    assert!((sheet.limit - 1.3).abs() < 1e-6, "the largest effect, rounded up to a tenth");
    let (one, all) = (folder.path().join("slice.png"), folder.path().join("montage.png"));
    sheet.save_slice(&slices[0], &one).unwrap();
    sheet.save_montage(&all).unwrap();
    let one = read(&one);
    // 8 × 8 pixels of 20 × 25 mm in a square of 512: 512 wide, 410 high, once plain and once with the map.
    assert_eq!(one.dimensions(), (3 * 16 + 2 * 512 + 150, 84 + 410 + 22 + 16));
    let [plain, left, right] = [200, 528 + 16 + 100, 528 + 16 + 400].map(|x| one.get_pixel(x, 84 + 200).0);
    assert!(plain[0] == plain[1] && plain[1] == plain[2], "{plain:?}");
    assert!(left[0] > left[2] && right[2] > right[0], "{left:?} {right:?}");
    // The colour of each slice's own score in its caption.
    assert!(has(&read(&all), [255, 150, 60]) && has(&read(&all), [90, 175, 255]));
}

#[test]
fn what_cannot_be_written_is_told_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none/report.png");
    let error = Overview::default().save(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot write {}", path.display()));
    assert!(std::error::Error::source(&error).is_some());
}
