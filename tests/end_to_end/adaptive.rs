//! `--adaptive`: a part of the slices, each scored as among all.

use std::path::Path;

use serde_json::Value;

use crate::support::{bolus, chest, data, edited_bundle, label, sql, temp};

/// The light chest bundle with a test so lenient that it stops whatever the network says of these series.
fn adaptive_bundle(to: &Path) {
    edited_bundle(&data().join("../../models/chest-lite"), to, |text| {
        let (before, rest) = text.split_once("[adaptive]").unwrap();
        let after = rest.split_once("\n[").unwrap().1;
        format!("{before}[adaptive]\nfirst = 6\nstep = 3\ncritical = 0.5\nshare = 0.9\n\n[{after}")
    });
}

#[test]
fn an_adaptive_label_is_a_part_of_the_whole_one_with_a_key_of_its_own() {
    let folder = temp();
    let (bundle, lake) = (folder.path().join("chest-lite"), folder.path().join("lake"));
    adaptive_bundle(&bundle);
    let model = ["--model", bundle.to_str().unwrap()];
    let adaptive = [model[0], model[1], "--adaptive"];
    let part = label(&[&data().join("series")], &lake, &adaptive);
    assert_eq!(part.code, 0, "{}", part.stderr);
    let whole = label(&[&data().join("series")], &lake, &model);
    assert_eq!((whole.code, whole.count("series_labelled")), (0, 2), "{}", whole.stderr);
    assert_eq!(whole.count("slices_scored"), whole.count("slices_planned"));
    assert_eq!(part.count("slices_planned"), whole.count("slices_planned"));
    assert!(part.count("slices_scored") * 2 < part.count("slices_planned"), "{}", part.summary());
    assert!(part.count("slices_fetched") < whole.count("slices_fetched"), "{}", part.summary());
    // Both are known now.
    for more in [&adaptive[..], &model[..]] {
        let again = label(&[&data().join("series")], &lake, more);
        assert_eq!((again.count("series_labelled"), again.count("series_skipped")), (0, 2));
    }
    // The same bits as among all slices.
    let scores = |adaptive: bool| {
        let planned = if adaptive { "<" } else { "=" };
        sql(
            &lake,
            &format!(
                "SELECT series_instance_uid AS series, s.z_mm AS z, s.probability AS p FROM (SELECT series_instance_uid,
                 unnest(slices) AS s FROM labels WHERE array_length(slices) {planned} slices_planned)"
            ),
        )
    };
    let (few, all): (Vec<Value>, Vec<Value>) = (scores(true), scores(false));
    assert!(few.len() * 2 < all.len());
    assert!(few.iter().all(|slice| all.contains(slice)), "an adaptive score is none of the whole label's");

    // The same alone, in other batches and on other threads.
    let alone = folder.path().join("alone");
    let more = [&adaptive[..], &["--batch", "1", "--threads", "1"]].concat();
    label(&[&chest()], &alone, &more);
    let query = "SELECT row_key, slices, probability FROM labels WHERE source_uri LIKE '%chest%'";
    let both = sql(&lake, &format!("{query} AND array_length(slices) < slices_planned"));
    assert_eq!(sql(&alone, query), both);
}

#[test]
fn what_was_scored_is_told_and_bundles_that_cannot_are_named() {
    let folder = temp();
    let bundle = folder.path().join("chest-lite");
    adaptive_bundle(&bundle);
    let mut command = bolus();
    command.arg("label").arg(chest()).args(["--device", "cpu", "--adaptive", "--model"]).arg(&bundle);
    let output = command.arg("--lake").arg(folder.path().join("lake")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(" of 70 slices") && text.contains("Adaptive: ") && text.contains(" fetched."), "{text}");

    let mut command = bolus();
    command.arg("label").arg(chest()).args(["--adaptive", "--model"]).arg(data().join("bundles/cheap"));
    let output = command.arg("--lake").arg(folder.path().join("lake")).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("bundle cheap cannot be adaptive") && stderr.contains("min-max"), "{stderr}");
}
