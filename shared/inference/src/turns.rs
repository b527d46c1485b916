//! Whose turn it is to keep cores busy, where several networks share a machine.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::options::EngineOptions;

/// How many batches may run at a time. Clones share the number.
///
/// Each engine has sessions for all cores, so that one alone uses them all; two that ran at once would take them from each other and
/// from decoding.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Free>);

#[derive(Debug)]
struct Free {
    count: Mutex<usize>,
    given_back: Condvar,
}

/// A turn, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Free);

impl Turns {
    /// As many as one engine with these options has sessions.
    #[must_use]
    pub fn of(options: &EngineOptions) -> Self {
        Self(Arc::new(Free { count: Mutex::new(options.cpu_sessions()), given_back: Condvar::new() }))
    }

    /// Waits for a turn. An engine alone never waits: it has a turn for each of its sessions.
    pub(crate) fn take(&self) -> Turn<'_> {
        let count = self.0.count.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.0.given_back.wait_while(count, |count| *count == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Turn(&self.0)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::runtime::{CudaOptions, DeviceChoice};

    #[test]
    fn no_more_run_at_a_time_than_there_are_turns() {
        let options = EngineOptions {
            device: DeviceChoice::Cpu,
            cuda: CudaOptions::default(),
            threads: 2,
            batch: None,
            scored: Arc::default(),
            on_batch: None,
        };
        let turns = Turns::of(&options);
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let turn = turns.take();
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        drop(turn);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 2);
    }
}
