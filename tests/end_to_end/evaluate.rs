//! `bolus evaluate` and `bolus model calibrate`, on labels of real series and on synthetic ones under a bundle that costs nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use bolus_testkit::SyntheticSeries;
use serde_json::Value;

use crate::support::{Run, abdomen, bolus, chest, data, files_below, label, sql, temp};

/// Synthetic series; those of odd number are called enhanced, which the bundle knows nothing of.
const SERIES: usize = 40;

fn uid(number: usize) -> String {
    format!("1.2.826.{number}")
}

/// Writes the synthetic series and their truth: some without a label, one label without a truth.
fn synthetic(folder: &Path) -> (PathBuf, PathBuf) {
    let input = folder.join("series");
    let mut truth = "series_uid,contrast,patient,body_part,split,site\n".to_owned();
    for number in 0..SERIES {
        SyntheticSeries::tiny(&uid(number), number).write(&input.join(number.to_string()));
        if number > 0 {
            let split = if number % 4 < 2 { "validation" } else { "test" };
            // A site's name is a stranger's text.
            let site = if number % 3 == 0 { "<script>alert(1)</script>" } else { "B" };
            truth += &format!("{},{},p{},,{split},{site}\n", uid(number), number % 2, number / 2);
        }
    }
    truth += "1.2.827.1,1,,,test,\n1.2.827.2,,,,test,\n";
    let path = folder.join("truth.csv");
    std::fs::write(&path, truth).unwrap();
    (input, path)
}

fn cheap() -> PathBuf {
    data().join("bundles/cheap")
}

