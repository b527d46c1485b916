//! From the command line to the broker.

use std::path::PathBuf;

use anyhow::Context;
use bolus_broker::{Admin, BrokerConfig, BrokerError, Producer};
use bolus_events::StudyEvent;
use bolus_ops::config::Loader;
use clap::Args;
use serde::Deserialize;

/// The prefix of the environment variables: `BOLUS__KAFKA__SERVERS` is `kafka.servers`.
const ENVIRONMENT: &str = "BOLUS";

/// How to reach the broker, and what to write to.
#[derive(Debug, Args)]
pub struct BrokerArgs {
    /// The Kafka cluster: host:port, several with commas.
    #[arg(long, value_name = "SERVERS")]
    pub kafka: Option<String>,
    /// TOML file with a section `kafka`, such as the worker's: encryption, identity and librdkafka's settings.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The topic that study events are written to. The default is the lane of backfills, which never delays new studies.
    #[arg(long, value_name = "TOPIC", default_value = "bolus.studies.backfill")]
    pub topic: String,
}

/// The section of a configuration file that is read here; the file may be a service's, so others are passed over.
#[derive(Deserialize)]
struct Config {
    kafka: BrokerConfig,
}

impl BrokerArgs {
    fn broker(&self) -> anyhow::Result<BrokerConfig> {
        let mut loader = Loader::new(ENVIRONMENT);
        if let Some(file) = &self.config {
            loader = loader.file(file);
        }
        let loader = loader.environment(std::env::vars_os()).flag("--kafka", "kafka.servers", self.kafka.as_ref());
        let config =
            loader.load::<Config>().context("which Kafka? Give --kafka SERVERS, or --config FILE with [kafka]")?;
        Ok(config.kafka)
    }
}

/// Writes to one topic that exists.
#[derive(Debug, Clone)]
pub struct Sender {
    producer: Producer,
    topic: String,
}

impl Sender {
    /// Connects, and makes sure of the topic before anything is listed.
    pub async fn connect(args: &BrokerArgs) -> anyhow::Result<Self> {
        let broker = args.broker()?;
        let topic = args.topic.clone();
        Admin::start(&broker)?
            .topic_offsets(&topic)
            .await
            .with_context(|| format!("cannot write to the topic {topic} of {}", broker.servers))?;
        Ok(Self { producer: Producer::start(&broker)?, topic })
    }

    /// Writes a study event, under the key of its study.
    pub async fn send(&self, event: &StudyEvent) -> Result<(i32, i64), BrokerError> {
        self.producer.send(&self.topic, event.partition_key().as_bytes(), &event.to_json(), &[]).await
    }

    /// Writes a message as it is.
    pub async fn send_raw(&self, payload: &[u8]) -> Result<(i32, i64), BrokerError> {
        self.producer.send(&self.topic, &[], payload, &[]).await
    }
}
