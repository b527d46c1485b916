//! Prints the microseconds that reading one header takes on one core, from its first bytes in memory, and how many
//! files have their whole header in the first read.
//!
//! `cargo run --release -p bolus-ct --example header_speed [FOLDER]`; without a folder, `tests/data`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bolus_ct::{FIRST_READ_BYTES, HeaderRead, read_header};

const REPETITIONS: usize = 50;

fn main() {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data"), PathBuf::from);
    let mut heads: Vec<(Vec<u8>, u64)> = Vec::new();
    collect(&folder, &mut heads);
    let is_whole = |(head, length): &&(Vec<u8>, u64)| matches!(read_header(head, *length), Ok(HeaderRead::Instance(_)));
    let whole: Vec<_> = heads.iter().filter(is_whole).collect();
    let start = Instant::now();
    for _ in 0..REPETITIONS {
        for (head, length) in &whole {
            std::hint::black_box(read_header(std::hint::black_box(head), *length).is_ok());
        }
    }
    let each = start.elapsed().as_secs_f64() * 1e6 / (REPETITIONS * whole.len().max(1)) as f64;
    println!("{} files, {} whole in {FIRST_READ_BYTES} bytes, {each:.1} microseconds each", heads.len(), whole.len());
}

/// The first bytes and the length of every file under `folder`.
fn collect(folder: &Path, heads: &mut Vec<(Vec<u8>, u64)>) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, heads);
        } else if let Ok(mut bytes) = fs::read(&path) {
            let length = bytes.len() as u64;
            bytes.truncate(usize::try_from(FIRST_READ_BYTES).unwrap_or(usize::MAX));
            heads.push((bytes, length));
        }
    }
}
