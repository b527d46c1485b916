use std::collections::BTreeMap;

use bolus_study::{PredictedClass, SeriesUid};

use super::*;
use crate::statistics::Figure;

fn truth(text: &str) -> LabelledSet {
    LabelledSet::from_csv("truth.csv", format!("series_uid,contrast,patient,site,split\n{text}").as_bytes()).unwrap()
}

fn scan(uid: &str, probability: f64) -> ScoredSeries {
    let class = match probability {
        p if p > 0.6 => PredictedClass::Enhanced,
        p if p < 0.4 => PredictedClass::Native,
        _ => PredictedClass::Indeterminate,
    };
    ScoredSeries {
        series: SeriesUid::new(uid).unwrap(),
        stack: None,
        row_key: format!("key-{uid}"),
        probability,
        raw_probability: probability,
        class,
        slices: vec![probability as f32; 3],
        slices_planned: None,
        body_part: Some("chest".into()),
        codec: None,
        slice_thickness_mm: Some(1.25),
        source_uri: "file:///data".into(),
    }
}

fn rows(name: &str, scans: Vec<ScoredSeries>) -> BundleRows {
    BundleRows {
        bundle: BundleId { name: name.into(), version: "1".into(), digest: format!("{name}-digest") },
        thresholds: Thresholds { slice: 0.5, scan: None, indeterminate: None },
        scans,
        without_truth: 1,
        unlabelled: BTreeMap::new(),
        ambiguous: BTreeSet::new(),
    }
}

fn evaluated(truth: &LabelledSet, rows: &[BundleRows]) -> Evaluation {
    let options = Options { resampling: Resampling { replicates: 50, seed: 1 }, worst: 2 };
    evaluate(truth, TruthSummary::of(truth, truth, None), rows, &options)
}

/// Nothing in it may be NaN: serde_json writes that as null, which stands for what cannot be had.
fn json(evaluation: &Evaluation) -> serde_json::Value {
    serde_json::to_value(evaluation).unwrap()
}

#[test]
fn a_truth_of_a_series_holds_for_its_stacks_where_they_agree() {
    let text = "series_uid,contrast,stack\n1.1,1,\n1.2,0,1\n1.2,1,2\n1.3,1,\n1.4,0,\n1.4,1,2\n";
    let truth = LabelledSet::from_csv("truth.csv", text.as_bytes()).unwrap();
    let of = |uid: &str, stack: u32, probability: f64| ScoredSeries { stack: Some(stack), ..scan(uid, probability) };
    let scans = vec![
        of("1.1", 2, 0.8),
        of("1.1", 1, 0.9),
        of("1.2", 1, 0.1),
        of("1.2", 2, 0.9),
        of("1.3", 1, 0.9),
        of("1.3", 2, 0.1),
        of("1.4", 1, 0.2),
        of("1.4", 2, 0.7),
        of("1.9", 1, 0.7),
    ];
    let mut bundle = rows("one", scans);
    bundle.settle_stacks(&truth);
    let kept: Vec<(&str, Option<u32>)> = bundle.scans.iter().map(|scan| (scan.series.as_str(), scan.stack)).collect();
    assert_eq!(kept, [("1.1", Some(1)), ("1.2", Some(1)), ("1.2", Some(2)), ("1.4", Some(1)), ("1.4", Some(2))]);
    assert_eq!(bundle.ambiguous.iter().map(SeriesUid::as_str).collect::<Vec<_>>(), ["1.3"]);
    let account = &evaluated(&truth, &[bundle]).bundles[0].account;
    assert_eq!((account.evaluated, account.refused["ambiguous_stacks"], account.absent), (5, 1, 0));
}

