//! The second stage: internal topic → study topic.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bolus_broker::{BrokerError, Control, ErrorKind, Record, Start, TopicPartition};
use bolus_ops::health::Heartbeat;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::assembly::{Assembly, Closed, Heard, Rules, Ticket};
use crate::member::{Member, TICK, wall_clock_ms};
use crate::meters::{ByLabel, Meters, PartitionLabels};
use crate::outbox::Outbox;
use crate::wire::{Internal, read};

/// Studies that one look at the time closes at most; more wait for the next.
const CLOSED_AT_ONCE: usize = 10_000;

/// What the second stage is told.
#[derive(Debug)]
pub struct Settings {
    /// When studies are closed.
    pub rules: Rules,
    /// Where to write.
    pub outbox: Outbox,
    /// The internal topic.
    pub internal: String,
    /// The study topic.
    pub studies: Arc<str>,
    /// Study events under way at most.
    pub in_flight: usize,
    /// How long a revocation waits for what is under way.
    pub revoke: Duration,
    /// How long the end does.
    pub drain: Duration,
    /// What is counted.
    pub meters: Arc<Meters>,
    /// Says that the stage turns.
    pub heartbeat: Heartbeat,
}

/// A study event that has been sent.
struct Sent {
    ticket: Ticket,
    result: Result<(), BrokerError>,
}

/// A partition that is owned.
struct Owned {
    generation: u64,
    committed: Option<i64>,
}

struct Assemble {
    settings: Settings,
    member: Member,
    assembly: Assembly,
    owned: HashMap<i32, Owned>,
    sends: FuturesUnordered<BoxFuture<'static, Sent>>,
    started: Instant,
}

/// Runs the stage until `cancel`, then waits for what is sent. Open studies are read again by the next owner.
///
/// # Errors
/// What stops the process: the broker refuses us, or takes a study event in no way.
pub async fn run(settings: Settings, member: Member, cancel: CancellationToken) -> Result<()> {
    let mut assemble = Assemble {
        assembly: Assembly::new(settings.rules),
        settings,
        member,
        owned: HashMap::new(),
        sends: FuturesUnordered::new(),
        started: Instant::now(),
    };
    let outcome = assemble.turn(&cancel).await;
    if outcome.is_ok() {
        assemble.settle(assemble.settings.drain).await?;
    }
    assemble.commit();
    let left = assemble.member.leave().await;
    outcome.and(left)
}

