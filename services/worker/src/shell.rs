//! The one task that owns the book: it takes events, hands them out, drafts commits and answers the group.
//!
//! Everything slow (studies, the lake, a position's reset) runs in tasks of its own and comes back as a message, so that
//! nothing here waits for anything but the next thing to happen.

mod leave;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bolus_broker::{BrokerError, Consumer, Control, ControlEvents, ErrorKind, Record, Records, TopicPartition};
use bolus_lake::LakeError;
use bolus_ops::ShutdownConfig;
use bolus_ops::health::Health;
use bolus_ops::telemetry;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::assignment::{self, Leaving, Started};
use crate::begun::{Begun, Notes};
use crate::book::{Book, Ended, Received, Ticket};
use crate::commit::{Committer, PartOutcome, Written};
use crate::config::{Config, FlushConfig, Topics};
use crate::failpoints;
use crate::message::Message;
use crate::meters::Meters;
use crate::outcome::Outcome;
use crate::rows::row_bytes;
use crate::study::{End, Finished, Patience, StudyHandler};

/// Records taken in one turn, so that nothing else waits for long.
const RECORDS_A_TURN: usize = 256;
/// The longest that a turn may take before the process counts as hanging.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How often gauges are set, and the least often that a turn is made.
const TICK: Duration = Duration::from_secs(1);
/// How long tasks that have been told to end may take to do so.
const LAST_TASKS: Duration = Duration::from_secs(3);
/// How long a complaint of the broker makes the worker unready.
const BROKER_UNREADY: Duration = Duration::from_secs(30);

/// An event task's last word.
struct Ending {
    ticket: Ticket,
    bytes: usize,
    end: End,
    timestamp_ms: Option<i64>,
    span: Span,
}

/// A slow step's last word.
enum Step {
    Started(Result<Started, LakeError>),
    Reset { partition: TopicPartition, stands: i64, note: String, generation: Result<u64, BrokerError> },
    Left,
    Written { took: Duration, written: Result<Vec<Written<Outcome>>, LakeError> },
}

/// What the shell is told of the configuration.
struct Settings {
    flush: FlushConfig,
    topics: Topics,
    shutdown: ShutdownConfig,
    memory: usize,
}

/// The worker's loop.
pub struct Shell {
    settings: Settings,
    handler: Arc<StudyHandler>,
    committer: Committer,
    consumer: Arc<Consumer>,
    begun: Begun,
    /// Writes the marks of what has begun.
    marking: JoinHandle<()>,
    control: ControlEvents,
    records: Records,
    meters: Arc<Meters>,
    health: Health,
    book: Book<Outcome>,
    patience: HashMap<TopicPartition, Patience>,
    events: JoinSet<Ending>,
    steps: JoinSet<Step>,
    /// Partitions whose position is being reset. Until that is known no record is taken: one of the new position could not be
    /// told from a stranger's, and dropping it would lose it.
    moving: HashSet<TopicPartition>,
    paused: HashSet<TopicPartition>,
    writing: bool,
    flush_at: Option<Instant>,
    leaving: Vec<Leaving>,
    draining: bool,
    broker_failed: Option<Instant>,
    next_tick: Instant,
}

impl Shell {
    /// Puts the parts together. Nothing is taken before [`Shell::run`].
    #[must_use]
    pub fn new(
        config: &Config,
        handler: Arc<StudyHandler>,
        committer: Committer,
        (consumer, control, records): (Consumer, ControlEvents, Records),
    ) -> Self {
        let (consumer, begun) = (Arc::new(consumer), handler.begun.clone());
        Self {
            marking: begun.keep(Arc::clone(&consumer) as Arc<dyn Notes>),
            begun,
            settings: Settings {
                flush: config.flush.clone(),
                topics: config.topics.clone(),
                shutdown: config.shutdown.clone(),
                memory: config.limits.memory.as_usize(),
            },
            meters: Arc::clone(&committer.meters),
            health: committer.health.clone(),
            handler,
            committer,
            consumer,
            control,
            records,
            book: Book::default(),
            patience: HashMap::new(),
            events: JoinSet::new(),
            steps: JoinSet::new(),
            moving: HashSet::new(),
            paused: HashSet::new(),
            writing: false,
            flush_at: None,
            leaving: Vec::new(),
            draining: false,
            broker_failed: None,
            next_tick: Instant::now(),
        }
    }

