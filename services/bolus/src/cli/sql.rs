//! Arguments of `bolus sql`.

use bolus_ops::config::{ByteSize, Period};
use clap::Args;

use super::lake::LakeArgs;

/// Arguments of `bolus sql`.
#[derive(Debug, Args)]
pub struct SqlArgs {
    /// The query.
    pub query: String,
    #[command(flatten)]
    pub lake: LakeArgs,
    /// How to print: table, json (lines) or csv.
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    pub format: Format,
    /// With --format csv: leave texts alone that a spreadsheet would run as formulas. Otherwise they start with an apostrophe.
    #[arg(long)]
    pub raw: bool,
    #[command(flatten)]
    pub limits: SqlLimits,
}

/// What one query may cost.
#[derive(Debug, Args)]
pub struct SqlLimits {
    /// How long the query may take to answer, such as 90s or 1h. Printing the answer does not count.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub timeout: Period,
    /// Maximum number of rows in the answer.
    #[arg(long, value_name = "N", default_value = "10000000")]
    pub max_rows: usize,
    /// Maximum memory of the query, such as "4 GiB". A sort that needs more than half of it uses the disk.
    #[arg(long, value_name = "SIZE", default_value = "1 GiB", value_parser = query_memory)]
    pub memory: ByteSize,
    /// Maximum that the query may write to disk, in the folder for temporary files.
    #[arg(long, value_name = "SIZE", default_value = "16 GiB")]
    pub disk: ByteSize,
}

/// The memory of a query: with less than this, none begins.
fn query_memory(text: &str) -> Result<ByteSize, String> {
    const LEAST: ByteSize = ByteSize::from_mib(64);
    let size: ByteSize = text.parse()?;
    if size < LEAST { Err(format!("expected at least {LEAST}")) } else { Ok(size) }
}

/// How a query's answer is printed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Format {
    /// A table for people.
    Table,
    /// One JSON object a row.
    Json,
    /// Comma-separated values with a header.
    Csv,
}
