//! How long a worker pauses between attempts.

use std::time::Duration;

use bolus_ops::backoff::Backoff;

use crate::config::RetryConfig;

/// The first pause while the lake's store fails, and the longest.
const LAKE_FIRST: Duration = Duration::from_millis(200);
const LAKE_LONGEST: Duration = Duration::from_secs(15);
/// The same while the broker fails.
const BROKER_FIRST: Duration = Duration::from_millis(50);
const BROKER_LONGEST: Duration = Duration::from_secs(2);

/// The pauses between attempts at an event.
pub fn of_events(config: &RetryConfig) -> Backoff {
    Backoff::new(config.first_pause.0, config.longest_pause.0)
}

/// The pauses while the lake's store fails.
pub fn of_the_lake() -> Backoff {
    Backoff::new(LAKE_FIRST, LAKE_LONGEST)
}

/// The pauses while the broker does not take notes.
pub fn of_the_broker() -> Backoff {
    Backoff::new(BROKER_FIRST, BROKER_LONGEST)
}
