//! The part of a service's configuration that says how it reads topics.

use std::time::Duration;

use bolus_ops::config::{ByteSize, Period, Problems};
use serde::{Deserialize, Serialize};

use crate::{BrokerConfig, ConsumerConfig};

/// Beyond the time that a service takes to let partitions go, before the consumer lets them go by itself.
const REVOKE_MARGIN: Duration = Duration::from_secs(5);
/// What librdkafka can be told to fetch ahead: 2,097,151 KiB.
const MOST_PREFETCH: u64 = (1 << 31) - 1024;
/// Least prefetch, librdkafka's unit.
const LEAST_PREFETCH: u64 = 1024;
/// Longest name of a topic. Source: Apache Kafka, org.apache.kafka.common.internals.Topic.
const LONGEST_TOPIC: usize = 249;

/// The `consumer` table of a service's configuration. The group is the service's own default.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerSettings {
    /// The consumer group, or what the names of several begin with.
    pub group: String,
    /// A lasting name of this process, unique in the group: a restart within `session_timeout` moves no partition.
    #[serde(default)]
    pub instance_id: Option<String>,
    /// A process not heard of for so long loses its partitions.
    #[serde(default = "default_session")]
    pub session_timeout: Period,
    /// Bytes of records that are fetched ahead, of each consumer.
    #[serde(default = "default_prefetch")]
    pub prefetch: ByteSize,
}

fn default_session() -> Period {
    Period::from_secs(45)
}

fn default_prefetch() -> ByteSize {
    ByteSize::from_mib(16)
}

impl ConsumerSettings {
    /// What of it will not do.
    #[must_use]
    pub fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        problems.add(&["group"], self.group.is_empty().then(|| "expected a name".into()));
        let session = self.session_timeout.0;
        let longest = ConsumerConfig::MAX_POLL_INTERVAL;
        let fits = Duration::from_millis(1) <= session && session <= longest;
        problems.add(&["session_timeout"], (!fits).then(|| format!("expected 1ms to {}s", longest.as_secs())));
        let fits = (LEAST_PREFETCH..=MOST_PREFETCH).contains(&self.prefetch.0);
        problems.add(&["prefetch"], (!fits).then(|| "expected 1 KiB to 2047 MiB".into()));
        problems
    }

    /// How a service reads `topics` as a member of `group`, if it takes as long as `revoke` to let partitions go.
    #[must_use]
    pub fn consumer(
        &self,
        broker: &BrokerConfig,
        group: impl Into<String>,
        topics: Vec<String>,
        revoke: Period,
    ) -> ConsumerConfig {
        ConsumerConfig {
            instance_id: self.instance_id.clone(),
            session_timeout: self.session_timeout.0,
            prefetch_bytes: self.prefetch.as_usize(),
            revoke_timeout: revoke.0.saturating_add(REVOKE_MARGIN),
            ..ConsumerConfig::new(broker.clone(), group, topics)
        }
    }
}

impl ConsumerConfig {
    /// What is wrong with the time that [`ConsumerSettings::consumer`] was told a revocation takes: the group would not wait so long.
    #[must_use]
    pub fn revoke_problem(&self) -> Option<String> {
        let longest = self.max_poll_interval.saturating_sub(self.assign_timeout).saturating_sub(REVOKE_MARGIN);
        let problem = || format!("expected less than {}s: the group does not wait longer", longest.as_secs());
        (!self.timeouts_fit()).then(problem)
    }
}

/// What keeps `name` from being the name of a topic.
#[must_use]
pub fn topic_problem(name: &str) -> Option<String> {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    let is_name = (1..=LONGEST_TOPIC).contains(&name.len()) && name.chars().all(legal) && !matches!(name, "." | "..");
    (!is_name).then(|| {
        format!("expected a topic's name, of letters, digits, dots, hyphens and underscores, found \"{name}\"")
    })
}

#[cfg(test)]
mod tests {
    use bolus_ops::config::{ConfigErrors, Loader};

    use super::*;

    fn read(toml: &str) -> Result<ConsumerSettings, ConfigErrors> {
        let mut loaded = Loader::new("TEST").default_value("group", "own").text("c.toml", toml).read();
        loaded.check(ConsumerSettings::problems);
        loaded.finish()
    }

    #[test]
    fn settings_become_a_consumer() {
        let settings = read("session_timeout = '6s'\nprefetch = '1 KiB'").unwrap();
        let broker = BrokerConfig::plaintext("a:1");
        let consumer = |revoke| settings.consumer(&broker, "g", vec!["t".into()], Period(revoke));
        let short = consumer(Duration::from_secs(10));
        assert_eq!(
            (settings.group.as_str(), short.revoke_timeout, short.prefetch_bytes),
            ("own", Duration::from_secs(15), 1024)
        );
        assert_eq!(short.revoke_problem(), None);
        for long in [Duration::from_secs(235), Duration::MAX] {
            assert!(consumer(long).revoke_problem().unwrap().starts_with("expected less than 235s"));
        }
    }

    #[test]
    fn what_the_library_would_not_take_is_refused() {
        let told = read("group = ''\nsession_timeout = '301s'\nprefetch = '2 GiB'").unwrap_err();
        assert_eq!(told.iter().count(), 3, "{told}");
        assert!(read("session_timeout = '0s'").is_err() && read("prefetch = 1023").is_err());
    }

    #[test]
    fn topics_have_names() {
        for name in ["a", "bolus.studies", "A_b-1"] {
            assert_eq!(topic_problem(name), None);
        }
        for name in ["", ".", "..", "a b", "^ct.*", "ü", &"a".repeat(250)] {
            assert!(topic_problem(name).is_some(), "{name}");
        }
    }
}
