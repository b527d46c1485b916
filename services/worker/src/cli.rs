//! The command line's arguments.

use std::path::PathBuf;

use bolus_ops::config::{Loaded, Loader};
use clap::Parser;

use crate::config::{Config, ENVIRONMENT};

/// Label the studies that Kafka tells of, and commit the labels to the lake. Research use only.
///
/// What is given here wins over the environment (BOLUS_WORKER__LAKE__URL is lake.url), which wins over the file. The first
/// SIGTERM or SIGINT drains, a second ends the process at once; nothing is lost either way.
///
/// Exit status: 0 after a drain or a sound check; 2 where flags or configuration are wrong, which includes bundles, folders, key files
/// and certificates that are not there; 1 for whatever else ends it; 130 after a second signal.
#[derive(Debug, Parser)]
#[command(name = "bolus-worker", version)]
pub struct Cli {
    /// The configuration, a TOML file. worker.example.toml lists the keys.
    #[arg(long, value_name = "FILE", env = "BOLUS_WORKER_CONFIG")]
    pub config: Option<PathBuf>,
    /// Check the configuration and what it names on this machine, say all that is wrong, and end. No server is asked.
    #[arg(long)]
    pub check_config: bool,
    /// With --check-config: print the configuration in effect as TOML, with where its values stand and without secrets.
    #[arg(long, requires = "check_config")]
    pub show: bool,
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
    /// Reads the configuration from the file, the environment and these arguments.
    #[must_use]
    pub fn read(&self) -> Loaded<Config> {
        let loader = Loader::new(ENVIRONMENT);
        let loader = match &self.config {
            Some(path) => loader.file(path),
            None => loader,
        };
        Config::read(
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
