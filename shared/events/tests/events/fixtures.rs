//! What `parse` makes of each message under `fixtures/`: `fixtures/README.md` names the documents they were written after.

use std::fmt::Write as _;
use std::path::Path;

use bolus_events::{Event, ObjectKey, Parsed, parse};

/// One line a record: all fields that were read, then what was refused.
fn summary(parsed: &Parsed) -> String {
    let mut lines = String::new();
    for event in &parsed.events {
        match event {
            Event::Object(object) => {
                let key = match &object.key {
                    ObjectKey::Exact(key) => format!("{key:?}"),
                    ObjectKey::Ambiguous { encoded, decoded } => format!("{encoded:?} or {decoded:?}"),
                };
                let time = object.time.map(|time| time.to_rfc3339());
                let text = |field: &Option<String>| field.clone().unwrap_or_else(|| "-".to_owned());
                writeln!(
                    lines,
                    "{:?} {} {key} size={:?} etag={} version={} sequencer={} time={}",
                    object.source,
                    object.bucket,
                    object.size,
                    text(&object.etag),
                    text(&object.version_id),
                    text(&object.sequencer),
                    text(&time),
                )
            }
            Event::Study(study) => writeln!(lines, "study {}", study.partition_key()),
            Event::Ignored(ignored) => writeln!(lines, "ignored {} {:?}", ignored.reason.code(), ignored.name),
        }
        .unwrap();
    }
    for error in &parsed.refused {
        writeln!(lines, "refused {}: {error}", error.code()).unwrap();
    }
    lines
}

/// Compares each `NAME.json` with the paragraph `NAME` of `expected.txt`, both ways: no fixture without an expectation,
/// no expectation without a fixture.
#[test]
fn every_fixture_reads_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .collect();
    names.sort();
    let mut found = String::new();
    for name in names {
        let payload = std::fs::read(folder.join(&name).with_extension("json")).unwrap();
        let parsed = parse(&payload).unwrap_or_else(Parsed::from);
        write!(found, "# {name}\n{}\n", summary(&parsed)).unwrap();
    }
    let expected = std::fs::read_to_string(folder.join("expected.txt")).unwrap_or_default();
    assert!(found == expected, "found:\n{found}");
}
