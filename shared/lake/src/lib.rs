//! The lake: one Delta table `labels`, written exactly once a row, read with SQL.
//!
//! Invariant: a row key lands once, whoever writes at the same time and wherever a writer dies, unless the caller asks to
//! relabel. Invariant: queries only read, and only the lake. No other crate depends on deltalake, parquet, arrow or
//! datafusion. Every public future is boxed: a future that is not is compiled again in each crate that awaits it, and these
//! hold most of deltalake (the program took 150 s to compile, and takes seconds).
//!
//! ```no_run
//! # use std::sync::Arc;
//! # async fn example(rows: &[bolus_study::LabelRow]) -> Result<(), Box<dyn std::error::Error>> {
//! use bolus_lake::{AppendOptions, Lake};
//! let store = Arc::new(object_store::local::LocalFileSystem::new_with_prefix("/data/lake")?);
//! let lake = Lake::open_or_create(&"file:///data/lake".parse()?, store).await?;
//! lake.append(rows, &AppendOptions::default()).await?;
//! let result = lake.sql("SELECT predicted_class, count(*) FROM series_labels GROUP BY 1").await?;
//! result.write_csv(&mut std::io::stdout()).await?;
//! # Ok(()) }
//! ```

mod append;
mod backoff;
mod columns;
mod entry;
mod error;
mod follow;
mod keys;
mod lake;
mod limits;
mod memory;
mod mount;
mod open;
mod parquet;
mod probe;
mod query;
mod read;
mod scan;
mod schema;
mod table;
mod tail;
mod upgrade;
mod upkeep;

pub use append::{AppendOptions, Commit, TransactionStep};
pub use error::{ErrorKind, LakeError};
pub use lake::Lake;
pub use limits::{QueryLimit, QueryLimits};
pub use parquet::parquet_to_table;
pub use probe::probe_conditional_put;
pub use query::result::QueryResult;
pub use query::text::TextTable;
pub use read::counts::LabelCount;
pub use read::failures::OpenFailure;
pub use read::filter::RowFilter;
pub use read::newest::{NewestOutcome, NewestRow};
pub use read::places::PlacedRow;
pub use read::rows::Rows;
pub use read::slices::SliceProbabilities;
pub use schema::SCHEMA_VERSION;