impl Assemble {
    async fn turn(&mut self, cancel: &CancellationToken) -> Result<()> {
        let mut tick = tokio::time::interval(TICK);
        loop {
            self.send_closed();
            let room = self.assembly.waiting() == 0;
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                control = self.member.controls.recv() => self.control(control.context("the consumer has ended")?).await?,
                Some(sent) = self.sends.next() => self.sent(sent)?,
                _ = tick.tick() => self.tick(),
                record = self.member.records.recv(), if room => self.take(&record.context("the consumer has ended")?),
            }
        }
    }

    async fn control(&mut self, control: Control) -> Result<()> {
        match control {
            Control::Assigned { partitions, generation, reply } => {
                self.settings.meters.rebalanced("assigned", count(&partitions));
                for TopicPartition { partition, .. } in &partitions {
                    self.assembly.assign(*partition, generation);
                    self.owned.insert(*partition, Owned { generation, committed: None });
                }
                reply.send(partitions.into_iter().map(|partition| (partition, Start::Committed)).collect());
            }
            Control::Revoked { partitions, lost, reply } => {
                if !lost {
                    self.settle(self.settings.revoke).await?;
                    self.commit();
                }
                self.settings.meters.rebalanced(if lost { "lost" } else { "revoked" }, -count(&partitions));
                for TopicPartition { partition, .. } in &partitions {
                    self.assembly.give_up(*partition);
                    self.owned.remove(partition);
                    self.settings.meters.lag.remove(&self.labels(*partition));
                }
                reply.send(());
            }
            Control::Failed(error) if error.kind() == ErrorKind::Retry => {
                tracing::warn!(%error, "the consumer of the internal topic is in trouble");
            }
            Control::Failed(error) => return Err(error).context("the consumer of the internal topic has ended"),
        }
        Ok(())
    }

    fn take(&mut self, record: &Record) {
        let (partition, offset, now_ms) = (record.partition, record.offset, self.now_ms());
        if self.owned.get(&partition).is_none_or(|owned| owned.generation != record.generation) {
            return;
        }
        match read(record.payload.as_deref().unwrap_or_default()) {
            Ok(Internal::Object(object)) => {
                if self.assembly.object(partition, offset, now_ms, &object) == Heard::Duplicate {
                    self.settings.meters.event("duplicate", 1);
                }
            }
            Ok(Internal::Progress(progress)) => self.assembly.progress(partition, offset, progress),
            Err(error) => {
                tracing::warn!(%error, partition, offset, "a record of the internal topic is none of ours");
                self.settings.meters.event("unreadable", 1);
                self.assembly.pass_over(partition, offset);
            }
        }
    }

    /// Sends what is closed, as far as there is room.
    fn send_closed(&mut self) {
        while self.sends.len() < self.settings.in_flight {
            let Some(closed) = self.assembly.next_closed() else { return };
            self.send(closed);
        }
    }

    fn send(&mut self, closed: Closed) {
        let (outbox, topic) = (self.settings.outbox.clone(), Arc::clone(&self.settings.studies));
        let (meters, begun) = (Arc::clone(&self.settings.meters), Instant::now());
        let span = tracing::info_span!("study ready", by = closed.why.code(), objects = closed.objects);
        let headers: Vec<_> =
            bolus_ops::telemetry::headers_of(&span).into_iter().map(|(name, value)| (name, value.into())).collect();
        let work = async move {
            let key = closed.event.partition_key();
            let result = outbox.write(&topic, key.as_bytes(), &closed.event.to_json(), &headers).await;
            if result.is_ok() {
                meters.ready.get_or_create(&ByLabel { by: closed.why.code() }).inc();
                meters.revisions.inc_by(u64::from(closed.event.revision > 0));
                meters.ready_delay.observe((closed.silent + begun.elapsed()).as_secs_f64());
            }
            Sent { ticket: closed.ticket, result: result.map(|_| ()) }
        };
        self.sends.push(tracing::Instrument::instrument(work, span).boxed());
    }

    fn sent(&mut self, sent: Sent) -> Result<()> {
        sent.result
            .with_context(|| format!("a study event of partition {} cannot be written", sent.ticket.partition))?;
        self.assembly.acknowledge(sent.ticket);
        Ok(())
    }

    /// Waits, for at most `limit`, until all that is closed is written.
    async fn settle(&mut self, limit: Duration) -> Result<()> {
        let deadline = tokio::time::sleep(limit);
        tokio::pin!(deadline);
        loop {
            self.send_closed();
            tokio::select! {
                biased;
                sent = self.sends.next() => match sent {
                    Some(sent) => self.sent(sent)?,
                    None => return Ok(()),
                },
                () = &mut deadline => {
                    tracing::warn!("study events are given up that are not written yet; their objects are read again");
                    return Ok(());
                }
            }
        }
    }

    fn tick(&mut self) {
        self.settings.heartbeat.beat();
        let room = CLOSED_AT_ONCE.saturating_sub(self.assembly.waiting());
        self.assembly.tick(self.now_ms(), room);
        self.commit();
        let meters = &self.settings.meters;
        let (studies, objects, _) = self.assembly.size();
        meters.open_studies.set(i64::try_from(studies).unwrap_or(i64::MAX));
        meters.open_objects.set(i64::try_from(objects).unwrap_or(i64::MAX));
        meters.watermark_delay.set(self.watermark_delay_seconds());
        for (partition, lag) in self.member.consumer.lag() {
            if let Some(lag) = lag {
                meters.lag.get_or_create(&self.labels(partition.partition)).set(lag);
            }
        }
    }

    /// How far the slowest partition's event time is behind the clock; infinite while one's is not known.
    fn watermark_delay_seconds(&self) -> f64 {
        let slowest = self.assembly.watermarks().map(|(_, watermark)| watermark.unwrap_or(i64::MIN)).min();
        match slowest.unwrap_or(i64::MAX) {
            i64::MIN => f64::INFINITY,
            watermark => Duration::from_millis(u64::try_from(wall_clock_ms().saturating_sub(watermark)).unwrap_or(0))
                .as_secs_f64(),
        }
    }

    fn commit(&mut self) {
        let mut offsets = Vec::new();
        for (partition, offset) in self.assembly.committable() {
            let Some(owned) = self.owned.get_mut(&partition).filter(|owned| owned.committed != Some(offset)) else {
                continue;
            };
            owned.committed = Some(offset);
            offsets.push((TopicPartition::new(self.settings.internal.as_str(), partition), offset));
        }
        self.member.commit(&offsets);
    }

    fn labels(&self, partition: i32) -> PartitionLabels {
        PartitionLabels { topic: self.settings.internal.clone(), partition }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn count(partitions: &[TopicPartition]) -> i64 {
    i64::try_from(partitions.len()).unwrap_or(i64::MAX)
}
