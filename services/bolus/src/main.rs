//! The `bolus` command line: parses the arguments, calls the command, turns its outcome into an exit status.

// What is printed goes through `bolus::output`, which makes it safe for a terminal.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod cli;
mod commands;
mod exit;
mod labelled_set;

use std::process::ExitCode;

use bolus::output;
use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    bolus_inference::disable_telemetry();
    run()
}

#[tokio::main]
async fn run() -> ExitCode {
    let cli = Cli::parse();
    bolus_ops::init_logging(&cli.log);
    let outcome = match cli.command {
        Command::Label(args) => commands::label::run(args).await,
        Command::Inspect(args) => commands::inspect::run(args).await,
        Command::Evaluate(args) => commands::evaluate::run(args).await,
        Command::Submit(args) => commands::submit::run(args).await,
        Command::Reconcile(args) => commands::reconcile::run(args).await,
        Command::Failures(command) => commands::failures::run(command).await,
        Command::Sql(args) => commands::lake::sql(args).await,
        Command::Explain(args) => commands::explain::run(args).await,
        Command::ExportTensors(args) => commands::export_tensors::run(args).await,
        Command::Lake(command) => commands::lake::run(command).await,
        Command::Model(command) => commands::model::run(command).await,
        Command::Completions { shell } => commands::completions(shell),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_error(&error);
            ExitCode::from(exit::NOTHING_DONE)
        }
    }
}
