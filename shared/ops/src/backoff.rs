//! Pauses between attempts at what fails for the moment.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Pauses that double up to a limit and never end, each lengthened by chance up to twice its time, so that processes part.
#[derive(Debug)]
pub struct Backoff {
    pauses: ExponentialBackoff,
    longest: Duration,
}

impl Backoff {
    /// Pauses from `first` to `longest`, before chance lengthens them.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
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

    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(15);

    fn pauses() -> Vec<Duration> {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        (0..200).map(|_| backoff.next_pause()).collect()
    }

    #[test]
    fn pauses_grow_to_the_longest_and_never_end() {
        let pauses = pauses();
        assert!(pauses[0] >= FIRST && pauses[0] <= 2 * FIRST);
        assert!(pauses.iter().all(|pause| *pause <= 2 * LONGEST));
        assert!(pauses[199] >= LONGEST);
    }

    #[test]
    fn no_two_wait_for_the_same_times() {
        assert_ne!(pauses(), pauses());
    }
}
