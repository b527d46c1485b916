//! The command line.

use std::path::PathBuf;

use bolus_ops::config::{ConfigError, Loader};
use clap::Parser;

use crate::config::{Config, ENVIRONMENT};

/// Turns notifications about objects into study events, once a study is complete.
///
/// Flags win over environment variables (BOLUS_ASSEMBLER__STUDY__QUIET=30s), and these over the configuration file.
#[derive(Debug, Clone, Parser)]
#[command(name = "bolus-assembler", version, max_term_width = 100)]
pub struct Cli {
    /// TOML file with the configuration; see assembler.example.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration, say what is wrong with it, and end.
    #[arg(long)]
    pub check_config: bool,
    /// Kafka brokers, as host:port, with commas in between.
    #[arg(long, value_name = "SERVERS")]
    kafka: Option<String>,
    /// The stages to run: route, assemble or route,assemble.
    #[arg(long, value_name = "STAGES")]
    stages: Option<String>,
    /// Where to serve metrics and health.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl Cli {
    /// Loads the configuration from all its layers.
    ///
    /// # Errors
    /// [`ConfigError`] names the first key that is wrong, and where it stands.
    pub fn load(&self) -> Result<Config, ConfigError> {
        let mut loader = Loader::new(ENVIRONMENT).environment(std::env::vars_os());
        if let Some(path) = &self.config {
            loader = loader.file(path);
        }
        let loader = loader
            .flag("--kafka", "kafka.servers", self.kafka.as_ref())
            .flag("--stages", "stages", self.stages.as_ref())
            .flag("--listen", "http.listen", self.listen.as_ref())
            .flag("--log-level", "telemetry.log_level", self.log_level.as_ref());
        Config::load(loader)
    }
}
