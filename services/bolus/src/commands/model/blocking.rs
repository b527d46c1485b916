//! Work that takes seconds, off the threads that wait.

use anyhow::Context;

/// Runs what loads networks and runs them, which takes seconds, off the threads that wait.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("the work ended unexpectedly")?
}
