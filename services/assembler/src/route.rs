//! The first stage: object topics → internal topic.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bolus_broker::{BrokerError, Control, ErrorKind, Record, Start, TopicPartition};
use bolus_ops::health::Heartbeat;
use futures::future::{BoxFuture, FutureExt, OptionFuture};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::acks::Acks;
use crate::beacon::Beacon;
use crate::member::{Member, TICK, wall_clock_ms};
use crate::meters::{Meters, PartitionLabels};
use crate::router::Router;

/// What the first stage is told.
#[derive(Debug)]
pub struct Settings {
    /// Deals with records.
    pub router: Arc<Router>,
    /// Records under way at most.
    pub in_flight: usize,
    /// How often the second stage is told how far this one is.
    pub tell_every: Duration,
    /// How long a revocation waits for what is under way.
    pub revoke: Duration,
    /// How long the end does.
    pub drain: Duration,
    /// What is counted.
    pub meters: Arc<Meters>,
    /// Says that the stage turns.
    pub heartbeat: Heartbeat,
}

/// A record that has been dealt with.
struct Done {
    partition: TopicPartition,
    generation: u64,
    offset: i64,
    result: Result<(), BrokerError>,
}

/// A partition that is owned.
struct Owned {
    generation: u64,
    acks: Acks,
    committed: Option<i64>,
}

struct Route {
    settings: Settings,
    member: Member,
    owned: HashMap<TopicPartition, Owned>,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Here, or on its round.
    beacon: Option<Beacon>,
    round: OptionFuture<BoxFuture<'static, Beacon>>,
    started: Instant,
    told: Instant,
}

/// Runs the stage until `cancel`, then finishes what is under way.
///
/// # Errors
/// What stops the process: the broker refuses us, or takes what has to be written in no way.
pub async fn run(settings: Settings, member: Member, beacon: Beacon, cancel: CancellationToken) -> Result<()> {
    let started = Instant::now();
    let mut route = Route {
        settings,
        member,
        owned: HashMap::new(),
        work: FuturesUnordered::new(),
        beacon: Some(beacon),
        round: None.into(),
        started,
        told: started,
    };
    let outcome = route.turn(&cancel).await;
    if outcome.is_ok() {
        let all: Vec<TopicPartition> = route.owned.keys().cloned().collect();
        route.settle(&all, route.settings.drain).await?;
    }
    route.commit();
    let left = route.member.leave().await;
    outcome.and(left)
}

