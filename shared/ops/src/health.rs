//! Whether the process lives, and whether it is ready for work.
//!
//! Live is about the loops that must keep turning: each registers a heartbeat and beats it at every turn, and a stale one makes
//! the process unhealthy, to be restarted. Ready is about what the work needs and may come and go: the broker, the lake.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The state of one process; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    heartbeats: BTreeMap<&'static str, Beat>,
    unready: BTreeMap<&'static str, String>,
}

#[derive(Debug, Clone, Copy)]
struct Beat {
    last: Instant,
    limit: Duration,
}

/// The pulse of one loop. Dropping it ends the watch: a loop that has finished is not stale.
#[derive(Debug)]
pub struct Heartbeat {
    name: &'static str,
    limit: Duration,
    health: Health,
}

impl Health {
    /// A process that lives and waits for nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts to watch a loop that beats at least every `limit`.
    #[must_use = "dropping the heartbeat ends the watch"]
    pub fn heartbeat(&self, name: &'static str, limit: Duration) -> Heartbeat {
        let heartbeat = Heartbeat { name, limit, health: self.clone() };
        heartbeat.beat();
        heartbeat
    }

    /// Says whether `what` (`"broker"`, `"lake"`) is ready, and if not, why; the reason is shown to operators.
    pub fn set_ready(&self, what: &'static str, ready: bool, why: impl Into<String>) {
        self.with(|state| {
            if ready {
                state.unready.remove(what);
            } else {
                state.unready.insert(what, why.into());
            }
        });
    }

    /// The loops whose heartbeat is stale; none where the process lives.
    #[must_use]
    pub fn stale(&self) -> BTreeMap<&'static str, String> {
        self.stale_at(Instant::now())
    }

    fn stale_at(&self, now: Instant) -> BTreeMap<&'static str, String> {
        self.with(|state| {
            let age = |beat: &Beat| now.saturating_duration_since(beat.last);
            let stale = state.heartbeats.iter().filter(|(_, beat)| age(beat) > beat.limit);
            stale.map(|(name, beat)| (*name, format!("no heartbeat for {} s", age(beat).as_secs()))).collect()
        })
    }

    /// Whether every watched loop turns.
    #[must_use]
    pub fn live(&self) -> bool {
        self.stale().is_empty()
    }

    /// What the process waits for, and why; empty where it is ready.
    #[must_use]
    pub fn unready(&self) -> BTreeMap<&'static str, String> {
        self.with(|state| state.unready.clone())
    }

    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Heartbeat {
    /// Says that the loop turns.
    pub fn beat(&self) {
        let beat = Beat { last: Instant::now(), limit: self.limit };
        self.health.with(|state| state.heartbeats.insert(self.name, beat));
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.health.with(|state| state.heartbeats.remove(self.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heart_that_stops_is_stale_until_it_goes() {
        let (health, start) = (Health::new(), Instant::now());
        let poll = health.heartbeat("poll", Duration::from_secs(10));
        assert!(health.live());
        assert_eq!(health.stale_at(start + Duration::from_secs(9)), BTreeMap::new());
        let stale = health.stale_at(start + Duration::from_secs(3_600));
        assert_eq!(stale.keys().copied().collect::<Vec<_>>(), ["poll"]);
        drop(poll);
        assert_eq!(health.stale_at(start + Duration::from_secs(3_600)), BTreeMap::new());
    }

    #[test]
    fn a_beat_keeps_a_heart_fresh() {
        let health = Health::new();
        let poll = health.heartbeat("poll", Duration::ZERO);
        let after_start = Instant::now() + Duration::from_nanos(1);
        assert_eq!(health.stale_at(after_start).len(), 1);
        while Instant::now() < after_start {}
        poll.beat();
        assert_eq!(health.stale_at(after_start), BTreeMap::new());
    }

    #[test]
    fn reasons_are_kept_by_part() {
        let health = Health::new();
        health.set_ready("broker", false, "no answer");
        health.set_ready("lake", false, "probe is under way");
        health.set_ready("broker", true, "");
        assert_eq!(health.unready(), BTreeMap::from([("lake", "probe is under way".to_owned())]));
    }
}
