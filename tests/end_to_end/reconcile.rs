//! `bolus reconcile`: exactly what is missing, late or failed is found and sent.

use std::collections::BTreeMap;
use std::time::Duration;

use bolus_testkit::SyntheticSeries;

use crate::kafka::Site;
use crate::support::{Run, data, temp};

/// Slices of a tiny series.
const SLICES: usize = 8;

async fn put_series(site: &Site, folder: &str, number: usize, slices: std::ops::Range<usize>) {
    let series = SyntheticSeries::tiny(&format!("1.2.826.0.9.{number}"), number);
    for slice in slices {
        site.put(&format!("{folder}/{slice}.dcm"), series.file(slice)).await;
    }
}

/// Stores tell the time of a write in whole seconds: what comes after this is later by their clock too.
async fn next_second() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    tokio::time::sleep(Duration::from_secs(now.as_secs() + 1).saturating_sub(now)).await;
}

/// Each study that is not ok, without the test's own prefix, and its state.
fn states(site: &Site, run: &Run) -> BTreeMap<String, String> {
    let name = |line: &serde_json::Value| {
        line["study"].as_str().unwrap().strip_prefix(&format!("{}/", site.prefix)).unwrap().to_owned()
    };
    run.of_type("study").iter().map(|line| (name(line), line["state"].as_str().unwrap().to_owned())).collect()
}

fn expected(states: &[(&str, &str)]) -> BTreeMap<String, String> {
    states.iter().map(|(study, state)| ((*study).to_owned(), (*state).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_what_is_missing_late_or_gone_is_found() {
    let Some(site) = Site::new("reconcile").await else { return };
    for number in 0..8 {
        put_series(&site, &format!("in/st{number}"), number, 0..SLICES).await;
    }
    // Neighbours in the order of names, and a file that is no image.
    put_series(&site, "in/st3-x", 20, 0..SLICES).await;
    put_series(&site, "in/st3/nested", 21, 0..SLICES).await;
    site.put("in/st4/README.txt", "no image, and long enough to be looked at as one: it is text").await;
    // Another lake, and what says that a folder is complete: no studies, and no slices that were missed.
    site.put("in/other-lake/_delta_log/00000000000000000000.json", "{}").await;
    site.put("in/other-lake/part-0.parquet", "PAR1").await;
    site.put("in/st1/_SUCCESS", "complete").await;
    let folder = temp();
    let lake = folder.path().join("lake").display().to_string();
    let bundles = data().join("bundles").display().to_string();
    let model = ["--model", "cheap", "--models", &bundles];
    let source = format!("{}in/", site.url());
    let label = [&["label", &source, "--lake", &lake, "--json", "--bench-skip-inference"], &model[..]].concat();
    next_second().await;
    let labelled = site.bolus(&label);
    assert_eq!(labelled.count("series_labelled"), 10, "{}", labelled.stderr);

    // Late: a study, a slice, a whole series in a labelled study's folder; gone: a study.
    put_series(&site, "in/late-study", 30, 0..SLICES).await;
    let mut longer = SyntheticSeries::tiny("1.2.826.0.9.5", 5);
    longer.slices = SLICES + 1;
    site.put("in/st5/late.dcm", longer.file(SLICES)).await;
    put_series(&site, "in/st6", 31, 0..SLICES).await;
    for slice in 0..SLICES {
        site.delete(&format!("in/st7/{slice}.dcm")).await;
    }
    let reconcile = ["reconcile", &source, "--lake", &lake, "--json"];
    let run = site.bolus(&reconcile);
    assert_eq!(run.code, 3, "{}", run.stderr);
    let found = [("late-study", "missing"), ("st4", "partial"), ("st5", "stale"), ("st6", "stale")]
        .map(|(study, state)| (format!("in/{study}"), state));
    let found: Vec<(&str, &str)> = found.iter().map(|(study, state)| (study.as_str(), *state)).collect();
    assert_eq!(states(&site, &run), expected(&found));
    assert_eq!((run.summary()["studies"]["ok"].as_u64(), run.count("rows_without_objects")), (Some(6), 1));

    // Headers tell the file that is no image from one that was missed.
    let deep = site.bolus(&[&reconcile[..], &["--deep"], &model].concat());
    let without: Vec<(&str, &str)> = found.iter().filter(|(_, state)| *state != "partial").copied().collect();
    assert_eq!(states(&site, &deep), expected(&without), "{}", deep.stderr);

    let broker = ["--kafka", &site.servers, "--topic", &site.topic];
    let sent = site.bolus(&[&reconcile[..], &["--submit"], &broker].concat());
    assert_eq!((sent.code, sent.count("studies_submitted")), (3, 3), "{}", sent.stderr);
    let mut keys: Vec<String> = site.messages().await.into_iter().map(|message| message.key).collect();
    keys.sort();
    let expected_keys = ["late-study", "st5", "st6"].map(|study| format!("{}/{}/in/{study}", site.bucket, site.prefix));
    assert_eq!(keys, expected_keys);

    // Once they are labelled, nothing is left but what only headers can tell.
    next_second().await;
    site.bolus(&label);
    assert_eq!(states(&site, &site.bolus(&reconcile)), expected(&[("in/st4", "partial")]));
    let settled = site.bolus(&[&reconcile[..], &["--deep"], &model].concat());
    assert_eq!((settled.code, settled.summary()["studies"]["ok"].as_u64()), (0, Some(10)), "{}", settled.stderr);
}
