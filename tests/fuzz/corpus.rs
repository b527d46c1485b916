//! Every seed, and every input that was found to break a parser: none may again, and each keeps to its target's memory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use bolus_fuzz::{TARGETS, peak_bytes, processor_time, reset_peak};

/// The most of the processor that one input may take: what else the machine does is not counted.
const LONGEST: Duration = Duration::from_secs(10);

fn inputs(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut inputs: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    inputs
}

// One test, so that nothing else in the process takes memory meanwhile.
#[test]
fn no_input_breaks_its_target() {
    assert!(cfg!(not(target_os = "linux")) || peak_bytes().is_some(), "memory is measured on Linux");
    for target in TARGETS {
        let inputs = inputs(target.name);
        assert!(!inputs.is_empty(), "{} has no seeds", target.name);
        let mut largest = 0;
        for input in &inputs {
            let data = std::fs::read(input).unwrap();
            reset_peak();
            let before = peak_bytes().map(|(_, now)| now);
            let start = processor_time();
            (target.run)(&data);
            let (took, shown) = (processor_time() - start, input.display());
            assert!(took < LONGEST, "{shown} takes {took:?}");
            if let (Some(before), Some((peak, _))) = (before, peak_bytes()) {
                let grown = peak.saturating_sub(before);
                assert!(grown <= target.memory_bytes, "{shown} takes {grown} bytes, at most {}", target.memory_bytes);
                largest = largest.max(grown);
            }
        }
        println!("{}: {} inputs, {} KiB at most", target.name, inputs.len(), largest >> 10);
    }
}

#[test]
fn every_folder_of_the_corpus_has_its_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut folders: Vec<String> =
        std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    folders.sort();
    let mut targets: Vec<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    targets.sort();
    assert_eq!(folders, targets);
}
