//! Kafka study events → labels in the lake.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use bolus_ops::printable::printable_lines;
use bolus_ops::telemetry;
use bolus_worker::cli::Cli;
use clap::Parser;

/// How long the last traces may take to leave.
const LAST_TRACES: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    bolus_inference::disable_telemetry();
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bolus-worker: {}", printable_lines(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let config = cli.load()?;
    if cli.check_config {
        println!("the configuration is valid");
        return Ok(());
    }
    // Set by the environment variable FAILPOINTS, in builds that have failpoints: those of the tests.
    let _failpoints = fail::has_failpoints().then(fail::FailScenario::setup);
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let outcome = runtime.block_on(async {
        let telemetry = telemetry::start(&config.telemetry, "worker", env!("CARGO_PKG_VERSION"))?;
        let outcome = bolus_worker::run(config, bolus_ops::cancel_on_signal()).await;
        telemetry.shutdown(LAST_TRACES).await;
        outcome
    });
    // Reads that nobody waits for any more must not hold the process. Nor may the runtime be taken away below them: the lake's
    // library panics then. So they end with the process.
    std::mem::forget(runtime);
    outcome
}