/// A copy of the cheap bundle under another name.
fn copied(folder: &Path, name: &str) -> PathBuf {
    let copy = folder.join("models").join(name);
    std::fs::create_dir_all(&copy).unwrap();
    for path in files_below(&cheap()) {
        std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    let manifest = std::fs::read_to_string(copy.join("bundle.toml")).unwrap();
    std::fs::write(copy.join("bundle.toml"), manifest.replace("name = \"cheap\"", &format!("name = \"{name}\"")))
        .unwrap();
    copy
}

fn label_with(input: &Path, lake: &Path, model: &Path) -> Run {
    label(&[input], lake, &["--model", model.to_str().unwrap()])
}

fn evaluate(truth: &Path, lake: &Path, more: &[&str]) -> Output {
    bolus().args(["evaluate", "--truth"]).arg(truth).arg("--lake").arg(lake).args(more).output().unwrap()
}

/// The JSON document of an evaluation with few resamples.
fn document(truth: &Path, lake: &Path, more: &[&str]) -> Value {
    let output = evaluate(truth, lake, &[&["--json", "-", "--bootstrap", "100"], more].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The area over all pairs, from the lake's own rows.
fn area_over_pairs(lake: &Path, bundle: &str, chosen: impl Fn(usize) -> bool) -> f64 {
    let query =
        format!("SELECT series_instance_uid AS uid, probability FROM series_labels WHERE bundle_name = '{bundle}'");
    let scores: BTreeMap<usize, f64> = sql(lake, &query)
        .iter()
        .map(|row| {
            (
                row["uid"].as_str().unwrap().rsplit('.').next().unwrap().parse().unwrap(),
                row["probability"].as_f64().unwrap(),
            )
        })
        .filter(|(number, _)| *number > 0 && chosen(*number))
        .collect();
    let of = |odd: usize| scores.iter().filter(move |(number, _)| *number % 2 == odd).map(|(_, score)| *score);
    let wins: f64 =
        of(1).flat_map(|a| of(0).map(move |b| f64::from(u8::from(a > b)) + f64::from(u8::from(a == b)) / 2.0)).sum();
    wins / (of(1).count() * of(0).count()) as f64
}

#[test]
fn synthetic_series_are_judged_as_pairs_say_and_bundles_compared() {
    let folder = temp();
    let (input, truth) = synthetic(folder.path());
    let lake = folder.path().join("lake");
    let other = copied(folder.path(), "cheap-copy");
    assert_eq!(label_with(&input, &lake, &cheap()).code, 0);
    assert_eq!(label_with(&input, &lake, &other).code, 0);
    let found = document(&truth, &lake, &[]);
    assert_eq!((&found["truth"]["series"], &found["truth"]["unknown"]), (&Value::from(SERIES), &Value::from(1)));
    let first = &found["bundles"][0];
    assert_eq!(first["bundle"]["name"], "cheap");
    let close = |found: &Value, expected: f64| {
        let found = found.as_f64().unwrap();
        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
    };
    close(&first["scan"]["auc"]["value"], area_over_pairs(&lake, "cheap", |_| true));
    assert_eq!(first["account"]["evaluated"], SERIES - 1);
    assert_eq!((&first["account"]["absent"], &first["account"]["without_truth"]), (&1.into(), &1.into()));
    assert_eq!(first["slice"]["cases"], 8 * (SERIES - 1));
    let confusion = first["scan"]["confusion"].as_object().unwrap();
    assert_eq!(confusion.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), SERIES as u64 - 1);
    // The same network under two names decides alike.
    let pair = &found["comparisons"][0];
    assert_eq!((&pair["series"], &pair["equal_decisions"]["value"]), (&(SERIES - 1).into(), &1.0.into()));
    assert!(pair["auc"]["p"].is_null() && pair["note"].is_string(), "{pair}");
    // A split, one bundle.
    let test = document(&truth, &lake, &["--split", "test", "--bundle", "cheap@0.1.0"]);
    assert_eq!(test["bundles"].as_array().unwrap().len(), 1);
    close(&test["bundles"][0]["scan"]["auc"]["value"], area_over_pairs(&lake, "cheap", |number| number % 4 >= 2));
    assert_eq!(document(&truth, &lake, &[]), found, "the same rows and seed give the same document");
}

#[test]
fn real_series_get_tables_and_a_report_that_stands_alone() {
    let folder = temp();
    let (lake, sheets) = (folder.path().join("lake"), folder.path().join("sheets"));
    let run = label(&[&chest(), &abdomen()], &lake, &["--sheets", sheets.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let mut truth = "series_uid,contrast,site\n".to_owned();
    for line in run.of_type("series") {
        let enhanced = line["source_uri"].as_str().unwrap().contains("totalsegmentator");
        truth += &format!("{},{},<b>site</b>\n", line["series_instance_uid"].as_str().unwrap(), u8::from(enhanced));
    }
    let path = folder.path().join("truth.csv");
    std::fs::write(&path, truth).unwrap();
    let report = folder.path().join("report");
    let output = evaluate(&path, &lake, &["--html", report.to_str().unwrap(), "--sheets", sheets.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    // One series of a class has no interval, which is said; everything else is there.
    assert_eq!(output.status.code(), Some(3), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for words in [
        "Truth: 2 series, 1 enhanced and 1 native.",
        "fewer than two independent cases",
        "JPEG 2000",
        "Research use only",
    ] {
        assert!(text.contains(words), "{words:?} is missing in\n{text}");
    }
    let page = std::fs::read_to_string(report.join("evaluation.html")).unwrap();
    assert!(page.matches("data:image/png;base64,").count() >= 2, "two contact sheets");
    assert!(page.contains("&lt;b&gt;site&lt;/b&gt;") && !page.contains("<b>site</b>"));
    for outside in ["<script", "http://", "https://", ">NaN", "url(\""] {
        assert!(!page.contains(outside), "{outside} in the report");
    }
}

#[test]
fn what_cannot_be_judged_is_said() {
    let folder = temp();
    let (input, truth) = synthetic(folder.path());
    let lake = folder.path().join("lake");
    assert_eq!(label_with(&input.join("1"), &lake, &cheap()).code, 0);
    let fail = |truth: &Path, more: &[&str]| {
        let output = evaluate(truth, &lake, more);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    };
    let write = |text: &str| {
        let path = folder.path().join("other.csv");
        std::fs::write(&path, text).unwrap();
        path
    };
    let elsewhere = write("series_uid,contrast\n9.9,1\n");
    assert!(fail(&elsewhere, &[]).contains("it has these labels, of other series or bundles: cheap@0.1.0: 1"));
    assert!(fail(&truth, &["--bundle", "nonesuch"]).contains("no label of nonesuch of any of the 40 series"));
    assert!(
        fail(&write("series_uid,contrast\n1.2.826.1,perhaps\n"), &[])
            .contains("line 2, column `contrast`: \"perhaps\"")
    );
    assert!(fail(&truth, &["--split", "train"]).contains(
        "no series of split train: its series are in other \
     splits"
    ));
    // One class only: figures that need both are null.
    let one = document(&write("series_uid,contrast\n1.2.826.1,1\n"), &lake, &[]);
    let scan = &one["bundles"][0]["scan"];
    assert!(
        scan["auc"].is_null()
            && scan["notes"][0].as_str().unwrap().contains(
                "every case is \
     enhanced"
            ),
        "{scan}"
    );
}

#[test]
fn a_bundle_is_calibrated_and_keeps_to_it() {
    let folder = temp();
    let (input, truth) = synthetic(folder.path());
    let lake = folder.path().join("lake");
    let bundle = copied(folder.path(), "cheap-copy");
    assert_eq!(label_with(&input, &lake, &bundle).code, 0);
    // Enhanced are those whose probability is in the upper half, save every ninth: something that can be fitted.
    let rows = sql(&lake, "SELECT series_instance_uid AS uid FROM series_labels ORDER BY raw_probability");
    let mut text = "series_uid,contrast\n".to_owned();
    for (place, row) in rows.iter().enumerate() {
        let enhanced = (place >= SERIES / 2) != (place % 9 == 4);
        text += &format!("{},{}\n", row["uid"].as_str().unwrap(), u8::from(enhanced));
    }
    std::fs::write(&truth, text).unwrap();
    let manifest = || std::fs::read_to_string(bundle.join("bundle.toml")).unwrap();
    let before = manifest();
    let out = folder.path().join("calibrated/cheap-copy");
    let run = |more: &[&str]| {
        let mut command = bolus();
        command.args(["model", "calibrate"]).arg(&bundle).arg("--truth").arg(&truth).arg("--lake").arg(&lake);
        command.args(["--json", "--max-error", "0.4", "--split", "all", "--out"]).arg(&out).args(more).output().unwrap()
    };
    let calibrate = |more: &[&str]| {
        let output = run(more);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let tried = calibrate(&["--dry-run"]);
    // Too few series: told with the figures, and refused.
    let refused = run(&[]);
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{message}");
    assert!(message.contains("50 of each") && message.contains("--force"), "{message}");
    let told: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!((&told["fit"], &told["written"]), (&tried["fit"], &Value::Null));
    assert!(!out.exists());
    let done = calibrate(&["--force"]);
    assert_eq!((&tried["fit"], &done["new_version"]), (&done["fit"], &"0.1.1".into()));
    let loss = |which: &str| done["quality"][which]["log_loss"].as_f64().unwrap();
    assert!(loss("fitted") < loss("raw"), "{}", done["quality"]);
    // The one that was named stays as it was.
    assert_eq!(manifest(), before);
    let written = std::fs::read_to_string(out.join("bundle.toml")).unwrap();
    assert!(written.contains(&format!("fitted_on = {}", done["fitted_on"])), "{written}");
    // The bundle loads, is another one, and labels as the fit says.
    assert_eq!(label_with(&input, &lake, &out).count("series_labelled"), SERIES as u64);
    let [scale, shift] = ["scale", "shift"].map(|name| done["fit"][name].as_f64().unwrap());
    for row in sql(
        &lake,
        "SELECT raw_probability AS raw, probability AS p FROM labels WHERE bundle_version \
     = '0.1.1'",
    ) {
        let (raw, p) = (row["raw"].as_f64().unwrap(), row["p"].as_f64().unwrap());
        let logit = (raw / (1.0 - raw)).ln();
        assert!((1.0 / (1.0 + (-(scale * logit + shift)).exp()) - p).abs() < 1e-5, "{row}");
    }
}
