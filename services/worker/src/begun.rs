//! The marks of all partitions of this worker, kept at the broker: see [`crate::marks`].
//!
//! A mark is the metadata of the group's committed offset. It costs one request to the broker, which takes marks of all
//! partitions at once: while one is under way, more gather for the next. The offset beside it is advice as before; where a
//! partition begins is told by the lake.
//!
//! Invariant: an attempt begins only once the broker has its mark. Invariant: while a suspect is under way, nothing else is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bolus_broker::{BrokerError, Consumer, Note, TopicPartition};
use futures::future::BoxFuture;
use tokio::sync::{Notify, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, oneshot};
use tokio::task::JoinHandle;

use crate::backoff;
use crate::book::Ticket;
use crate::marks::{Company, Marks, Standing};

/// Where notes about partitions are kept.
pub trait Notes: Send + Sync + 'static {
    /// Replaces the notes of the partitions named; done once they would outlive this process.
    fn write(&self, notes: Vec<Note>) -> BoxFuture<'_, Result<(), BrokerError>>;
}

impl Notes for Consumer {
    fn write(&self, notes: Vec<Note>) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(self.commit_noted(notes))
    }
}

/// What this worker has begun.
#[derive(Clone)]
pub struct Begun {
    shared: Arc<Shared>,
}

struct Shared {
    /// The name of this process in notes.
    process: String,
    /// Deaths that make a killer.
    deaths: u32,
    partitions: Mutex<BTreeMap<TopicPartition, Kept>>,
    /// Told when something is to be written.
    wake: Notify,
    /// Held for reading by attempts in company, for writing by one that is alone.
    company: Arc<RwLock<()>>,
}

/// What is known of one partition.
struct Kept {
    /// The assignment whose records may begin; none once the partition goes.
    generation: Option<u64>,
    /// Where the lake says that it stands.
    stands: Option<i64>,
    marks: Marks,
    /// Whether the broker's note is another.
    changed: bool,
    /// Whoever waits until the broker has these marks.
    waiting: Vec<oneshot::Sender<()>>,
}

/// An attempt that has been marked; dropping it ends the attempt.
pub struct UnderWay {
    begun: Begun,
    ticket: Ticket,
    _company: Guard,
}

enum Guard {
    Others { _held: OwnedRwLockReadGuard<()> },
    Alone { _held: OwnedRwLockWriteGuard<()> },
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Begun").field("process", &self.shared.process).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for UnderWay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnderWay").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // The broker hears of it with the next note: until then the record would be a suspect, which costs little.
        self.begun.change(&self.ticket, |marks, offset| marks.pause(offset));
    }
}

impl Begun {
    /// Begins with nothing. `deaths` make a killer.
    #[must_use]
    pub fn new(deaths: u32) -> Self {
        use std::hash::{BuildHasher, Hasher};
        // Each state has keys of its own: all that is wanted of a random name here.
        let random = std::hash::RandomState::new().build_hasher().finish();
        let shared = Shared {
            process: format!("{random:016x}"),
            deaths: deaths.max(1),
            partitions: Mutex::default(),
            wake: Notify::new(),
            company: Arc::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts the task that writes to `notes`, until it is aborted.
    #[must_use]
    pub fn keep(&self, notes: Arc<dyn Notes>) -> JoinHandle<()> {
        let begun = self.clone();
        tokio::spawn(async move {
            loop {
                begun.shared.wake.notified().await;
                begun.write(notes.as_ref()).await;
            }
        })
    }

    /// Writes what has changed, until it is written or nobody wants it any more.
    async fn write(&self, notes: &dyn Notes) {
        let mut pauses = backoff::of_the_broker();
        let mut waiting = Vec::new();
        loop {
            let changed = self.draft(&mut waiting);
            if changed.is_empty() {
                break;
            }
            let partitions: Vec<TopicPartition> = changed.iter().map(|note| note.partition.clone()).collect();
            match notes.write(changed).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(%error, "the broker does not take the marks of what begins, trying again");
                    let mut all = self.partitions();
                    for partition in &partitions {
                        if let Some(kept) = all.get_mut(partition) {
                            kept.changed = true;
                        }
                    }
                }
            }
            pauses.wait().await;
        }
        for waiting in waiting {
            // Whoever waited may have gone.
            let _ = waiting.send(());
        }
    }

    /// The notes that are to be written, and whoever waits for them.
    fn draft(&self, waiting: &mut Vec<oneshot::Sender<()>>) -> Vec<Note> {
        let mut partitions = self.partitions();
        let changed = partitions.iter_mut().filter(|(_, kept)| kept.changed);
        let notes = changed.filter_map(|(partition, kept)| {
            kept.changed = false;
            waiting.append(&mut kept.waiting);
            // Nothing of the partition has landed or begun: there is nothing to say.
            let offset = kept.stands.or(kept.marks.lowest())?;
            let text = kept.marks.note(&self.shared.process, offset);
            Some(Note { partition: partition.clone(), offset, text })
        });
        notes.collect()
    }

