//! The series that are being scored, shared by the inference threads.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bolus_preprocess::Tensor;
use tokio::sync::oneshot;

use crate::error::InferenceError;

type Reply = oneshot::Sender<Result<Vec<f32>, InferenceError>>;

/// A series that is being scored.
struct Open {
    id: u64,
    tensor: Arc<Tensor>,
    scores: Vec<f32>,
    /// Slices handed to a thread.
    taken: usize,
    /// Slices scored.
    scored: usize,
    reply: Reply,
}

#[derive(Default)]
struct State {
    open: VecDeque<Open>,
    next_id: u64,
    closed: bool,
}

/// The part of a series in one batch.
pub(crate) struct Share {
    id: u64,
    tensor: Arc<Tensor>,
    range: Range<usize>,
}

impl Share {
    /// The slices of the share.
    pub fn slices(&self) -> impl Iterator<Item = &[f32]> {
        self.range.clone().filter_map(|index| self.tensor.slice(index))
    }
}

/// Series in the order of their arrival. The lock is held for bookkeeping only, never while the network runs.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    work: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state stays sound whatever panicked: every change is complete before anything that could.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a series. One without slices is answered at once.
    pub fn push(&self, tensor: Tensor, reply: Reply) {
        if tensor.slices == 0 {
            // A caller that has gone wants no answer; the same below.
            let _ = reply.send(Ok(Vec::new()));
            return;
        }
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        let scores = vec![0.0; tensor.slices];
        state.open.push_back(Open { id, tensor: Arc::new(tensor), scores, taken: 0, scored: 0, reply });
        drop(state);
        self.work.notify_all();
    }

    /// Lets the threads end once nothing is left to score.
    pub fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
    }

    /// Waits for work and takes up to `most` slices of the oldest series, across series; `None` when the queue is closed.
    pub fn next_batch(&self, most: usize) -> Option<Vec<Share>> {
        let mut state = self.lock();
        loop {
            state.open.retain(|series| !series.reply.is_closed());
            let shares = take(&mut state.open, most);
            if !shares.is_empty() {
                return Some(shares);
            }
            if state.closed {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Files the scores of a batch, in the order of its shares, and answers the series that are complete; an error
    /// answers every series of the batch.
    pub fn settle(&self, shares: &[Share], outcome: Result<Vec<f32>, InferenceError>) {
        let mut state = self.lock();
        let scores = match outcome {
            Ok(scores) => scores,
            Err(error) => return fail(&mut state.open, shares, &error.to_string()),
        };
        let mut rest = scores.as_slice();
        for share in shares {
            let (mine, others) = rest.split_at(share.range.len().min(rest.len()));
            rest = others;
            let Some(place) = state.open.iter().position(|series| series.id == share.id) else { continue };
            let series = &mut state.open[place];
            if let Some(target) = series.scores.get_mut(share.range.clone()) {
                target.copy_from_slice(mine);
            }
            series.scored += share.range.len();
            if series.scored == series.tensor.slices
                && let Some(done) = state.open.remove(place)
            {
                let _ = done.reply.send(Ok(done.scores));
            }
        }
    }
}

fn take(open: &mut VecDeque<Open>, most: usize) -> Vec<Share> {
    let mut room = most;
    let mut shares = Vec::new();
    for series in open.iter_mut() {
        let end = (series.taken + room).min(series.tensor.slices);
        if end > series.taken {
            room -= end - series.taken;
            shares.push(Share { id: series.id, tensor: Arc::clone(&series.tensor), range: series.taken..end });
            series.taken = end;
        }
    }
    shares
}

fn fail(open: &mut VecDeque<Open>, shares: &[Share], problem: &str) {
    for share in shares {
        let Some(place) = open.iter().position(|series| series.id == share.id) else { continue };
        if let Some(series) = open.remove(place) {
            let _ = series.reply.send(Err(InferenceError::Runtime(problem.to_owned())));
        }
    }
}
