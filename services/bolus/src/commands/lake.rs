//! `bolus sql` and `bolus lake`.

use std::io::{BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use bolus::output::{self, CsvWriter};
use bolus_lake::{Lake, LakeError, QueryLimit, QueryLimits};
use bolus_ops::printable::PrintableWriter;
use bolus_setup::open_lake;

use crate::cli::{Format, LakeCommand, SqlArgs};

/// `bolus sql`.
pub async fn sql(args: SqlArgs) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(!args.raw || matches!(args.format, Format::Csv), "--raw is for --format csv alone");
    let lake = open_lake(&args.lake.url).await?;
    let limits = QueryLimits {
        time: Some(args.limits.timeout.0),
        rows: args.limits.max_rows,
        memory_bytes: args.limits.memory.as_usize(),
        disk_bytes: args.limits.disk.0,
        ..QueryLimits::of_people()
    };
    match query(&lake, &args, &limits).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(with_option(error)),
    }
}

/// Names the option that raises the limit which a query broke.
fn with_option(error: anyhow::Error) -> anyhow::Error {
    let option = match error.downcast_ref::<LakeError>() {
        Some(LakeError::QueryLimit(QueryLimit::Time { .. })) => "--timeout",
        Some(LakeError::QueryLimit(QueryLimit::Rows { .. })) => "--max-rows",
        Some(LakeError::QueryLimit(QueryLimit::Memory { .. }) | LakeError::QueryMemory(_)) => "--memory",
        Some(LakeError::QueryLimit(QueryLimit::Table { .. })) => "--format",
        Some(LakeError::QueryLimit(QueryLimit::Disk { .. })) => "--disk",
        _ => return error,
    };
    anyhow::anyhow!("{error} ({option})")
}

async fn query(lake: &Lake, args: &SqlArgs, limits: &QueryLimits) -> anyhow::Result<()> {
    let mut result = lake.sql_within(&args.query, limits).await?;
    let numeric = result.numeric_columns();
    match args.format {
        Format::Json => {
            let mut output = PrintableWriter::json(BufWriter::new(std::io::stdout()));
            result.write_json_lines(&mut output).await?;
        }
        Format::Csv => {
            let terminal = std::io::stdout().is_terminal();
            let mut output = CsvWriter::begin(std::io::stdout(), &result.columns(), numeric, args.raw, terminal)?;
            while let Some(rows) = result.next_rows().await? {
                rows.iter().try_for_each(|row| output.row(row))?;
            }
            output.finish()?;
        }
        Format::Table => {
            let (headers, rows) = result.to_table().await?;
            let count = rows.len();
            let mut output = output::for_people();
            writeln!(output, "{}", output::table(&headers, rows, &numeric))?;
            writeln!(output, "{}", output::counted(count, "row", "rows"))?;
        }
    }
    Ok(())
}

/// `bolus lake`.
pub async fn run(command: LakeCommand) -> anyhow::Result<ExitCode> {
    let LakeCommand::Files(args) = command;
    let lake = open_lake(&args.url).await?;
    let mut output = output::for_programs();
    for file in lake.files().await? {
        writeln!(output, "{file}")?;
    }
    Ok(ExitCode::SUCCESS)
}