    /// Takes a partition over: `note` is what the broker has about it, `stands` what the lake says. Gives the number of its
    /// suspects.
    pub fn assign(&self, partition: TopicPartition, generation: u64, stands: Option<i64>, note: &str) -> usize {
        let marks = Marks::read(note, &self.shared.process, stands);
        let suspects = marks.suspects();
        let kept = Kept { generation: Some(generation), stands, marks, changed: false, waiting: Vec::new() };
        self.partitions().insert(partition, kept);
        suspects
    }

    /// Drops all that is known of a partition, without a word to the broker: it is another's.
    pub fn forget(&self, partition: &TopicPartition) {
        self.partitions().remove(partition);
    }

    /// Lets nothing of `partitions` begin any more, and takes the marks of what was let go back from the broker. What their past
    /// says stays there for the next owner.
    pub async fn release(&self, partitions: Vec<TopicPartition>) {
        let mut written = Vec::new();
        {
            let mut all = self.partitions();
            for partition in &partitions {
                let Some(kept) = all.get_mut(partition) else { continue };
                kept.generation = None;
                kept.marks.pause_all();
                kept.changed = true;
                let (sender, receiver) = oneshot::channel();
                kept.waiting.push(sender);
                written.push(receiver);
            }
        }
        self.shared.wake.notify_one();
        for written in written {
            // An error says that the partition has been taken over or forgotten meanwhile.
            let _ = written.await;
        }
        let mut all = self.partitions();
        // One that has come back meanwhile has a generation.
        partitions.iter().for_each(|partition| {
            if all.get(partition).is_some_and(|kept| kept.generation.is_none()) {
                all.remove(partition);
            }
        });
    }

    /// The partitions that are known.
    #[must_use]
    pub fn known(&self) -> Vec<TopicPartition> {
        self.partitions().keys().cloned().collect()
    }

    /// The lake has everything of `partition` below `next`.
    pub fn landed(&self, partition: &TopicPartition, next: i64) {
        if let Some(kept) = self.partitions().get_mut(partition) {
            kept.stands = Some(next);
            kept.marks.landed(next);
            kept.changed = true;
        }
        self.shared.wake.notify_one();
    }

    /// What the past of a record says of it; none where its partition is a stranger's by now.
    #[must_use]
    pub fn standing(&self, ticket: &Ticket) -> Option<Standing> {
        let deaths = self.shared.deaths;
        Some(current(&mut self.partitions(), ticket)?.marks.standing(ticket.offset, deaths))
    }

    /// Begins an attempt: once the broker has its mark, and for a suspect once nothing else is under way. None where the
    /// record's partition has gone.
    pub async fn begin(&self, ticket: &Ticket) -> Option<UnderWay> {
        let lock = Arc::clone(&self.shared.company);
        let (held, company) = match self.standing(ticket)? {
            Standing::Clear => (Guard::Others { _held: lock.read_owned().await }, Company::Others),
            Standing::Suspect | Standing::Killer { .. } => {
                (Guard::Alone { _held: lock.write_owned().await }, Company::Alone)
            }
        };
        let (sender, written) = oneshot::channel();
        {
            let mut partitions = self.partitions();
            let kept = current(&mut partitions, ticket)?;
            kept.marks.begin(ticket.offset, company);
            kept.changed = true;
            kept.waiting.push(sender);
        }
        let under_way = UnderWay { begun: self.clone(), ticket: ticket.clone(), _company: held };
        self.shared.wake.notify_one();
        written.await.ok()?;
        // A note that nobody wants any more is not written.
        self.standing(ticket).map(|_| under_way)
    }

    /// The record has ended alive.
    pub fn end(&self, ticket: &Ticket) {
        let deaths = self.shared.deaths;
        self.change(ticket, |marks, offset| {
            // A killer's mark stays until its row has landed, or the next process would run it once more.
            if !matches!(marks.standing(offset, deaths), Standing::Killer { .. }) {
                marks.end(offset);
            }
        });
    }

    fn change(&self, ticket: &Ticket, change: impl FnOnce(&mut Marks, i64)) {
        if let Some(kept) = current(&mut self.partitions(), ticket) {
            change(&mut kept.marks, ticket.offset);
            kept.changed = true;
        }
    }

    /// Held for a few lines at a time.
    fn partitions(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, Kept>> {
        self.shared.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn current<'a>(partitions: &'a mut BTreeMap<TopicPartition, Kept>, ticket: &Ticket) -> Option<&'a mut Kept> {
    partitions.get_mut(&ticket.partition).filter(|kept| kept.generation == Some(ticket.generation))
}

#[cfg(test)]
#[path = "begun_tests.rs"]
mod tests;
