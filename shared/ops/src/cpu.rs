//! One pool for work that keeps a core busy, apart from the async threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::oneshot;

/// How the pool's threads are named.
const THREAD_NAME: &str = "bolus-cpu";

/// Keeps panics on the pool's threads off the screen: the caller gets them as errors, with the object's name.
pub(crate) fn quiet_pool_panics() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name().is_some_and(|name| name.starts_with(THREAD_NAME)) {
            tracing::debug!(%panic, "work panicked");
        } else {
            others(panic);
        }
    }));
}

/// Threads to use: those asked for, else one a core.
#[must_use]
pub fn threads_or_cores(asked: Option<usize>) -> usize {
    asked.filter(|threads| *threads > 0).unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// The reason CPU work gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpuError {
    /// The work panicked; the text is the panic's message.
    #[error("work panicked: {0}")]
    Panicked(String),
    /// The pool's threads could not be started.
    #[error("CPU pool could not start: {0}")]
    Start(String),
}

/// A rayon pool that returns results to async callers.
///
/// Work whose caller has gone is skipped. A panic is caught and given to the caller: one bad slice never ends the process.
#[derive(Debug, Clone)]
pub struct CpuPool {
    pool: Arc<rayon::ThreadPool>,
}

impl CpuPool {
    /// Starts `threads` threads, at least one.
    ///
    /// # Errors
    /// [`CpuError::Start`] when the system refuses threads.
    pub fn new(threads: usize) -> Result<Self, CpuError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|index| format!("{THREAD_NAME}-{index}"))
            .build()
            .map_err(|error| CpuError::Start(error.to_string()))?;
        Ok(Self { pool: Arc::new(pool) })
    }

    /// Number of threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `work` on the pool and waits for it without blocking the async thread.
    ///
    /// # Errors
    /// [`CpuError::Panicked`] when the work panicked.
    pub async fn run<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> Result<R, CpuError> {
        let (reply, result) = oneshot::channel();
        self.pool.spawn(move || {
            if reply.is_closed() {
                return;
            }
            let outcome = catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
                let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                CpuError::Panicked(
                    message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into()),
                )
            });
            // The caller may have gone while the work ran; then nobody wants the result.
            let _ = reply.send(outcome);
        });
        result.await.unwrap_or_else(|_| Err(CpuError::Panicked("pool dropped the work".into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn results_and_panics_come_back() {
        let pool = CpuPool::new(2).unwrap();
        assert_eq!(pool.run(|| 6 * 7).await, Ok(42));
        let panicked: Result<(), CpuError> = pool.run(|| panic!("slice 3")).await;
        assert_eq!(panicked, Err(CpuError::Panicked("slice 3".into())));
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }
}
