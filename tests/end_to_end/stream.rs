//! Inputs of any size go by as a stream: what is far apart is one series all the same, and a run that is stopped tells what it did.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bolus_testkit::SyntheticSeries;

use crate::support::{Run, bolus, data, label, sql, temp};

const UID: &str = "1.2.826.88";
/// Series of a run that is interrupted: more than it can label before that.
const SERIES: usize = 1_500;
/// More files than may lie between two of one study for both to be seen before either is labelled.
const MANY: usize = 1_200;

fn cheap() -> String {
    data().join("bundles/cheap").display().to_string()
}

/// A series in two folders, with many files of none between them; the folders in the order in which they are named.
fn far_apart(root: &Path) -> [PathBuf; 3] {
    let [first, between, last] = ["first", "between", "last"].map(|name| root.join(name));
    let paths = SyntheticSeries::tiny(UID, 3).write(&first);
    [&between, &last].iter().for_each(|folder| std::fs::create_dir_all(folder).unwrap());
    for path in &paths[4..] {
        std::fs::rename(path, last.join(path.file_name().unwrap())).unwrap();
    }
    std::fs::write(between.join("0"), b"no image").unwrap();
    (1..MANY).for_each(|n| std::fs::hard_link(between.join("0"), between.join(n.to_string())).unwrap());
    [first, between, last]
}

#[test]
fn a_series_that_goes_on_far_away_ends_as_one_row_of_all_its_files() {
    let folder = temp();
    let inputs = far_apart(folder.path());
    let inputs = inputs.each_ref().map(PathBuf::as_path);
    let (lake, model) = (folder.path().join("lake"), cheap());
    let run = label(&inputs, &lake, &["--model", &model]);
    run.assert_accounted();
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert_eq!((run.count("files_seen"), run.count("files_used")), (MANY as u64 + 8, 8), "{}", run.summary());
    assert_eq!((run.count("series_labelled"), run.count("series_refused")), (1, 0), "{}", run.summary());
    assert_eq!(run.summary()["files_refused"]["not_dicom"], MANY);
    // What was labelled before the rest was known is told, and then the whole.
    let lines = run.of_type("series");
    assert_eq!(lines.iter().map(|line| line["slices"].as_u64().unwrap()).collect::<Vec<_>>(), [4, 8]);
    let shown = sql(&lake, "SELECT files, slice_count FROM series_labels");
    assert_eq!(shown, [serde_json::json!({"files": 8, "slice_count": 8})]);

    // All at once, in one folder, it is the same label.
    let together = folder.path().join("together");
    SyntheticSeries::tiny(UID, 3).write(&together);
    let whole = label(&[&together], &folder.path().join("other"), &["--model", &model]);
    assert_eq!(whole.of_type("series")[0]["probability"], lines[1]["probability"]);

    let again = label(&inputs, &lake, &["--model", &model]);
    assert_eq!((again.count("series_labelled"), again.count("series_skipped")), (0, 1), "{}", again.summary());
    assert_eq!(again.summary()["files_refused"], run.summary()["files_refused"]);
    assert_eq!(again.count("files_used"), 8);
}

#[test]
fn the_table_has_one_line_of_a_series_that_goes_on_far_away() {
    let folder = temp();
    let inputs = far_apart(folder.path());
    let output = bolus()
        .arg("label")
        .args(&inputs)
        .arg("--lake")
        .arg(folder.path().join("lake"))
        .args(["--device", "cpu", "--model", &cheap()])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches(&UID[UID.len() - 6..]).count(), 1, "{text}");
    assert!(text.contains("1 series labelled"), "{text}");
}

/// Archives are parts of the stream, too: each is a study of its own, wherever it lies.
#[test]
fn loose_files_and_archives_are_labelled_side_by_side() {
    let folder = temp();
    let input = folder.path().join("in");
    for number in 0..4 {
        let series = SyntheticSeries::tiny(&format!("{UID}.{number}"), number);
        let place = input.join(format!("study-{number}"));
        if number % 2 == 0 {
            series.write(&place);
            continue;
        }
        std::fs::create_dir_all(&input).unwrap();
        let mut archive = tar::Builder::new(std::fs::File::create(place.with_extension("tar")).unwrap());
        for index in 0..series.slices {
            let bytes = series.file(index);
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            header.set_cksum();
            archive.append_data(&mut header, format!("{index}.dcm"), bytes.as_slice()).unwrap();
        }
        archive.finish().unwrap();
    }
    let lake = folder.path().join("lake");
    let run = label(&[&input], &lake, &["--model", &cheap()]);
    run.assert_accounted();
    assert_eq!((run.code, run.count("series_labelled"), run.count("files_used")), (0, 4, 32), "{}", run.stderr);
    let again = label(&[&input], &lake, &["--model", &cheap()]);
    assert_eq!((again.code, again.count("series_skipped")), (0, 4), "{}", again.stderr);
}

/// Starts a run over many series, interrupts it after its first row, and gives what it printed after that line, its standard error and its status.
fn interrupted(folder: &Path, more: &[&str]) -> (String, String, Option<i32>) {
    let input = folder.join("in");
    for number in 0..SERIES {
        SyntheticSeries::tiny(&format!("{UID}.{number}"), number).write(&input.join(number.to_string()));
    }
    let mut child = bolus()
        .arg("label")
        .arg(&input)
        .arg("--lake")
        .arg(folder.join("lake"))
        .args(["--device", "cpu", "--threads", "1", "--batch", "1", "--model", &cheap(), "--log", "info"])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut errors = String::new();
    // The network computes by then, and goes on.
    while !errors.contains("committed") && log.read_line(&mut errors).unwrap() > 0 {}
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    log.read_to_string(&mut errors).unwrap();
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), errors, output.status.code())
}

fn assert_ended_cleanly(errors: &str) {
    for trouble in ["panicked", "terminate", "error:", "Exception", "Aborted"] {
        assert!(!errors.contains(trouble), "{errors}");
    }
}

#[test]
fn an_interrupted_run_tells_what_it_did() {
    let folder = temp();
    let (printed, errors, status) = interrupted(folder.path(), &[]);
    assert_eq!(status, Some(130), "{errors}");
    assert_ended_cleanly(&errors);
    let lake = folder.path().join("lake");
    let labelled = sql(&lake, "SELECT count(*) AS n FROM series_labels")[0]["n"].as_u64().unwrap();
    assert!((1..SERIES as u64).contains(&labelled), "{labelled}");
    assert!(printed.contains(&format!("{labelled} series labelled")), "{printed}");
    assert!(printed.contains("Stopped on request"), "{printed}");
    assert_eq!(printed.lines().filter(|line| line.contains('…')).count() as u64, labelled, "{printed}");
    let rest = label(&[&folder.path().join("in")], &lake, &["--model", &cheap()]);
    assert_eq!((rest.count("series_labelled"), rest.count("series_skipped")), (SERIES as u64 - labelled, labelled));
    assert_eq!(sql(&lake, "SELECT count(*) AS n FROM labels")[0]["n"], SERIES);
}

#[test]
fn an_interrupted_run_ends_its_json_with_a_summary() {
    let folder = temp();
    let (printed, errors, status) = interrupted(folder.path(), &["--json"]);
    assert_eq!(status, Some(130), "{errors}");
    assert_ended_cleanly(&errors);
    let lines = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let run = Run { code: 130, lines, stderr: errors };
    run.assert_accounted();
    assert_eq!(run.summary()["stopped"], true);
    assert_eq!(run.of_type("series").len() as u64, run.count("series_labelled"));
}