    /// Works until `shutdown`, then drains and leaves the group.
    ///
    /// # Errors
    /// What ends the process: the network, the lake or the broker cannot be used any more. Nothing is lost by it: what has
    /// not landed is read again.
    pub async fn run(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let heartbeat = self.health.heartbeat("intake", HEARTBEAT);
        let ended = loop {
            match self.turn(&shutdown).await {
                Ok(false) => heartbeat.beat(),
                Ok(true) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        drop(heartbeat);
        if ended.is_err() {
            // None of what is under way is the reason, so none of it is to be a suspect.
            let _ = tokio::time::timeout(LAST_TASKS, self.begun.release(self.begun.known())).await;
            return ended;
        }
        self.leave_group().await
    }

    /// Takes one thing that happens, and does what follows. True once drained.
    async fn turn(&mut self, shutdown: &CancellationToken) -> anyhow::Result<bool> {
        let deadline = self.next_deadline();
        let takes_records = self.takes_records();
        tokio::select! {
            biased;
            control = self.control.recv() => self.on_control(control.context("the consumer has ended")?)?,
            Some(step) = self.steps.join_next() => self.on_step(step)?,
            Some(ending) = self.events.join_next() => self.on_ending(ending)?,
            () = shutdown.cancelled(), if !self.draining => self.drain(),
            record = self.records.recv(), if takes_records => self.on_records(record.context("the consumer has ended")?),
            () = tokio::time::sleep_until(deadline) => {}
        }
        self.flush_if_due();
        self.balance_memory();
        self.tick();
        Ok(self.let_go())
    }

    fn takes_records(&self) -> bool {
        let held: usize = self.book.held().map(|(_, bytes)| bytes).sum();
        // Partitions pause at their shares; what they had in the channel still comes, up to this.
        self.moving.is_empty() && !self.draining && held < 2 * self.settings.memory
    }

    fn next_deadline(&self) -> Instant {
        let deadlines = self.leaving.iter().map(Leaving::next_deadline);
        let flush = self.flush_at.filter(|_| !self.writing);
        deadlines.chain(flush).chain([self.next_tick]).min().unwrap_or(self.next_tick)
    }

    fn on_control(&mut self, control: Control) -> anyhow::Result<()> {
        match control {
            Control::Assigned { partitions, generation, reply } => {
                self.meters.rebalance("assigned");
                tracing::info!(partitions = partitions.len(), "partitions are assigned");
                let (committer, consumer) = (self.committer.clone(), Arc::clone(&self.consumer));
                self.steps.spawn(async move {
                    Step::Started(assignment::read_progress(&committer, &consumer, partitions, generation, reply).await)
                });
            }
            Control::Revoked { partitions, lost, reply } => {
                failpoints::pass(failpoints::ON_REVOKE);
                self.meters.rebalance(if lost { "lost" } else { "revoked" });
                tracing::info!(partitions = partitions.len(), lost, "partitions are revoked");
                self.moving.retain(|partition| !partitions.contains(partition));
                if lost {
                    partitions.iter().for_each(|partition| self.forget(partition));
                    reply.send(());
                } else {
                    self.leave(Leaving::new(partitions, self.settings.shutdown.revoke.0, Some(reply)));
                }
            }
            Control::Failed(error) if error.kind() == ErrorKind::Retry => {
                tracing::warn!(%error, "the broker failed");
                self.broker_failed = Some(Instant::now());
                self.health.set_ready("broker", false, error.to_string());
            }
            Control::Failed(error) => return Err(error).context("cannot read from the broker"),
        }
        Ok(())
    }

    fn on_step(&mut self, step: Result<Step, JoinError>) -> anyhow::Result<()> {
        match step.context("a step of the worker failed")? {
            Step::Started(started) => {
                let started = started.context("cannot read the partitions' progress from the lake")?;
                for ((partition, stands), note) in started.stands.iter().zip(&started.notes) {
                    self.take_over(partition.clone(), started.generation, *stands, note);
                }
                started.answer();
            }
            Step::Left => {}
            Step::Reset { partition, stands, note, generation } => match generation {
                Ok(generation) if self.moving.remove(&partition) => {
                    self.take_over(partition, generation, Some(stands), &note);
                }
                Ok(_) => {}
                Err(error) => {
                    self.moving.remove(&partition);
                    tracing::info!(%error, %partition, "the partition has gone before it could be read again");
                }
            },
            Step::Written { took, written } => {
                self.writing = false;
                self.meters.stage("commit", took);
                self.on_written(written.context("cannot commit to the lake; what landed before is safe")?)?;
            }
        }
        Ok(())
    }

    fn take_over(&mut self, partition: TopicPartition, generation: u64, stands: Option<i64>, note: &str) {
        let lane = self.settings.topics.lane(&partition.topic);
        self.forget(&partition);
        let suspects = self.begun.assign(partition.clone(), generation, stands, note);
        if suspects > 0 {
            tracing::warn!(%partition, suspects, "a worker died while records were under way: they run alone");
            (0..suspects).for_each(|_| self.meters.retry("process"));
        }
        self.book.assign(partition.clone(), generation, stands, lane);
        if self.draining {
            self.book.leave(&partition);
        }
        self.patience.insert(partition, Patience::new());
    }

    /// Drops all that is known of a partition, and what is under way.
    fn forget(&mut self, partition: &TopicPartition) {
        self.end_patience(partition);
        self.begun.forget(partition);
    }

    /// Drops what is under way of a partition, and all that the book says of it.
    fn end_patience(&mut self, partition: &TopicPartition) {
        if let Some(patience) = self.patience.remove(partition) {
            patience.end();
        }
        self.paused.remove(partition);
        self.book.forget(partition);
    }

    fn on_records(&mut self, first: Record) {
        self.broker_answers();
        self.on_record(first);
        for _ in 1..RECORDS_A_TURN {
            let Some(record) = self.takes_records().then(|| self.records.try_recv()).flatten() else { break };
            self.on_record(record);
        }
    }

    fn on_record(&mut self, record: Record) {
        let partition = record.topic_partition();
        let ticket = Ticket { partition, generation: record.generation, offset: record.offset };
        let message = Message::of(&record);
        let bytes = message.payload.len();
        match self.book.receive(ticket, bytes, message.identity()) {
            Received::Begin(ticket) => self.begin(ticket, message, bytes, &record),
            Received::Repeated => self.meters.event(&record.topic, "duplicate"),
            Received::Known | Received::Stranger => {}
        }
    }

    fn begin(&mut self, ticket: Ticket, message: Message, bytes: usize, record: &Record) {
        let lane = self.settings.topics.lane(&ticket.partition.topic);
        let Some(patience) = self.patience.get(&ticket.partition).cloned() else { return };
        let span = tracing::info_span!("event", partition = %ticket.partition, offset = ticket.offset);
        telemetry::set_parent(&span, record.headers.iter().map(|(name, value)| (name.as_str(), value.as_ref())));
        let (handler, timestamp_ms) = (Arc::clone(&self.handler), record.timestamp_ms);
        let handled = span.clone();
        self.events.spawn(async move {
            let end = handler.handle(&ticket, message, lane, &patience).instrument(handled).await;
            Ending { ticket, bytes, end, timestamp_ms, span }
        });
    }

    fn on_ending(&mut self, ending: Result<Ending, JoinError>) -> anyhow::Result<()> {
        let Ending { ticket, bytes, end, timestamp_ms, span } = ending.context("an event's task failed")?;
        match end {
            End::Rows(Finished { rows, failed, outcome: kind }) => {
                self.begun.end(&ticket);
                let size = rows.iter().map(row_bytes).sum();
                let (count, topic) = (rows.len(), Arc::clone(&ticket.partition.topic));
                let value = Some(Outcome { rows, topic, kind, timestamp_ms, span });
                if !self.book.finish(&ticket, bytes, Ended { value, rows: count, bytes: size, failed }) {
                    tracing::debug!(partition = %ticket.partition, "an event ended after its partition had gone");
                }
            }
            End::GivenUp => self.book.give_up(&ticket),
            End::Fatal(error) => return Err(error),
        }
        Ok(())
    }

    /// Begins a commit where one is due and none is under way.
    fn flush_if_due(&mut self) {
        let ready = self.book.ready();
        if self.writing || ready.events == 0 {
            return;
        }
        let (flush, now) = (&self.settings.flush, Instant::now());
        let due_at = *self.flush_at.get_or_insert_with(|| now + assignment::shortened(flush.interval.0));
        let is_large =
            ready.rows >= flush.rows || ready.bytes >= flush.bytes.as_usize() || ready.events >= flush.events;
        if !is_large && now < due_at && !self.leaving.iter().any(|leaving| leaving.is_idle(&self.book)) {
            return;
        }
        failpoints::pass(failpoints::BEFORE_FLUSH);
        let parts = self.book.draft();
        (self.writing, self.flush_at) = (true, None);
        let committer = self.committer.clone();
        self.steps.spawn(async move {
            let start = Instant::now();
            // Each event's trace gets the commit that it waited for.
            let outcomes = parts.iter().flat_map(|part| &part.values);
            let spans: Vec<Span> =
                outcomes.map(|outcome| tracing::info_span!(parent: &outcome.span, "commit")).collect();
            let written = committer.write(parts, |outcome: &mut Outcome| std::mem::take(&mut outcome.rows)).await;
            drop(spans);
            Step::Written { took: start.elapsed(), written }
        });
    }

    fn on_written(&mut self, written: Vec<Written<Outcome>>) -> anyhow::Result<()> {
        for part in written {
            match part.outcome {
                PartOutcome::Landed => {
                    part.values.iter().for_each(|outcome| outcome.count(&self.meters));
                    failpoints::pass(failpoints::BEFORE_OFFSET_COMMIT);
                    if self.book.landed(&part.partition, part.generation, part.next) {
                        self.begun.landed(&part.partition, part.next);
                    }
                }
                PartOutcome::Fenced(found) => self.on_fenced(part.partition, part.generation, found)?,
            }
        }
        failpoints::pass(failpoints::AFTER_OFFSET_COMMIT);
        Ok(())
    }

    /// Another owner has moved a partition on: begins anew where the lake says, as long as the partition is ours.
    fn on_fenced(&mut self, partition: TopicPartition, generation: u64, found: Option<i64>) -> anyhow::Result<()> {
        if self.book.generation(&partition) != Some(generation) {
            return Ok(());
        }
        self.forget(&partition);
        let Some(stands) = found else { bail!("the lake no longer knows how far partition {partition} is") };
        if self.draining || self.leaving.iter().any(|leaving| leaving.holds(&partition)) {
            return Ok(());
        }
        self.moving.insert(partition.clone());
        let consumer = Arc::clone(&self.consumer);
        self.steps.spawn(async move {
            let note =
                assignment::read_notes(&consumer, std::slice::from_ref(&partition)).await.pop().unwrap_or_default();
            let generation = consumer.reset(&partition, stands).await;
            if let Err(error) = consumer.resume(std::slice::from_ref(&partition)) {
                tracing::debug!(%error, "the partition could not be resumed");
            }
            Step::Reset { partition, stands, note, generation }
        });
        Ok(())
    }

    /// Pauses partitions that hold more than their share of the memory, and resumes those that hold less than half of it.
    fn balance_memory(&mut self) {
        let share = self.settings.memory / self.book.partitions().count().max(1);
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for (partition, held) in self.book.held() {
            match self.paused.contains(partition) {
                false if held > share => pause.push(partition.clone()),
                true if held < share / 2 => resume.push(partition.clone()),
                _ => {}
            }
        }
        // A partition that goes meanwhile fails to pause, and is forgotten with its next event.
        if !pause.is_empty() && self.consumer.pause(&pause).is_ok() {
            self.paused.extend(pause);
        }
        if !resume.is_empty() && self.consumer.resume(&resume).is_ok() {
            resume.iter().for_each(|partition| {
                self.paused.remove(partition);
            });
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        if self.broker_failed.is_some_and(|failed| now - failed > BROKER_UNREADY) {
            self.broker_answers();
        }
        self.meters.follow(&self.handler.progress);
        self.meters.gauges(&self.book, self.paused.len(), &self.consumer.lag());
    }

    fn broker_answers(&mut self) {
        if self.broker_failed.take().is_some() {
            self.health.set_ready("broker", true, "");
        }
    }
}
