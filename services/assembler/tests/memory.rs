//! How much a million open objects cost. Alone in its process, so that the process's memory is theirs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use bolus_assembler::assembly::{Assembly, Heard, Rules};
use bolus_assembler::wire::{Incoming, Kind};

const OBJECTS: usize = 1_000_000;

#[test]
fn a_million_open_objects_take_little_memory() {
    // Slices a study; bytes an object at most. A study of one slice costs what a study costs.
    for (slices, limit) in [(500, 64), (100, 64), (1, 600)] {
        let before = resident_bytes();
        let assembly = filled(slices);
        let bytes = resident_bytes().saturating_sub(before) / OBJECTS;
        println!("{OBJECTS} open objects in studies of {slices}: {bytes} bytes an object");
        assert_eq!(assembly.size().1, OBJECTS);
        assert!(bytes < limit, "{bytes} bytes an object in studies of {slices}");
        // Kept, so that the next round measures its own memory and not what this one gave back.
        std::mem::forget(assembly);
    }
}

fn filled(slices: usize) -> Assembly {
    let mut assembly = Assembly::new(Rules {
        quiet: Duration::from_secs(60),
        deadline: Duration::from_secs(1_800),
        open_objects: usize::MAX,
        open_studies: usize::MAX,
        remember: Duration::from_secs(86_400),
        remember_objects: OBJECTS,
    });
    assembly.assign(0, 1);
    for number in 0..OBJECTS {
        let study = format!("archive/2026/1.2.826.0.1.3680043.10.1700.{}", number / slices);
        let object = Incoming {
            kind: Kind::Slice,
            bucket: "radiology".into(),
            key: format!("{study}/{}.dcm", number % slices).into(),
            study: study.into(),
            etag: Some("9e107d9d372bb6826bd81d3542a419d6".into()),
            version: None,
            size: Some(524_288),
            time: 1_767_225_600_000,
        };
        assert_eq!(assembly.object(0, i64::try_from(number).unwrap(), 0, &object), Heard::Taken);
    }
    assembly
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
