//! Which broker, and which topic.

use std::path::PathBuf;

use anyhow::Context;
use bolus_backfill::Sender;
use bolus_broker::BrokerConfig;
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

    /// A sender to the topic, which is there.
    pub async fn connect(&self) -> anyhow::Result<Sender> {
        let broker = self.broker()?;
        let sender = Sender::connect(&broker, &self.topic).await;
        sender.with_context(|| format!("cannot write to the topic {} of {}", self.topic, broker.servers))
    }
}
