//! Pauses between attempts.

use std::time::Duration;

use bolus_ops::backoff::Backoff;
use uuid::Uuid;

/// The first pause after the store failed, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(600);

/// The longest pause after a lost race.
const LONGEST_YIELD: Duration = Duration::from_secs(1);

/// Doublings of the pause after lost races. Few, or whoever has lost often would seldom try, and lose to newcomers.
const YIELD_DOUBLINGS: u32 = 5;

/// The pauses while the store fails.
pub(crate) fn of_the_store() -> Backoff {
    Backoff::new(FIRST_PAUSE, LONGEST_PAUSE)
}

/// The pause after the given number of lost races: any part of the time that a few puts like the last one, which `took` that
/// long, take. So it suits a store that answers in a millisecond and one that takes a hundred, and grows under load. It is no
/// [`Backoff`]: the winner's success is no failure of the store, and the loser may be next.
pub(crate) fn pause_after_loss(lost: u32, took: Duration) -> Duration {
    any_part_of(took.saturating_mul(1 << lost.min(YIELD_DOUBLINGS)).min(LONGEST_YIELD))
}

fn any_part_of(longest: Duration) -> Duration {
    let [a, b, ..] = *Uuid::new_v4().as_bytes();
    longest.mul_f64(f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX))
}
