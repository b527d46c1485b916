//! Decoded pixels against independent decoders, file by file.

use std::collections::HashMap;
use std::path::Path;

use crate::support::{Run, bolus, data, files_below};

/// Runs `bolus inspect --json` over a folder with a manifest and compares every lossless file.
fn compare(folder: &Path) {
    let output = bolus().args(["inspect", "--json"]).arg(folder).output().unwrap();
    let run = Run::of(&output);
    let lines: HashMap<String, &serde_json::Value> =
        run.of_type("file").into_iter().map(|line| (line["path"].as_str().unwrap().to_owned(), line)).collect();
    assert_eq!(lines.len(), files_below(folder).len(), "one line a file");
    let folder = folder.canonicalize().unwrap();
    let mut compared = 0;
    let mut reader = csv::Reader::from_path(folder.join("manifest.csv")).unwrap();
    for row in reader.deserialize::<HashMap<String, String>>() {
        let row = row.unwrap();
        let path = folder.join(&row["path"]);
        let line = lines
            .iter()
            .find(|(name, _)| Path::new(name).canonicalize().is_ok_and(|found| found == path))
            .unwrap_or_else(|| panic!("no line for {}", row["path"]))
            .1;
        let told = line["pixel_sha256"].is_string() != line["refusal"].is_object();
        assert!(told, "either a digest or a refusal: {line}");
        // Where pydicom itself refused, or gave lossy values, there is nothing to compare bit by bit.
        if row["lossy"] != "yes" && !row["pixel_sha256"].is_empty() && line["pixel_sha256"].is_string() {
            assert_eq!(line["pixel_sha256"], row["pixel_sha256"], "{}", row["path"]);
            compared += 1;
        }
        let decodable = row["lossy"] != "yes" && !row["pixel_sha256"].is_empty();
        if decodable && !row["path"].starts_with("derived-broken") && !row["path"].starts_with("odd") {
            assert!(line["pixel_sha256"].is_string(), "{line}");
        }
    }
    println!("{compared} files have the manifest's digests");
    assert!(compared > 80, "only {compared} files compared");
}

#[test]
fn pixel_digests_equal_the_manifest() {
    compare(&data());
    if let Some(more) = bolus_testkit::shared("data") {
        compare(&more);
    }
}

#[test]
fn files_are_named_as_the_input_was_written() {
    let output = bolus().args(["inspect", "--json", "series"]).current_dir(data()).output().unwrap();
    let run = Run::of(&output);
    let name = run.of_type("file")[0]["path"].as_str().unwrap();
    assert!(name.starts_with("series/chest-noncontrast-every10th/"), "{name}");
}

#[test]
fn a_person_sees_series_geometry_and_evidence() {
    let output = bolus().arg("inspect").arg(data().join("series")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for word in [
        "chest-noncontrast-every10th",
        "JPEG 2000",
        "10.00 x 0.78 x 0.78",
        "ContrastBolusAgent",
        "agent-named",
        "2 would be labelled",
    ] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
}