#[test]
fn series_are_counted_once_and_what_is_missing_by_its_reason() {
    let truth = truth("1.1,1,p,A,\n1.2,0,p,A,\n1.3,1,,B,\n1.4,0,,B,\n1.5,1,,B,\n1.6,0,,B,\n1.7,0,,B,\n");
    let mut bundle = rows("one", vec![scan("1.1", 0.9), scan("1.2", 0.2), scan("1.3", 0.3), scan("1.4", 0.5)]);
    bundle.unlabelled.insert((SeriesUid::new("1.5").unwrap(), None), ("refused".into(), "spacing".into()));
    bundle.unlabelled.insert((SeriesUid::new("1.6").unwrap(), None), ("failed".into(), "pixel_data".into()));
    bundle.scans[0].slices_planned = Some(6);
    let evaluation = evaluated(&truth, &[bundle]);
    let found = &evaluation.bundles[0];
    assert_eq!((found.account.evaluated, found.account.without_truth, found.account.absent), (4, 1, 1));
    assert_eq!(
        (found.account.refused["spacing"], found.account.failed["pixel_data"], found.account.missing()),
        (1, 1, 3)
    );
    assert_eq!(found.scored_share, Some(ScoredShare { mean: 0.5, series: 1 }));
    assert_eq!((found.scan.cases, found.scan.clusters, found.slice.cases, found.slice.clusters), (4, 4, 12, 3));
    assert_eq!(found.scan.confusion.undecided_native, 1);
    let worst: Vec<&str> = found.worst.iter().map(|worst| worst.series.as_str()).collect();
    assert_eq!(worst, ["1.3", "1.4"]);
    let groups: Vec<(Dimension, &str, usize)> =
        found.subgroups.iter().map(|group| (group.by, group.group.as_str(), group.scan.cases)).collect();
    let expected = [
        (Dimension::BodyPart, "chest", 4),
        (Dimension::Site, "A", 2),
        (Dimension::Site, "B", 2),
        (Dimension::SliceThickness, "0 to 1.5 mm", 4),
    ];
    assert_eq!(groups, expected);
}

#[test]
fn one_class_gives_notes_and_nulls_not_numbers() {
    let evaluation =
        evaluated(&truth("1.1,1,,,\n1.2,1,,,\n"), &[rows("one", vec![scan("1.1", 0.9), scan("1.2", 0.7)])]);
    let found = json(&evaluation);
    let scan = &found["bundles"][0]["scan"];
    assert!(scan["auc"].is_null() && scan["figures"]["auc"].is_null() && scan["wilson"]["specificity"].is_null());
    assert_eq!(scan["figures"]["sensitivity"]["value"], 1.0);
    assert!(scan["notes"][0].as_str().unwrap().contains("every case is enhanced"), "{scan}");
    let empty = evaluated(&truth("1.1,1,,,\n"), &[rows("one", vec![])]);
    assert!(json(&empty)["bundles"][0]["scan"]["notes"][0].as_str().unwrap().contains("there are no cases"));
    assert_eq!(empty.bundles[0].scan.figure(Figure::Brier), None);
}

#[test]
fn bundles_are_compared_on_what_both_labelled() {
    let truth = truth("1.1,1,,,\n1.2,0,,,\n1.3,1,,,\n1.4,0,,,\n1.5,1,,,\n");
    let first = rows("one", vec![scan("1.1", 0.9), scan("1.2", 0.2), scan("1.3", 0.8), scan("1.4", 0.1)]);
    let second =
        rows("two", vec![scan("1.1", 0.9), scan("1.2", 0.7), scan("1.3", 0.65), scan("1.4", 0.1), scan("1.5", 0.9)]);
    let alone = rows("three", vec![scan("1.5", 0.9)]);
    let evaluation = evaluated(&truth, &[first, second, alone]);
    let names: Vec<(&str, &str, usize)> =
        evaluation.comparisons.iter().map(|pair| (pair.first.as_str(), pair.second.as_str(), pair.series)).collect();
    assert_eq!(names, [("one", "two", 4), ("two", "three", 1)]);
    let pair = &evaluation.comparisons[0];
    assert_eq!(pair.equal_decisions.unwrap().hits, 3);
    assert_eq!((pair.only_first_right, pair.only_second_right), (1, 0));
    assert!((pair.auc.unwrap().difference - 0.25).abs() < 1e-12 && (pair.largest_distance - 0.5).abs() < 1e-12);
    assert!(evaluation.comparisons[1].note.as_ref().unwrap().contains("every case is enhanced"));
}

#[test]
fn bundles_of_one_name_are_told_apart() {
    let mut two = rows("same", vec![]);
    two.bundle.version = "2".into();
    let mut other = rows("same", vec![]);
    (other.bundle.version, other.bundle.digest) = ("2".into(), "0123456789".into());
    let labels = labels(&[rows("same", vec![]), two, other, rows("alone", vec![])]);
    assert_eq!(labels, ["same@1", "same@2 same-dig", "same@2 01234567", "alone"]);
}
