//! Runs that are stopped or killed leave a lake that reads, and repeating them puts no row there twice.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bolus_testkit::SyntheticSeries;

use crate::support::{Run, abdomen, files_below, label, program, sql, temp};

const SERIES: usize = 60;

/// Writes many small series.
fn many_series(folder: &Path) {
    for index in 0..SERIES {
        SyntheticSeries::chest(&format!("1.2.826.0.1.{}", index + 1), 12)
            .write(&folder.join(format!("series-{index}")));
    }
}

fn start(input: &Path, lake: &Path) -> Child {
    command(input, lake).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn command(input: &Path, lake: &Path) -> Command {
    let mut command = program();
    command.arg("label").arg(input).arg("--lake").arg(lake).args([
        "--json",
        "--bench-skip-inference",
        "--threads",
        "1",
    ]);
    command
}

/// Waits until the lake has a commit with rows, or the child has ended.
fn wait_for_rows(lake: &Path, child: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let first = lake.join("labels/_delta_log/00000000000000000001.json");
    while !first.exists() && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "no commit within a minute");
        std::thread::yield_now();
    }
}

fn assert_once(lake: &Path) {
    let counts = sql(lake, "SELECT count(*) AS n, count(DISTINCT row_key) AS keys FROM labels");
    assert_eq!(counts[0]["n"], counts[0]["keys"]);
}

#[test]
fn kill_9_at_any_moment_loses_nothing_that_a_second_run_does_not_bring() {
    let folder = temp();
    let (input, lake) = (folder.path().join("in"), folder.path().join("lake"));
    many_series(&input);
    for round in 0..6 {
        let mut child = start(&input, &lake);
        if round % 2 == 0 {
            wait_for_rows(&lake, &mut child);
        } else {
            // Moments spread over the run, from its start on; whether it is over by then does not matter.
            std::thread::park_timeout(Duration::from_millis(40 * round));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if lake.join("labels/_delta_log/00000000000000000000.json").exists() {
            assert_once(&lake);
        }
    }
    let last = label(&[&input], &lake, &["--bench-skip-inference"]);
    assert_eq!(last.code, 0, "{}", last.stderr);
    assert_eq!(last.count("series_labelled") + last.count("series_skipped"), SERIES as u64);
    assert_once(&lake);
    assert_eq!(sql(&lake, "SELECT count(*) AS n FROM series_labels")[0]["n"], SERIES);
}

#[test]
fn an_interrupt_commits_what_is_finished_and_ends_cleanly() {
    let folder = temp();
    let (input, lake) = (folder.path().join("in"), folder.path().join("lake"));
    many_series(&input);
    let mut child = command(&input, &lake).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_rows(&lake, &mut child);
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let run = Run::of(&child.wait_with_output().unwrap());
    // The run may have been over before the signal; then it ended with 0, and nothing is left.
    let (stopped, labelled) = (run.summary()["stopped"] == true, run.count("series_labelled"));
    assert!(interrupt.success() || !stopped, "kill said {interrupt:?}");
    assert_eq!((run.code, labelled < SERIES as u64), if stopped { (130, true) } else { (0, false) }, "{}", run.stderr);
    run.assert_accounted();
    assert_once(&lake);
    let rest = label(&[&input], &lake, &["--bench-skip-inference"]);
    assert_eq!(rest.code, 0);
    assert_eq!(sql(&lake, "SELECT count(*) AS n FROM series_labels")[0]["n"], SERIES);
}

#[test]
fn a_series_with_broken_slices_is_labelled_without_them_or_fails_with_the_count() {
    let folder = temp();
    let input = folder.path().join("in");
    let paths = SyntheticSeries::chest("1.2.826.0.2.1", 20).write(&input);
    // Pixel data that ends early: its length in the header is right, the file is not.
    let cut = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(path, &bytes[..bytes.len() - 4000]).unwrap();
    };
    cut(&paths[7]);
    let run = label(&[&input], &folder.path().join("one"), &["--bench-skip-inference"]);
    assert_eq!((run.code, run.count("files_used")), (3, 19));
    assert_eq!(run.summary()["files_refused"]["truncated"], 1);
    run.assert_accounted();
}

#[test]
fn damaged_codestreams_cost_their_slices_and_no_noise() {
    let folder = temp();
    for (index, path) in files_below(&abdomen()).iter().enumerate() {
        let mut bytes = std::fs::read(path).unwrap();
        if index % 7 == 3 {
            // Into the middle of the JPEG 2000 codestream, and its end cut off.
            let middle = bytes.len() / 2;
            bytes[middle..middle + 3000].fill(0xA5);
            bytes.truncate(middle + 20_000);
        }
        std::fs::write(folder.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    let out = temp();
    let run = label(&[folder.path()], &out.path().join("lake"), &[]);
    run.assert_accounted();
    // Three of the twenty were damaged, and they alone are refused.
    assert_eq!((run.code, run.count("files_used")), (3, 17), "{}", run.summary());
    assert_eq!(run.count("series_labelled"), 1, "{}", run.summary());
    assert_eq!(run.of_type("series")[0]["predicted_class"], "enhanced");
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}
