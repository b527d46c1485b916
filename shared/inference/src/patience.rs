//! A bound on how long a network may take to load and to answer its reference.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::error::InferenceError;

/// How long a bundle's network may take, where nobody says otherwise, to load and to answer its reference: an EfficientNetB4 takes
/// some ten seconds on two busy cores.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// What `work` gives, on a thread of its own, where it ends within `limit`.
///
/// A network may hold loops, and be as large as its file; ONNX Runtime cannot be stopped in every one of its steps. So work that
/// takes longer is left to itself, and ends with the process: whoever gets the error has nothing to label with and ends.
///
/// # Errors
/// [`InferenceError::TooSlow`], and those of `work`.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    bundle: &str,
    work: impl FnOnce() -> Result<T, InferenceError> + Send + 'static,
) -> Result<T, InferenceError> {
    let (sender, receiver) = sync_channel(1);
    let spawned = std::thread::Builder::new().name("bolus-load".into()).spawn(move || {
        // Nobody listens after the limit.
        let _ = sender.send(work());
    });
    spawned.map_err(|error| InferenceError::Runtime(error.to_string()))?;
    match receiver.recv_timeout(limit) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => Err(InferenceError::TooSlow { bundle: bundle.to_owned(), limit }),
        Err(RecvTimeoutError::Disconnected) => Err(InferenceError::Stopped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_waited_for_only_so_long() {
        assert_eq!(within(PATIENCE, "b", || Ok(1)).unwrap(), 1);
        let (hold, held) = sync_channel::<()>(1);
        let slow = within(Duration::from_millis(1), "b", move || {
            let _ = held.recv();
            Ok(())
        });
        assert!(matches!(slow, Err(InferenceError::TooSlow { .. })));
        drop(hold);
        let panicked: Result<(), _> = within(PATIENCE, "b", || panic!("as asked"));
        assert!(matches!(panicked, Err(InferenceError::Stopped)));
    }
}
