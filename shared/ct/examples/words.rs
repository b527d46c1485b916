//! Measures the reading of descriptions against the table of real ones: `make words`.
//!
//! `cargo run --release -p bolus-ct --example words -- descriptions.csv [--misses]`; with `--misses` each row that is
//! read otherwise is listed, the heaviest first.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a tool for developers")]

use std::path::PathBuf;

#[allow(dead_code, reason = "the test asks for more")]
#[path = "../tests/words/measure.rs"]
mod measure;

use measure::{Score, declared, exceptions, parts, rows};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().map(PathBuf::from).expect("the first argument is the path of descriptions.csv");
    let misses = arguments.next().is_some_and(|flag| flag == "--misses");
    let rows = rows(&path);
    let exceptions = exceptions();
    let (apart, counted): (Vec<_>, Vec<_>) = rows.iter().partition(|row| exceptions.iter().any(|one| one.is_for(row)));
    println!("words {}", Score::of(counted.iter().copied()));
    let series: u64 = apart.iter().map(|row| row.weight).sum();
    println!(
        "words exceptions={} rows={} series={series}, counted out; with them {}",
        exceptions.len(),
        apart.len(),
        Score::of(&rows)
    );
    if misses {
        let mut missed: Vec<_> = counted
            .into_iter()
            .map(|row| (row, declared(&row.study, &row.series), parts(&row.study, &row.series)))
            .filter(|(row, verdict, parts)| *verdict != row.declared || (!row.parts.is_empty() && *parts != row.parts))
            .collect();
        missed.sort_by_key(|(row, ..)| std::cmp::Reverse(row.weight));
        for (row, verdict, parts) in missed {
            let (said, named) = (row.declared, &row.parts);
            println!(
                "{}\t{said:?} read {verdict:?}\t{named} read {parts}\t{:?}\t{:?}",
                row.weight, row.study, row.series
            );
        }
    }
}
