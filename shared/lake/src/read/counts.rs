//! How many labels there are.

use crate::error::LakeError;
use crate::read::batch::Batch;
use crate::read::filter::RowFilter;
use crate::read::rows::ask;
use crate::table::Table;

/// What one version of a bundle has in the view `series_labels`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelCount {
    /// The bundle's name.
    pub bundle_name: String,
    /// The bundle's version.
    pub bundle_version: String,
    /// Labels.
    pub labels: u64,
}

const COUNTS: &str = "
    SELECT bundle_name, bundle_version, count(*) AS labels
    FROM series_labels
    GROUP BY bundle_name, bundle_version
    ORDER BY bundle_name || '@' || bundle_version";

pub(crate) async fn read(table: &Table) -> Result<Vec<LabelCount>, LakeError> {
    ask(table, &RowFilter::default(), None, COUNTS, counts).await?.all().await
}

fn counts(batch: &Batch) -> Result<Vec<LabelCount>, LakeError> {
    let (names, versions) = (batch.texts("bundle_name")?, batch.texts("bundle_version")?);
    let labels = batch.longs("labels")?;
    batch.rows(|row| {
        Ok(LabelCount {
            bundle_name: names.owned(row)?,
            bundle_version: versions.owned(row)?,
            labels: labels.required(row)?,
        })
    })
}
