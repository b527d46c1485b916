//! Kafka study events → labels in the lake.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use bolus_ops::config::{report_check, report_errors};
use bolus_ops::printable::printable_lines;
use bolus_ops::telemetry;
use bolus_worker::Resources;
use bolus_worker::cli::Cli;
use bolus_worker::config::Config;
use clap::Parser;

/// The program's name in its messages.
const PROGRAM: &str = "bolus-worker";
/// How long the last traces may take to leave.
const LAST_TRACES: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    bolus_inference::disable_telemetry();
    let cli = Cli::parse();
    let mut loaded = cli.read();
    let resources = Resources::find(&mut loaded);
    if cli.check_config {
        return report_check(PROGRAM, loaded, cli.show);
    }
    let config = match loaded.finish() {
        Ok(config) => config,
        Err(errors) => return report_errors(PROGRAM, &errors),
    };
    let resources = resources.context("what the configuration names was not found");
    match resources.and_then(|resources| run(config, resources)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{PROGRAM}: {}", printable_lines(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config, resources: Resources) -> anyhow::Result<()> {
    // Set by the environment variable FAILPOINTS, in builds that have failpoints: those of the tests.
    let _failpoints = fail::has_failpoints().then(fail::FailScenario::setup);
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let outcome = runtime.block_on(async {
        let telemetry = telemetry::start(&config.telemetry, "worker", env!("CARGO_PKG_VERSION"))?;
        let outcome = bolus_worker::run(config, resources, bolus_ops::cancel_on_signal()).await;
        telemetry.shutdown(LAST_TRACES).await;
        outcome
    });
    // Reads that nobody waits for any more must not hold the process. Nor may the runtime be taken away below them: the lake's
    // library panics then. So they end with the process.
    std::mem::forget(runtime);
    outcome
}
