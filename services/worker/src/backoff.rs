//! Pauses between attempts.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::config::RetryConfig;

/// The first pause while the lake's store fails, and the longest.
const LAKE_FIRST: Duration = Duration::from_millis(200);
const LAKE_LONGEST: Duration = Duration::from_secs(15);
/// The same while the broker fails.
const BROKER_FIRST: Duration = Duration::from_millis(50);
const BROKER_LONGEST: Duration = Duration::from_secs(2);

/// Pauses that double up to a limit, each lengthened by chance, so that workers part.
#[derive(Debug)]
pub struct Backoff {
    pauses: ExponentialBackoff,
    longest: Duration,
}

impl Backoff {
    /// The pauses between attempts at an event.
    #[must_use]
    pub fn of_events(config: &RetryConfig) -> Self {
        Self::new(config.first_pause.0, config.longest_pause.0)
    }

    /// The pauses while the lake's store fails.
    #[must_use]
    pub fn of_the_lake() -> Self {
        Self::new(LAKE_FIRST, LAKE_LONGEST)
    }

    /// The pauses while the broker does not take notes.
    #[must_use]
    pub fn of_the_broker() -> Self {
        Self::new(BROKER_FIRST, BROKER_LONGEST)
    }

    fn new(first: Duration, longest: Duration) -> Self {
        let builder = ExponentialBuilder::default()
            .with_min_delay(first)
            .with_max_delay(longest)
            .without_max_times()
            .with_jitter();
        Self { pauses: builder.build(), longest }
    }

    /// The next pause.
    pub fn next_pause(&mut self) -> Duration {
        self.pauses.next().unwrap_or(self.longest)
    }

    /// Waits for the next pause.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next_pause()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_never_end() {
        let mut backoff = Backoff::of_the_lake();
        let pauses: Vec<Duration> = (0..200).map(|_| backoff.next_pause()).collect();
        assert!(pauses[0] >= LAKE_FIRST && pauses[0] <= 2 * LAKE_FIRST);
        assert!(pauses.iter().all(|pause| *pause <= 2 * LAKE_LONGEST));
        assert!(pauses[199] >= LAKE_LONGEST);
    }
}
