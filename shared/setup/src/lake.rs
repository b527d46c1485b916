//! Opening the lake.

use std::time::Duration;

use bolus_lake::{ErrorKind, Lake, LakeError};
use bolus_ops::backoff::Backoff;
use bolus_storage::{Location, OpenedStore, open_store, open_store_for_writing};

use crate::error::SetupError;

/// The first pause while the lake's store fails at a start, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Opens the lake at `url`, a folder or s3://bucket/prefix, for reading.
///
/// # Errors
/// [`SetupError::Place`], [`SetupError::NoLake`] and [`SetupError::Unreadable`].
pub async fn open_lake(url: &str) -> Result<Lake, SetupError> {
    let location = Location::parse(url).map_err(SetupError::Place)?;
    let opened = open_store(&location).await;
    let opened = opened.map_err(|source| SetupError::NoLake { url: url.to_owned(), source })?;
    let lake_url = location.lake_url().map_err(SetupError::Place)?;
    Lake::open(&lake_url, opened.rooted()).await.map_err(SetupError::Unreadable)
}

/// Opens the lake at `url` for writing, making it where there is none.
///
/// # Errors
/// [`SetupError::Place`], [`SetupError::LakeStore`] and [`SetupError::Lake`].
pub async fn open_or_create_lake(url: &str) -> Result<Lake, SetupError> {
    let (location, opened) = for_writing(url).await?;
    let lake_url = location.lake_url().map_err(SetupError::Place)?;
    Lake::open_or_create(&lake_url, opened.rooted()).await.map_err(|source| lake_error(url, source))
}

/// As [`open_or_create_lake`], for a program that writes beside others: refuses a store on which they could overwrite each
/// other's commits, and waits as long as the store fails for the moment.
///
/// # Errors
/// As [`open_or_create_lake`].
pub async fn open_shared_lake(url: &str) -> Result<Lake, SetupError> {
    let (location, opened) = for_writing(url).await?;
    let lake_url = location.lake_url().map_err(SetupError::Place)?;
    let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let opening = async {
            let lake = Lake::open_or_create(&lake_url, opened.rooted()).await?;
            lake.probe().await?;
            Ok::<Lake, LakeError>(lake)
        };
        match opening.await {
            Ok(lake) => return Ok(lake),
            Err(error) if error.kind() == ErrorKind::Retry => {
                tracing::warn!(%error, "the lake cannot be opened, trying again");
                pauses.wait().await;
            }
            Err(error) => return Err(lake_error(url, error)),
        }
    }
}

async fn for_writing(url: &str) -> Result<(Location, OpenedStore), SetupError> {
    let location = Location::parse(url).map_err(SetupError::Place)?;
    let opened = open_store_for_writing(&location).await;
    let opened = opened.map_err(|source| SetupError::LakeStore { url: url.to_owned(), source })?;
    Ok((location, opened))
}

fn lake_error(url: &str, source: LakeError) -> SetupError {
    SetupError::Lake { url: url.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lake_is_made_for_writing_only() {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().join("lake").display().to_string();
        assert!(matches!(open_lake(&url).await, Err(SetupError::NoLake { .. })));
        open_or_create_lake(&url).await.unwrap();
        open_lake(&url).await.unwrap();
        open_shared_lake(&url).await.unwrap();
        std::fs::write(folder.path().join("file"), "x").unwrap();
        let foreign = folder.path().display().to_string();
        let error = open_or_create_lake(&foreign).await.unwrap_err();
        assert!(matches!(error, SetupError::Lake { .. }) && error.to_string().contains(&foreign), "{error}");
        assert!(matches!(open_lake(&foreign).await, Err(SetupError::Unreadable(LakeError::NotFound { .. }))));
        assert!(matches!(open_lake("gopher://x").await, Err(SetupError::Place(_))));
    }
}
