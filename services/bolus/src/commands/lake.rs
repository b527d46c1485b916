//! `bolus sql` and `bolus lake`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use bolus_lake::Lake;
use bolus_storage::{Location, open_store, open_store_for_writing};
use url::Url;

use crate::cli::{Format, LakeCommand, SqlArgs};
use crate::show;

/// Opens the lake at `text` for reading.
pub async fn open(text: &str) -> anyhow::Result<Lake> {
    let location = Location::parse(text)?;
    let opened = open_store(&location).await.with_context(|| format!("no lake at {text}"))?;
    Ok(Lake::open(&lake_url(&location)?, opened.rooted()).await?)
}

/// Opens the lake at `text`, making it where there is none.
pub async fn open_or_create(text: &str) -> anyhow::Result<Lake> {
    let location = Location::parse(text)?;
    let opened = open_store_for_writing(&location).await?;
    Ok(Lake::open_or_create(&lake_url(&location)?, opened.rooted()).await?)
}

/// The lake's URL. A key may hold any character, so its parts are escaped here; a local location's URI is escaped already.
fn lake_url(location: &Location) -> anyhow::Result<Url> {
    let uri = location.uri();
    let name = match location {
        Location::Local(path) => path.to_string_lossy().into_owned(),
        Location::S3 { key, .. } | Location::Memory { key, .. } => key.clone(),
    };
    // deltalake unescapes a name twice.
    anyhow::ensure!(!name.contains('%'), "{uri}: the name of a lake must not hold a percent sign");
    let Location::S3 { bucket, key } = location else {
        return Url::parse(&uri).with_context(|| format!("{uri} is no URL"));
    };
    let mut url = Url::parse(&format!("s3://{bucket}")).with_context(|| format!("{uri} is no URL"))?;
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.extend(key.split('/').filter(|part| !part.is_empty()));
    }
    Ok(url)
}

/// `bolus sql`.
pub async fn sql(args: SqlArgs) -> anyhow::Result<ExitCode> {
    let lake = open(&args.lake).await?;
    let result = lake.sql(&args.query).await?;
    let mut output = std::io::BufWriter::new(std::io::stdout());
    match args.format {
        Format::Json => {
            result.write_json_lines(&mut output).await?;
        }
        Format::Csv => {
            result.write_csv(&mut output).await?;
        }
        Format::Table => {
            let numeric = result.numeric_columns();
            let (headers, rows) = result.to_table().await?;
            let count = rows.len();
            writeln!(output, "{}", show::table(&headers, rows, &numeric))?;
            writeln!(output, "{}", show::counted(count, "row", "rows"))?;
        }
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// `bolus lake`.
pub async fn run(command: LakeCommand) -> anyhow::Result<ExitCode> {
    let LakeCommand::Files { lake } = command;
    let lake = open(&lake).await?;
    let mut output = std::io::stdout().lock();
    for file in lake.files().await? {
        writeln!(output, "{file}")?;
    }
    Ok(ExitCode::SUCCESS)
}
