//! Kafka object events → study events, once a study is complete.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use bolus_assembler::cli::Cli;
use bolus_assembler::config::Config;
use bolus_ops::config::{report_check, report_errors};
use bolus_ops::printable::printable_lines;
use bolus_ops::telemetry;
use clap::Parser;

/// The program's name in its messages.
const PROGRAM: &str = "bolus-assembler";
/// How long the last traces may take to leave.
const LAST_TRACES: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut loaded = cli.read();
    loaded.check(Config::problems_here);
    if cli.check_config {
        return report_check(PROGRAM, loaded, cli.show);
    }
    let config = match loaded.finish() {
        Ok(config) => config,
        Err(errors) => return report_errors(PROGRAM, &errors),
    };
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{PROGRAM}: {}", printable_lines(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let outcome = runtime.block_on(async {
        let telemetry = telemetry::start(&config.telemetry, "assembler", env!("CARGO_PKG_VERSION"))?;
        let outcome = bolus_assembler::run(config, bolus_ops::cancel_on_signal()).await;
        telemetry.shutdown(LAST_TRACES).await;
        outcome
    });
    // A store that does not answer must not hold the process.
    runtime.shutdown_background();
    outcome
}