impl Route {
    async fn turn(&mut self, cancel: &CancellationToken) -> Result<()> {
        let mut tick = tokio::time::interval(TICK);
        loop {
            let room = self.work.len() < self.settings.in_flight;
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                control = self.member.controls.recv() => self.control(control.context("the consumer has ended")?).await?,
                Some(done) = self.work.next() => self.done(done)?,
                Some(beacon) = &mut self.round => {
                    self.round = None.into();
                    self.beacon = Some(beacon);
                }
                _ = tick.tick() => self.tick(),
                record = self.member.records.recv(), if room => self.take(record.context("the consumer has ended")?),
            }
        }
    }

    async fn control(&mut self, control: Control) -> Result<()> {
        match control {
            Control::Assigned { partitions, generation, reply } => {
                self.settings.meters.rebalanced("assigned", count(&partitions));
                for partition in &partitions {
                    let owned = Owned { generation, acks: Acks::default(), committed: None };
                    self.owned.insert(partition.clone(), owned);
                }
                reply.send(partitions.into_iter().map(|partition| (partition, Start::Committed)).collect());
            }
            Control::Revoked { partitions, lost, reply } => {
                if !lost {
                    self.settle(&partitions, self.settings.revoke).await?;
                    self.commit();
                }
                self.settings.meters.rebalanced(if lost { "lost" } else { "revoked" }, -count(&partitions));
                for partition in &partitions {
                    self.owned.remove(partition);
                    self.settings.meters.lag.remove(&labels(partition));
                }
                reply.send(());
            }
            Control::Failed(error) if error.kind() == ErrorKind::Retry => {
                tracing::warn!(%error, "the consumer of the object topics is in trouble");
            }
            Control::Failed(error) => return Err(error).context("the consumer of the object topics has ended"),
        }
        Ok(())
    }

    fn take(&mut self, record: Record) {
        let now_ms = self.now_ms();
        let partition = record.topic_partition();
        let Some(owned) = self.owned.get_mut(&partition).filter(|owned| owned.generation == record.generation) else {
            return;
        };
        owned.acks.take(record.offset, record.timestamp_ms, now_ms);
        let router = Arc::clone(&self.settings.router);
        let work = async move {
            let result = router.route(&record).await;
            Done { partition, generation: record.generation, offset: record.offset, result }
        };
        self.work.push(work.boxed());
    }

    fn done(&mut self, done: Done) -> Result<()> {
        let Done { partition, generation, offset, result } = done;
        result.with_context(|| format!("record {partition}/{offset} cannot be passed on"))?;
        if let Some(owned) = self.owned.get_mut(&partition).filter(|owned| owned.generation == generation) {
            owned.acks.done(offset);
        }
        Ok(())
    }

    /// Waits, for at most `limit`, until nothing of `partitions` is under way.
    async fn settle(&mut self, partitions: &[TopicPartition], limit: Duration) -> Result<()> {
        let deadline = tokio::time::sleep(limit);
        tokio::pin!(deadline);
        while partitions.iter().any(|name| self.owned.get(name).is_some_and(|owned| !owned.acks.is_idle())) {
            tokio::select! {
                Some(done) = self.work.next() => self.done(done)?,
                () = &mut deadline => {
                    tracing::warn!("records are given up that are not passed on yet; they are read again");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn tick(&mut self) {
        self.settings.heartbeat.beat();
        self.commit();
        let lags: HashMap<TopicPartition, Option<i64>> = self.member.consumer.lag().into_iter().collect();
        for (partition, lag) in &lags {
            if let Some(lag) = lag {
                self.settings.meters.lag.get_or_create(&labels(partition)).set(*lag);
            }
        }
        if self.told.elapsed() >= self.settings.tell_every {
            self.tell(&lags);
        }
    }

    fn tell(&mut self, lags: &HashMap<TopicPartition, Option<i64>>) {
        let clock_ms = self.clock_ms();
        let at = self.owned.iter().map(|(partition, owned)| {
            let at_end = lags.get(partition) == Some(&Some(0));
            (partition.topic.to_string(), partition.partition, owned.acks.progress(at_end, clock_ms))
        });
        let at: Vec<(String, i32, i64)> = at.collect();
        if at.is_empty() {
            return;
        }
        // One round at a time: where the broker is slow the next one waits.
        if let Some(beacon) = self.beacon.take() {
            self.told = Instant::now();
            self.round = Some(beacon.tell(at).boxed()).into();
        }
    }

    fn commit(&mut self) {
        let new = self.owned.iter_mut().filter_map(|(partition, owned)| {
            let offset = owned.acks.committable().filter(|offset| owned.committed != Some(*offset))?;
            owned.committed = Some(offset);
            Some((partition.clone(), offset))
        });
        let offsets: Vec<(TopicPartition, i64)> = new.collect();
        self.member.commit(&offsets);
    }

    /// The present by the clock of the events: the wall clock, or what the records tell, carried on by the monotone clock,
    /// where that is ahead. So a wall clock that is set back holds nothing up, save while no record comes; one that is set
    /// forwards leaves the second stage to its own monotone clock until it is put right.
    fn clock_ms(&self) -> i64 {
        let now_ms = self.now_ms();
        self.owned.values().filter_map(|owned| owned.acks.event_clock_ms(now_ms)).fold(wall_clock_ms(), i64::max)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn count(partitions: &[TopicPartition]) -> i64 {
    i64::try_from(partitions.len()).unwrap_or(i64::MAX)
}

fn labels(partition: &TopicPartition) -> PartitionLabels {
    PartitionLabels { topic: partition.topic.to_string(), partition: partition.partition }
}
