//! What both stages do as members of their groups.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use bolus_broker::{Consumer, ConsumerConfig, Control, ControlEvents, Records, TopicPartition};

/// How often a stage looks at the time: closes studies, commits offsets, tells metrics.
pub const TICK: Duration = Duration::from_millis(250);
/// A stage that has not turned for so long is stuck.
pub const STUCK: Duration = Duration::from_secs(60);

/// The wall clock in milliseconds since 1970.
pub fn wall_clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A member of a consumer group.
#[derive(Debug)]
pub struct Member {
    /// Commits, and knows the lag.
    pub consumer: Consumer,
    /// What the group does to it.
    pub controls: ControlEvents,
    /// What it reads.
    pub records: Records,
}

impl Member {
    /// Joins the group.
    ///
    /// # Errors
    /// A configuration that is unfit.
    pub fn join(config: ConsumerConfig) -> Result<Self> {
        let group = config.group.clone();
        let (consumer, controls, records) =
            Consumer::start(config).with_context(|| format!("cannot join the group {group}"))?;
        Ok(Self { consumer, controls, records })
    }

    /// Commits offsets, each the next to read.
    pub fn commit(&self, offsets: &[(TopicPartition, i64)]) {
        if offsets.is_empty() {
            return;
        }
        if let Err(error) = self.consumer.commit(offsets) {
            tracing::warn!(%error, "offsets are not committed; records will be read again");
        }
    }

    /// Leaves the group; what is still owned is given up as it is, so offsets should be committed before.
    ///
    /// # Errors
    /// Those of the consumer.
    pub async fn leave(self) -> Result<()> {
        let Self { consumer, mut controls, records } = self;
        drop(records);
        let stopping = consumer.stop();
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                stopped = &mut stopping => return stopped.context("the consumer did not stop in order"),
                Some(control) = controls.recv() => {
                    if let Control::Revoked { reply, .. } = control {
                        reply.send(());
                    }
                }
            }
        }
    }
}
