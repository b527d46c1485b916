//! Questions to the lake about row keys, asked together.
//!
//! Each look costs a refresh of the log and may read the key column of many files, whether it asks for one key or for
//! thousands. So questions that come while a look is under way wait, and share the next one.

use std::collections::HashSet;
use std::sync::Arc;

use bolus_lake::{ErrorKind, Lake, LakeError};
use bolus_study::RowKey;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::backoff;

/// Questions that share one look.
const TOGETHER: usize = 1_024;

/// A handle to the task that asks.
#[derive(Debug, Clone)]
pub struct Lookups {
    questions: mpsc::Sender<Question>,
}

#[derive(Debug)]
struct Question {
    keys: Vec<RowKey>,
    answer: oneshot::Sender<Answer>,
}

/// Which keys are there.
type Answer = Result<HashSet<RowKey>, LookupError>;

/// Why nobody can say which keys are there. Never the same as that none is: all would be labelled anew.
#[derive(Debug, Clone, Error)]
pub enum LookupError {
    /// The lake's own error, where waiting does not help.
    #[error(transparent)]
    Lake(Arc<LakeError>),
    /// The task that asks has ended.
    #[error("the task that asks the lake has ended")]
    Gone,
}

impl Lookups {
    /// Starts the task; it ends with the last handle.
    #[must_use]
    pub fn start(lake: Arc<Lake>) -> (Self, JoinHandle<()>) {
        let (questions, waiting) = mpsc::channel(TOGETHER);
        (Self { questions }, tokio::spawn(answer_all(lake, waiting)))
    }

    /// Which of `keys` are in the lake. Waits as long as the lake's store fails.
    ///
    /// # Errors
    /// The lake's, where waiting does not help; and that nobody asks it any more.
    pub async fn known(&self, keys: Vec<RowKey>) -> Answer {
        if keys.is_empty() {
            return Ok(HashSet::new());
        }
        let (answer, answered) = oneshot::channel();
        self.questions.send(Question { keys, answer }).await.map_err(|_| LookupError::Gone)?;
        answered.await.map_err(|_| LookupError::Gone)?
    }
}

async fn answer_all(lake: Arc<Lake>, mut waiting: mpsc::Receiver<Question>) {
    let mut questions = Vec::new();
    while waiting.recv_many(&mut questions, TOGETHER).await > 0 {
        let keys: HashSet<RowKey> = questions.iter().flat_map(|question| question.keys.iter().cloned()).collect();
        let keys: Vec<RowKey> = keys.into_iter().collect();
        let found = look(&lake, &keys).await;
        for Question { keys, answer } in questions.drain(..) {
            let mine = |known: &HashSet<RowKey>| keys.iter().filter(|key| known.contains(key)).cloned().collect();
            // Who asked may have gone.
            let _ = answer.send(found.as_ref().map(mine).map_err(Clone::clone));
        }
    }
}

async fn look(lake: &Lake, keys: &[RowKey]) -> Answer {
    let mut pauses = backoff::of_the_lake();
    loop {
        match lake.known_keys(keys).await {
            Ok(known) => return Ok(known),
            Err(error) if error.kind() == ErrorKind::Retry => {
                tracing::warn!(%error, "the lake does not answer which rows it has, trying again");
                pauses.wait().await;
            }
            Err(error) => return Err(LookupError::Lake(Arc::new(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use bolus_study::ContentDigest;

    use super::*;

    /// That the task has died must not read as a lake that has nothing.
    #[tokio::test]
    async fn who_gets_no_answer_is_told() {
        let key = || RowKey::of("1.2.3", &ContentDigest::of(Vec::new()), "bundle");
        let (questions, mut waiting) = mpsc::channel(1);
        let lookups = Lookups { questions };
        let dies = tokio::spawn(async move {
            // Takes the question and ends without an answer.
            drop(waiting.recv().await);
        });
        assert!(matches!(lookups.known(vec![key()]).await, Err(LookupError::Gone)));
        dies.await.unwrap();
        assert!(matches!(lookups.known(vec![key()]).await, Err(LookupError::Gone)));
    }
}
