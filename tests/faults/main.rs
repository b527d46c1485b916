//! Faults of every kind against the real programs, broker and store: after each run the lake holds every study exactly once.
//!
//! The plan of mischief follows from the seed; what it meets does not, as processes and networks have a timing of their own.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `BOLUS_FAULTS_SEED` | the seed | 1 |
//! | `BOLUS_FAULTS_MINUTES` | runs of rising seeds for so many minutes, with one node and three in turn | one short run |
//! | `BOLUS_FAULTS_STUDIES`, `_SECONDS`, `_NODES` | good studies, time of the mischief, broker nodes | 400, 100, 1 |
//! | `BOLUS_FAULTS_KEEP` | keeps the folder of a good run as well | |
//! | `BOLUS_FAULTS_PROGRAMS` | folder of the programs under test | those of this build |
//!
//! It says `faults seed=… studies=… lost=… duplicated=… failed=… poisoned=…` for each run, and ends with status 1 unless nothing is lost
//! or duplicated and exactly the poisoned failed. What a bad run left lies in the folder that it names.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking and tells by printing")]

mod feed;
mod fleet;
mod oracle;
mod plan;
mod processes;
mod proxy;
mod rng;
mod run;
mod servers;
mod settings;
mod studies;

use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::run::{Options, run};

/// The name by which `cargo test NAME` chooses this test.
const NAME: &str = "fault_harness";

fn variable<T: FromStr>(name: &str) -> Result<Option<T>> {
    let Ok(text) = std::env::var(format!("BOLUS_FAULTS_{name}")) else { return Ok(None) };
    text.parse().ok().with_context(|| format!("BOLUS_FAULTS_{name}: {text:?} is not a number")).map(Some)
}

/// Whether the arguments, which are those of Rust's own test harness, leave this test out or only ask for its name.
fn left_out() -> bool {
    let mut arguments = std::env::args().skip(1);
    if std::env::args().any(|argument| argument == "--list") {
        println!("{NAME}: test");
        return true;
    }
    arguments.find(|argument| !argument.starts_with('-')).is_some_and(|filter| !NAME.contains(&filter))
}

async fn one(options: Options) -> Result<bool> {
    let started = Instant::now();
    let outcome = run(&options).await?;
    for wrong in &outcome.verdict.wrong {
        println!("faults: wrong: {wrong}");
    }
    let verdict = &outcome.verdict;
    println!(
        "faults seed={} studies={} lost={} duplicated={} failed={} poisoned={} revisions={} nodes={} seconds={}",
        options.seed,
        verdict.studies,
        verdict.lost,
        verdict.duplicated,
        verdict.failed,
        verdict.poisoned,
        verdict.revisions,
        options.nodes,
        started.elapsed().as_secs(),
    );
    if !verdict.is_good() {
        println!("faults: the logs, the lake and the broker's data are left in {}", outcome.folder.display());
    }
    Ok(verdict.is_good())
}

async fn all() -> Result<bool> {
    let base = Options {
        seed: variable("SEED")?.unwrap_or(1),
        studies: variable("STUDIES")?.unwrap_or(400),
        span: Duration::from_secs(variable("SECONDS")?.unwrap_or(100)),
        nodes: variable("NODES")?.unwrap_or(1),
    };
    let Some(minutes) = variable::<u64>("MINUTES")? else { return one(base).await };
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let mut all_good = true;
    for number in 0.. {
        if Instant::now() >= end {
            break;
        }
        let nodes = if number % 2 == 0 { 1 } else { 3 };
        let options = Options { seed: base.seed + number, nodes, span: base.span * 2, studies: base.studies * 2 };
        all_good &= one(options).await?;
    }
    Ok(all_good)
}

#[tokio::main]
async fn main() -> ExitCode {
    if left_out() {
        return ExitCode::SUCCESS;
    }
    match all().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("faults: the harness itself failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
