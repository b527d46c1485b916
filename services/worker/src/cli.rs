//! The command line's arguments.

use std::path::PathBuf;

use bolus_ops::config::{ConfigError, Loader};
use clap::Parser;

use crate::config::{Config, ENVIRONMENT};

/// Label the studies that Kafka tells of, and commit the labels to the lake. Research use only.
///
/// What is given here wins over the environment (BOLUS_WORKER__LAKE__URL is lake.url), which wins over the file. The first
/// SIGTERM or SIGINT drains, a second ends the process at once; nothing is lost either way.
#[derive(Debug, Parser)]
#[command(name = "bolus-worker", version)]
pub struct Cli {
    /// The configuration, a TOML file. worker.example.toml lists the keys.
    #[arg(long, value_name = "FILE", env = "BOLUS_WORKER_CONFIG")]
    pub config: Option<PathBuf>,
    /// Check the configuration, and end.
    #[arg(long)]
    pub check_config: bool,
    /// The lake (lake.url).
    #[arg(long, value_name = "URL")]
    pub lake: Option<String>,
    /// The broker: host:port, several with commas (kafka.servers).
    #[arg(long, value_name = "SERVERS")]
    pub kafka: Option<String>,
    /// The consumer group (consumer.group).
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// A lasting name of this worker, unique in the group (consumer.instance_id).
    #[arg(long, value_name = "NAME")]
    pub instance_id: Option<String>,
    /// The bundle (model.name).
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Where metrics and health are served (http.listen).
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

impl Cli {
    /// Loads the configuration from the file, the environment and these arguments.
    ///
    /// # Errors
    /// [`ConfigError`] names the first key that is wrong.
    pub fn load(&self) -> Result<Config, ConfigError> {
        let loader = Loader::new(ENVIRONMENT);
        let loader = match &self.config {
            Some(path) => loader.file(path),
            None => loader,
        };
        Config::load(
            loader
                .environment(std::env::vars_os())
                .flag("--lake", "lake.url", self.lake.as_deref())
                .flag("--kafka", "kafka.servers", self.kafka.as_deref())
                .flag("--group", "consumer.group", self.group.as_deref())
                .flag("--instance-id", "consumer.instance_id", self.instance_id.as_deref())
                .flag("--model", "model.name", self.model.as_deref())
                .flag("--listen", "http.listen", self.listen.as_deref()),
        )
    }
}
