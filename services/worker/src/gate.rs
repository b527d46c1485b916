//! A semaphore whose waiters stand in lanes: the first lane goes first, and keeps a few permits to itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Which queue an event stands in: 0 goes first.
pub type Lane = usize;

/// Permits for a bounded number of things done at a time.
///
/// A permit that comes free goes to the oldest waiter of the lowest lane. Lanes above 0 leave `reserved` permits alone, so that
/// work of lane 0 starts at once, however many long ones of other lanes are under way. While lane 0 has waiters, nobody else
/// gets a permit.
#[derive(Clone)]
pub struct Gate {
    state: Arc<Mutex<State>>,
}

struct State {
    free: usize,
    reserved: usize,
    closed: bool,
    lanes: Vec<VecDeque<oneshot::Sender<Permit>>>,
}

/// The right to go on; given back when dropped.
pub struct Permit {
    state: Option<Arc<Mutex<State>>>,
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permit")
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            lock(&state).free += 1;
            serve(&state);
        }
    }
}

impl Gate {
    /// A gate of `permits`, at least one, for `lanes` lanes; of several, all but the first leave `reserved` permits alone.
    #[must_use]
    pub fn new(permits: usize, lanes: usize, reserved: usize) -> Self {
        let permits = permits.max(1);
        let reserved = if lanes > 1 { reserved.min(permits - 1) } else { 0 };
        let lanes = (0..lanes.max(1)).map(|_| VecDeque::new()).collect();
        Self { state: Arc::new(Mutex::new(State { free: permits, reserved, closed: false, lanes })) }
    }

    /// Waits for a permit; none once the gate is closed.
    pub async fn enter(&self, lane: Lane) -> Option<Permit> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = lock(&self.state);
            if state.closed {
                return None;
            }
            let last = state.lanes.len() - 1;
            state.lanes[lane.min(last)].push_back(sender);
        }
        serve(&self.state);
        receiver.await.ok()
    }

    /// Lets nobody in any more: who waits gets none, who is inside goes on.
    pub fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.lanes.iter_mut().for_each(VecDeque::clear);
    }
}

impl State {
    /// The waiter who is next, with a permit taken for it.
    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        // Waiters that have gone are passed over here, in a loop: by their permits' drops it would be a recursion.
        for waiters in &mut self.lanes {
            while waiters.front().is_some_and(oneshot::Sender::is_closed) {
                waiters.pop_front();
            }
        }
        let (free, reserved) = (self.free, self.reserved);
        let lane = self.lanes.iter_mut().enumerate().find(|(_, waiters)| !waiters.is_empty())?;
        let allowed = if lane.0 == 0 { free > 0 } else { free > reserved };
        let waiter = allowed.then(|| lane.1.pop_front()).flatten()?;
        self.free -= 1;
        Some(waiter)
    }
}

/// Hands out what is free. The lock is not held while a permit is handed over: one that nobody takes comes back by its drop.
fn serve(state: &Arc<Mutex<State>>) {
    loop {
        let Some(waiter) = lock(state).next() else { return };
        // A waiter that has gone leaves the permit here, and its drop serves the others.
        let _ = waiter.send(Permit { state: Some(Arc::clone(state)) });
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use proptest::prelude::*;

    use super::*;

    fn poll(future: std::pin::Pin<&mut impl Future<Output = Option<Permit>>>) -> Option<Option<Permit>> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    #[test]
    fn the_first_lane_overtakes_and_keeps_its_reserve() {
        let gate = Gate::new(3, 2, 1);
        let mut slow: Vec<_> = (0..3).map(|_| Box::pin(gate.enter(1))).collect();
        let mut inside: Vec<Permit> = slow.iter_mut().filter_map(|waiter| poll(waiter.as_mut()).flatten()).collect();
        assert_eq!(inside.len(), 2, "one permit is reserved");
        let live = poll(pin!(gate.enter(0))).flatten().expect("the reserve is for lane 0");
        let mut second = pin!(gate.enter(0));
        assert!(poll(second.as_mut()).is_none());
        inside.pop();
        assert!(poll(second.as_mut()).flatten().is_some(), "a freed permit goes to lane 0 before the third of lane 1");
        drop(live);
        inside.clear();
        assert!(poll(slow[2].as_mut()).flatten().is_some());
    }

    #[test]
    fn a_closed_gate_lets_nobody_in() {
        let gate = Gate::new(1, 1, 0);
        let inside = poll(pin!(gate.enter(0))).flatten().unwrap();
        let mut waiting = pin!(gate.enter(0));
        assert!(poll(waiting.as_mut()).is_none());
        gate.close();
        drop(inside);
        assert!(matches!(poll(waiting.as_mut()), Some(None)));
        assert!(matches!(poll(pin!(gate.enter(0))), Some(None)));
    }

    proptest! {
        /// Waiters that come, go and give back in any order lose no permit and never get more than there are.
        #[test]
        fn no_permit_is_lost_or_invented(permits in 1..5_usize, steps in prop::collection::vec((0..4_u8, 0..2_usize, any::<usize>()), 0..120)) {
            let gate = Gate::new(permits, 2, 1);
            let mut waiting: Vec<std::pin::Pin<Box<dyn Future<Output = Option<Permit>>>>> = Vec::new();
            let mut inside: Vec<Permit> = Vec::new();
            for (what, lane, which) in steps {
                match what {
                    0 | 1 => {
                        let gate = gate.clone();
                        waiting.push(Box::pin(async move { gate.enter(lane).await }));
                    }
                    2 if !inside.is_empty() => drop(inside.swap_remove(which % inside.len())),
                    3 if !waiting.is_empty() => drop(waiting.swap_remove(which % waiting.len())),
                    _ => {}
                }
                waiting.retain_mut(|waiter| match waiter.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(permit) => { inside.extend(permit); false }
                    Poll::Pending => true,
                });
                prop_assert!(inside.len() <= permits);
            }
            waiting.clear();
            inside.clear();
            prop_assert_eq!(lock(&gate.state).free, permits);
        }
    }
}
