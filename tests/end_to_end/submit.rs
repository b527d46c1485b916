//! `bolus submit`: from a bucket to a topic, each study once.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bolus_events::StudyContent;

use crate::kafka::Site;
use crate::support::temp;

/// Keys of `studies` studies with ten objects each, as `patient/study/object`.
fn keys(studies: usize) -> impl Iterator<Item = String> {
    (0..studies).flat_map(|study| (0..10).map(move |n| format!("p{:02}/st{study:04}/{n}.dcm", study % 20)))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_study_is_published_exactly_once() {
    let Some(site) = Site::new("submit-once").await else { return };
    site.put_all(keys(500)).await;
    // No studies: another program's lake, and what says that a folder is complete.
    site.put_all(["p00/st0000/_SUCCESS", "lake/_delta_log/0.json", "lake/part-0.parquet"].map(str::to_owned)).await;
    let state = temp();
    let state = state.path().join("state.json").display().to_string();
    let dry = site.bolus_to_topic(&["submit", &site.url(), "--state", &state, "--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert_eq!(
        (dry.count("objects_listed"), dry.count("studies_found"), dry.count("studies_published")),
        (5003, 500, 0)
    );
    assert_eq!(site.count().await, 0);
    let all = site.bolus_to_topic(&["submit", &site.url(), "--dry-run", "--ignore", "", "--markers", ""]);
    assert_eq!(all.count("studies_found"), 502);

    let run = site.bolus_to_topic(&["submit", &site.url(), "--state", &state]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!((run.count("objects_listed"), run.count("studies_published"), run.count("refused")), (5003, 500, 0));
    assert!(!std::path::Path::new(&state).exists(), "a finished run leaves no state");
    let messages = site.messages().await;
    let prefixes: BTreeSet<String> = messages.iter().map(|message| message.prefix()).collect();
    let expected: BTreeSet<String> =
        keys(500).map(|key| format!("{}/{}", site.prefix, key.rsplit_once('/').unwrap().0)).collect();
    assert_eq!((messages.len(), prefixes), (500, expected));
    for message in &messages {
        assert_eq!(message.key, format!("{}/{}", site.bucket, message.prefix()));
    }

    // By another rule the same objects are other studies.
    let patients = site.bolus_to_topic(&["submit", &site.url(), "--dry-run", "--studies-by", "depth=2"]);
    assert_eq!((patients.count("objects_listed"), patients.count("studies_found")), (5003, 20));
    let nothing = site.bolus_to_topic(&["submit", &format!("{}nowhere/", site.url()), "--dry-run"]);
    assert_eq!(nothing.code, 1);
    assert!(nothing.stderr.contains("no objects by that name"), "{}", nothing.stderr);
    let recent = site.bolus_to_topic(&["submit", &site.url(), "--dry-run", "--since", "2999-01-01T00:00:00Z"]);
    assert_eq!((recent.count("studies_found"), recent.count("studies_too_old")), (500, 500));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_goes_on_and_repeats_nothing() {
    let Some(site) = Site::new("submit-resume").await else { return };
    // Names on which a listing by folders and the order of the keys could part.
    site.put_all(
        keys(120).chain(["a.zip", "p00-x/1", "p00/a.tar", "p00/st0000-/1", "p00/st0000.b/1"].map(str::to_owned)),
    )
    .await;
    let folder = temp();
    let state = folder.path().join("state.json").display().to_string();
    let url = site.url();
    let submit = ["submit", &url, "--state", &state];

    let limited = site.bolus_to_topic(&[&submit[..], &["--limit", "17"]].concat());
    assert_eq!((limited.code, limited.count("studies_published")), (0, 17), "{}", limited.stderr);

    // At 20 a second it cannot be through before it is stopped.
    let mut slow = site.command(&submit);
    slow.args(["--kafka", &site.servers, "--topic", &site.topic, "--json", "--rate", "20"]);
    let child = slow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while site.count().await < 30 {
        assert!(start.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let stopped = crate::support::Run::of(&output);
    assert_eq!(stopped.code, 3, "{}", stopped.stderr);
    assert_eq!(stopped.summary()["stopped"], true);
    assert_eq!(stopped.summary()["state"], state.as_str());
    let sent = site.count().await;
    assert_eq!(sent, 17 + i64::try_from(stopped.count("studies_published")).unwrap());

    let other = site.bolus_to_topic(&["submit", &url, "--state", &state, "--studies-by", "depth=2"]);
    assert_eq!(other.code, 1);
    assert!(other.stderr.contains("--restart"), "{}", other.stderr);

    let rest = site.bolus_to_topic(&submit);
    assert_eq!((rest.code, rest.summary()["resumed"].as_bool()), (0, Some(true)), "{}", rest.stderr);
    let names: Vec<String> = site.messages().await.iter().map(|message| message.key.clone()).collect();
    let once: BTreeSet<&String> = names.iter().collect();
    assert_eq!((names.len(), once.len()), (125, 125));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_loses_nothing() {
    let Some(site) = Site::new("submit-killed").await else { return };
    site.put_all(keys(100)).await;
    let folder = temp();
    let state = folder.path().join("state.json").display().to_string();
    let url = site.url();
    let submit = ["submit", &url, "--state", &state];
    let mut slow = site.command(&submit);
    slow.args(["--kafka", &site.servers, "--topic", &site.topic, "--json", "--rate", "20"]);
    let mut child = slow.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    // The state is written every second, so the kill comes between two writings.
    while site.count().await < 45 || !std::path::Path::new(&state).exists() {
        assert!(start.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    let sent_since = usize::try_from(site.count().await).unwrap() - written["published"].as_u64().unwrap() as usize;
    let rest = site.bolus_to_topic(&submit);
    assert_eq!((rest.code, rest.summary()["resumed"].as_bool()), (0, Some(true)), "{}", rest.stderr);
    let names: Vec<String> = site.messages().await.iter().map(|message| message.key.clone()).collect();
    let once: BTreeSet<&String> = names.iter().collect();
    assert_eq!(once.len(), 100);
    // What was sent since the last writing came twice, and nothing else.
    assert_eq!(names.len(), 100 + sent_since);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_holds_and_archives_are_studies_by_themselves() {
    let Some(site) = Site::new("submit-rate").await else { return };
    site.put_all((0..20).map(|n| format!("in/{n:02}.zip"))).await;
    site.put_all(["in/loose.dcm", "in/deeper/1.dcm"].map(str::to_owned)).await;
    let folder = temp();
    let state = folder.path().join("state.json").display().to_string();
    let run = site.bolus_to_topic(&["submit", &site.url(), "--state", &state, "--rate", "10"]);
    assert_eq!((run.code, run.count("studies_published")), (0, 22), "{}", run.stderr);
    let seconds = run.summary()["elapsed_seconds"].as_f64().unwrap();
    assert!(seconds >= 2.0, "22 studies at 10 a second took {seconds} s");
    let mut alone = BTreeSet::new();
    for message in site.messages().await {
        match message.study().content {
            StudyContent::Objects(objects) => {
                assert_eq!(objects.len(), 1);
                assert!(objects[0].etag.is_some() && objects[0].size == Some(4));
                alone.insert(objects[0].key.clone());
            }
            StudyContent::Prefix(prefix) => assert_eq!(prefix, format!("{}/in/deeper", site.prefix)),
        }
    }
    // The loose object is named: its folder's prefix would name the archives and the other study too.
    assert_eq!(alone.len(), 21);
    assert!(alone.contains(&format!("{}/in/loose.dcm", site.prefix)));

    let wrong =
        site.bolus(&["submit", &site.url(), "--kafka", &site.servers, "--topic", "no-such-topic", "--state", &state]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.stderr.contains("no-such-topic"), "{}", wrong.stderr);
}
