//! Series of several passes: each is a stack with a label and a row of its own.

use std::path::{Path, PathBuf};

use bolus_testkit::SyntheticSeries;
use serde_json::Value;

use crate::support::{Run, bolus, data, label, sql, temp};

const UID: &str = "1.2.826.77";

/// Two passes of one series at the same positions, of other brightness.
fn two_passes(folder: &Path) -> PathBuf {
    let input = folder.join("study");
    for (pass, number) in [(1, 0), (2, 9)] {
        let series = SyntheticSeries { acquisition: Some(pass), ..SyntheticSeries::tiny(UID, number) };
        series.write(&input.join(pass.to_string()));
    }
    input
}

fn label_cheaply(input: &Path, lake: &Path) -> Run {
    let run = label(&[input], lake, &["--model", data().join("bundles/cheap").to_str().unwrap()]);
    run.assert_accounted();
    run
}

fn evaluated(folder: &Path, lake: &Path, truth: &str) -> Value {
    let path = folder.join("truth.csv");
    std::fs::write(&path, truth).unwrap();
    let output = bolus()
        .args(["evaluate", "--json", "-", "--bootstrap", "10", "--truth"])
        .arg(path)
        .arg("--lake")
        .arg(lake)
        .output();
    let output = output.unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn each_pass_has_a_label_and_a_row_of_its_own() {
    let folder = temp();
    let (input, lake) = (two_passes(folder.path()), folder.path().join("lake"));
    let run = label_cheaply(&input, &lake);
    assert_eq!((run.code, run.count("series_labelled"), run.count("files_used")), (0, 2, 16), "{}", run.stderr);
    let mut lines: Vec<(u64, &str)> = run
        .of_type("series")
        .iter()
        .map(|line| (line["stack"].as_u64().unwrap(), line["stack_parted_by"].as_str().unwrap()))
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, [(1, "AcquisitionNumber 1"), (2, "AcquisitionNumber 2")]);
    let rows = sql(
        &lake,
        "SELECT stack, slice_count, files, count(DISTINCT s.sop_instance_uid) AS uids
         FROM (SELECT stack, slice_count, files, unnest(slices) AS s FROM labels) GROUP BY ALL ORDER BY stack",
    );
    let numbers = |row: &Value, names: [&str; 4]| names.map(|name| row[name].as_u64().unwrap());
    let found: Vec<[u64; 4]> = rows.iter().map(|row| numbers(row, ["stack", "slice_count", "files", "uids"])).collect();
    assert_eq!(found, [[1, 8, 8, 8], [2, 8, 8, 8]]);
    // No row has slices of both.
    let mixed = "SELECT count(*) AS n FROM (SELECT stack, unnest(slices) AS s FROM labels) \
                 WHERE s.sop_instance_uid NOT LIKE '1.2.826.77.' || stack || '.%'";
    assert_eq!(sql(&lake, mixed)[0]["n"], 0);
    assert_eq!(sql(&lake, "SELECT count(*) AS n FROM series_labels")[0]["n"], 2);
    let again = label_cheaply(&input, &lake);
    assert_eq!((again.count("series_labelled"), again.count("series_skipped")), (0, 2));
}

#[test]
fn a_pass_that_comes_later_replaces_the_label_of_the_whole() {
    let folder = temp();
    let (input, lake) = (two_passes(folder.path()), folder.path().join("lake"));
    label_cheaply(&input.join("1"), &lake);
    let shown = "SELECT stack FROM series_labels ORDER BY stack";
    assert_eq!(sql(&lake, shown), [serde_json::json!({"stack": null})]);
    assert_eq!(label_cheaply(&input.join("1"), &lake).count("series_skipped"), 1);
    let run = label_cheaply(&input, &lake);
    assert_eq!((run.count("series_labelled"), run.count("series_skipped")), (2, 0));
    assert_eq!(sql(&lake, "SELECT count(*) AS n FROM labels")[0]["n"], 3);
    assert_eq!(sql(&lake, shown), [serde_json::json!({"stack": 1}), serde_json::json!({"stack": 2})]);
    let slices = "SELECT count(DISTINCT row_key) AS n FROM slice_scores";
    assert_eq!(sql(&lake, slices)[0]["n"], 2);
}

