//! Reading headers to compare keys.

use std::sync::Arc;

use anyhow::Context;
use bolus_backfill::Study;
use bolus_events::StudyContent;
use bolus_labeling::{
    Engines, Found, Labeler, LabelerOptions, LabelingError, Progress, SeriesKeys, discover, take_inventory,
};
use bolus_lake::Lake;
use bolus_ops::{CpuPool, threads_or_cores};
use bolus_storage::{ErrorKind, Location, Spool, archive_kind, find};
use bolus_study::RowKey;
use tokio_util::sync::CancellationToken;

use super::rows::Account;
use crate::cli::{ReconcileArgs, StudyState};
use crate::commands::find_bundles;

/// Compares the keys that the workers would make with those in the lake.
pub struct Deep<'a> {
    lake: &'a Lake,
    labeler: Labeler,
    cpu: CpuPool,
    spool: Spool,
    progress: Progress,
    cancel: CancellationToken,
}

impl<'a> Deep<'a> {
    /// Loads the bundles, whose digests are part of the keys. Their networks are not needed.
    pub fn new(args: &ReconcileArgs, lake: &'a Lake, cancel: CancellationToken) -> anyhow::Result<Self> {
        let engines = Engines::skipped(Arc::new(find_bundles(&args.model)?));
        let cpu = CpuPool::new(threads_or_cores(None))?;
        let options = LabelerOptions {
            adaptive: args.adaptive,
            allowed: args.allow.allowed.clone(),
            ..LabelerOptions::default()
        };
        let labeler = Labeler::new(engines, cpu.clone(), options, Arc::new(Progress::default()))?;
        let (spool, progress) = (Spool::new(None)?, Progress::default());
        Ok(Self { lake, labeler, cpu, spool, progress, cancel })
    }

    /// How a study that has rows stands: stale where a series or file has none as it is now.
    pub async fn state(&self, bucket: &str, study: &Study, account: &Account) -> anyhow::Result<StudyState> {
        let keys = self.keys(bucket, study).await.with_context(|| format!("cannot read study {}", study.name()))?;
        let (series, files) = keys;
        let with_failure = |key: &RowKey| [key.clone(), key.of_failure()];
        let asked: Vec<RowKey> = series.iter().flat_map(SeriesKeys::all).chain(&files).flat_map(with_failure).collect();
        let known = self.lake.known_keys(&asked).await?;
        let new_series = series.iter().any(|keys| keys.known(|key| known.contains(key)).is_none());
        let new_file = |key: &RowKey| with_failure(key).iter().all(|key| !known.contains(key));
        if new_series || files.iter().any(new_file) {
            return Ok(StudyState::Stale);
        }
        Ok(if account.failed() { StudyState::Failed } else { StudyState::Ok })
    }

    /// The keys of the series, and of the files that no series holds.
    async fn keys(&self, bucket: &str, study: &Study) -> anyhow::Result<(Vec<SeriesKeys>, Vec<RowKey>)> {
        let (mut series, mut files) = (Vec::new(), Vec::new());
        for unit in self.found(bucket, &study.content).await?.into_units() {
            let inventory = take_inventory(unit, &self.spool, &self.cpu, &self.progress, &self.cancel).await?;
            series.extend(inventory.series.iter().map(|series| self.labeler.keys(series, &inventory.objects)));
            files.extend(inventory.refused.iter().filter_map(|file| self.labeler.file_row(file)).map(|row| row.key));
        }
        Ok((series, files))
    }

    async fn found(&self, bucket: &str, content: &StudyContent) -> Result<Found, LabelingError> {
        let at = |key: &str| Location::S3 { bucket: bucket.to_owned(), key: key.to_owned() };
        if let Some(folder) = folder_of(content) {
            return discover(&[at(&folder)], &self.progress, &self.cancel).await;
        }
        let mut found = Found::default();
        let StudyContent::Objects(objects) = content else { return Ok(found) };
        for named in objects {
            let object = match find(&at(&named.key), None).await {
                Ok(object) => object,
                // It is gone since it was listed.
                Err(error) if error.kind == ErrorKind::Reject => continue,
                Err(error) => return Err(error.into()),
            };
            match archive_kind(&object).await? {
                Some(kind) => found.archives.push((object, kind)),
                None => found.objects.push(object),
            }
        }
        Ok(found)
    }
}

/// The folder of a study that is told by its prefix.
fn folder_of(content: &StudyContent) -> Option<String> {
    match content {
        StudyContent::Prefix(prefix) => Some(format!("{}/", prefix.trim_end_matches('/'))),
        StudyContent::Objects(_) => None,
    }
}
