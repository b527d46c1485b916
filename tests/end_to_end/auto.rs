//! `--model auto`: each series gets the bundle for its body part.

use std::path::Path;

use bolus_testkit::SyntheticSeries;

use crate::support::{Run, abdomen, bolus, chest, data, edited_bundle, label, sql, temp};

/// Two bundles with the tests' smallest network: `head` for head and neck, `torso` for chest and abdomen.
fn shelf(folder: &Path) {
    let all = "[\"head-neck\", \"chest\", \"abdomen\", \"pelvis\", \"extremity\"]";
    for (name, parts) in [("head", "[\"head-neck\"]"), ("torso", "[\"chest\", \"abdomen\"]")] {
        let edit = |text: String| text.replace("\"cheap\"", &format!("\"{name}\"")).replace(all, parts);
        edited_bundle(&data().join("bundles/cheap"), &folder.join(name), edit);
    }
    std::fs::write(folder.join("default.toml"), "head-neck = \"head\"\nchest = \"torso\"\nabdomen = \"torso\"\n")
        .unwrap();
}

/// A series under each tag, and one of limbs that nothing names.
fn inputs(folder: &Path) {
    for (number, (tag, size)) in
        [("HEAD", 128), ("PELVIS", 128), ("CHESTABDPELVIS", 128), ("", 16)].into_iter().enumerate()
    {
        let name = if tag.is_empty() { "limb" } else { tag };
        let series = SyntheticSeries { body_part: tag, size, ..SyntheticSeries::chest(&format!("1.2.3.{number}"), 12) };
        series.write(&folder.join(name));
    }
}

#[test]
fn series_go_to_the_bundle_of_their_body_part_or_are_refused_by_name() {
    let folder = temp();
    let (models, input, lake) = (folder.path().join("models"), folder.path().join("in"), folder.path().join("lake"));
    shelf(&models);
    inputs(&input);
    let (chest, abdomen, models) = (chest(), abdomen(), models.to_str().unwrap());
    let all = [input.as_path(), &chest, &abdomen];
    let run = label(&all, &lake, &["--models", models]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    run.assert_accounted();
    let told = |name: &str, field: &str| {
        let of_name = |line: &&&serde_json::Value| line["source_uri"].as_str().unwrap().contains(name);
        run.of_type("series").iter().find(of_name).unwrap()[field].as_str().unwrap_or_default().to_owned()
    };
    for (name, bundle) in
        [("HEAD", "head"), ("CHESTABDPELVIS", "torso"), ("chest-noncontrast", "torso"), ("totalsegmentator", "torso")]
    {
        assert_eq!((told(name, "status").as_str(), told(name, "bundle").as_str()), ("labelled", bundle), "{name}");
    }
    for (name, reason) in [
        ("PELVIS", "no bundle covers pelvis (by tag), only head-neck, chest, abdomen"),
        ("limb", "the image does not tell it (of 12 planes: none tells a part)"),
    ] {
        let place = format!("/{name}");
        assert_eq!((told(&place, "status").as_str(), told(&place, "reason_code").as_str()), ("refused", "body_part"));
        assert!(told(&place, "reason").contains(reason), "{}", told(&place, "reason"));
        assert_eq!(told(&place, "bundle"), "auto");
    }
    let parts = sql(&lake, "SELECT body_part, body_part_source FROM series_labels WHERE source_uri LIKE '%totalsegm%'");
    assert_eq!((&parts[0]["body_part"], &parts[0]["body_part_source"]), (&"abdomen".into(), &"image".into()));

    let again = label(&all, &lake, &["--models", models]);
    again.assert_accounted();
    assert_eq!((again.count("series_labelled"), again.count("series_skipped")), (0, 4));
    assert_eq!(again.summary()["files_refused"], run.summary()["files_refused"]);
    assert!(again.summary()["device"].is_null(), "no network was needed");
    assert_eq!(again.count("slices_fetched"), 0);
    assert_eq!(sql(&lake, "SELECT count(*) AS n FROM labels")[0]["n"], 6);

    // What is named labels whatever it covers, and its rows are others.
    let named = label(&[&input.join("HEAD")], &lake, &["--models", models, "--model", "head"]);
    assert_eq!((named.code, named.count("series_skipped")), (0, 1));
    let named = label(&[&input.join("HEAD")], &lake, &["--models", models, "--model", "torso"]);
    assert_eq!((named.code, named.count("series_refused")), (1, 1));
}

#[test]
fn inspect_says_which_bundle_and_why() {
    let folder = temp();
    shelf(&folder.path().join("models"));
    inputs(&folder.path().join("in"));
    let inspect = |json: &[&str]| {
        let mut command = bolus();
        command.arg("inspect").arg(folder.path().join("in")).arg(abdomen()).args(json);
        command.arg("--models").arg(folder.path().join("models")).output().unwrap()
    };
    let run = Run::of(&inspect(&["--json"]));
    let mut found: Vec<(String, String)> = run
        .of_type("series")
        .iter()
        .map(|line| {
            (line["bundle"].as_str().unwrap_or("-").to_owned(), line["bundle_by"].as_str().unwrap_or("-").to_owned())
        })
        .collect();
    found.sort();
    let expected = [("-", "-"), ("-", "-"), ("head", "tag"), ("torso", "image"), ("torso", "tag")];
    assert_eq!(found, expected.map(|(bundle, by)| (bundle.to_owned(), by.to_owned())));
    let text = String::from_utf8(inspect(&[]).stdout).unwrap();
    for word in ["torso (by image)", "head (by tag)", "no: body_part", "no bundle covers pelvis", "16 planes: abdomen"]
    {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
}

#[test]
fn a_damaged_bundle_is_found_before_it_is_needed_and_an_ambiguous_choice_is_told() {
    let folder = temp();
    let models = folder.path().join("models");
    shelf(&models);
    let fails = |what: &str| {
        let mut command = bolus();
        command.arg("label").arg(chest()).arg("--lake").arg(folder.path().join("lake"));
        let output = command.arg("--models").arg(&models).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && stderr.contains(what), "{stderr}");
    };
    std::fs::write(models.join("head/model.onnx"), b"damaged").unwrap();
    fails("sha256");
    std::fs::write(models.join("default.toml"), "chest = \"head\"\n").unwrap();
    fails("sha256");
    std::fs::write(models.join("default.toml"), "head-neck = \"torso\"\n").unwrap();
    fails("head-neck: bundle torso does not cover it");
}