#[test]
fn a_truth_names_the_stack() {
    let folder = temp();
    let (input, lake) = (two_passes(folder.path()), folder.path().join("lake"));
    label_cheaply(&input, &lake);
    let both = evaluated(folder.path(), &lake, &format!("series_uid,contrast,stack\n{UID},0,1\n{UID},1,2\n"));
    assert_eq!(both["bundles"][0]["account"]["evaluated"], 2);
}

/// The two passes, the second with the SOP Instance UIDs of the first and nothing of its own in the headers.
fn copied_uids(folder: &Path, described: bool) -> PathBuf {
    let input = folder.join("study");
    for (pass, number) in [("1", 0), ("2", 9)] {
        let series = SyntheticSeries::tiny(UID, number);
        let written = series.write(&input.join(pass));
        for path in written.iter().filter(|_| described) {
            let mut file = dicom_object::open_file(path).unwrap();
            let description = format!("phase {pass}");
            file.put_str(dicom_dictionary_std::tags::SERIES_DESCRIPTION, dicom_core::VR::LO, description);
            file.write_to_file(path).unwrap();
        }
    }
    input
}

#[test]
fn phases_with_copied_uids_are_parted_or_refused_and_never_mixed() {
    let folder = temp();
    let lake = folder.path().join("lake");
    let run = label_cheaply(&copied_uids(folder.path(), false), &lake);
    assert_eq!((run.count("series_labelled"), run.count("series_refused")), (0, 1), "{}", run.stderr);
    assert_eq!(run.of_type("series")[0]["reason_code"], "ambiguous_positions");
    assert_eq!(run.summary()["files_refused"]["ambiguous_positions"], 16);

    let folder = temp();
    let lake = folder.path().join("lake");
    let run = label_cheaply(&copied_uids(folder.path(), true), &lake);
    assert_eq!((run.count("series_labelled"), run.count("files_used")), (2, 16), "{}", run.stderr);
    // Each stack has the probability that it has alone.
    let mut found: Vec<String> = run.of_type("series").iter().map(|line| line["probability"].to_string()).collect();
    let alone = |pass: &str| {
        let run = label_cheaply(&folder.path().join("study").join(pass), &folder.path().join(format!("lake-{pass}")));
        run.of_type("series")[0]["probability"].to_string()
    };
    let mut expected = vec![alone("1"), alone("2")];
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_ne!(found[0], found[1]);
}

#[test]
fn a_series_that_was_sent_twice_is_labelled_once() {
    let folder = temp();
    let (input, lake) = (folder.path().join("study"), folder.path().join("lake"));
    let series = SyntheticSeries::tiny(UID, 9);
    for path in series.write(&input.join("1")) {
        let again = input.join("2").join(path.file_name().unwrap());
        std::fs::create_dir_all(again.parent().unwrap()).unwrap();
        let mut file = dicom_object::open_file(&path).unwrap();
        let uid = file.element(dicom_dictionary_std::tags::SOP_INSTANCE_UID).unwrap().to_str().unwrap();
        let uid = format!("{}.7", uid.trim_end_matches('\0'));
        file.put_str(dicom_dictionary_std::tags::SOP_INSTANCE_UID, dicom_core::VR::UI, uid);
        file.write_to_file(again).unwrap();
    }
    let run = label_cheaply(&input, &lake);
    assert_eq!((run.count("series_labelled"), run.count("files_used")), (1, 8), "{}", run.stderr);
    assert_eq!(run.of_type("series")[0]["stack"], Value::Null);
    assert_eq!(run.summary()["files_refused"]["duplicate_instance"], 8);
}
