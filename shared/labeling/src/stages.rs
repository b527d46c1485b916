//! How long the stages of one series take, and their spans in the trace of whoever asked for the label.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracing::{Instrument, Span};

/// Time that one series spent in each stage.
///
/// Slices are fetched and decoded side by side, so the times of those stages are sums over slices and may exceed the time on
/// the clock. Decoding includes the wait for a thread, inference the wait for the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    /// Reading pixel data from the store.
    pub fetch: Duration,
    /// Decoding to Hounsfield units and resampling.
    pub decode: Duration,
    /// Scoring by the network.
    pub infer: Duration,
}

/// One stage of one series: a span, and the time spent in it.
#[derive(Debug)]
pub(crate) struct Stage {
    span: Span,
    nanoseconds: AtomicU64,
}

impl Stage {
    pub fn new(span: Span) -> Self {
        Self { span, nanoseconds: AtomicU64::new(0) }
    }

    /// Runs `work` in the stage's span, and adds its time.
    pub async fn time<T>(&self, work: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let outcome = work.instrument(self.span.clone()).await;
        let nanoseconds = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        outcome
    }

    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }
}

/// The stages of a series' pixel data.
#[derive(Debug)]
pub(crate) struct PixelStages {
    pub fetch: Stage,
    pub decode: Stage,
}

impl PixelStages {
    /// Begins both spans below the current one.
    pub fn begin() -> Self {
        Self { fetch: Stage::new(tracing::info_span!("fetch")), decode: Stage::new(tracing::info_span!("decode")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn times_add_up() {
        let stages = PixelStages::begin();
        for _ in 0..2 {
            let work = tokio::time::sleep(Duration::from_millis(2));
            stages.fetch.time(work).await;
        }
        assert!(stages.fetch.total() >= Duration::from_millis(4));
        assert_eq!(stages.decode.total(), Duration::ZERO);
    }
}
