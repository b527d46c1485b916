//! The command line.

use std::path::PathBuf;

use bolus_ops::config::{Loaded, Loader};
use clap::Parser;

use crate::config::{Config, ENVIRONMENT};

/// Turns notifications about objects into study events, once a study is complete.
///
/// Flags win over environment variables (BOLUS_ASSEMBLER__STUDY__QUIET=30s), and these over the configuration file.
///
/// Exit status: 0 after a drain or a sound check; 2 where flags or configuration are wrong, which includes key files and certificates
/// that are not there; 1 for whatever else ends it; 130 after a second signal.
#[derive(Debug, Clone, Parser)]
#[command(name = "bolus-assembler", version, max_term_width = 100)]
pub struct Cli {
    /// TOML file with the configuration; see assembler.example.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and what it names on this machine, say all that is wrong, and end. No server is asked.
    #[arg(long)]
    pub check_config: bool,
    /// With --check-config: print the configuration in effect as TOML, with where its values stand and without secrets.
    #[arg(long, requires = "check_config")]
    pub show: bool,
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
    /// Reads the configuration from all its layers.
    #[must_use]
    pub fn read(&self) -> Loaded<Config> {
        let mut loader = Loader::new(ENVIRONMENT).environment(std::env::vars_os());
        if let Some(path) = &self.config {
            loader = loader.file(path);
        }
        let loader = loader
            .flag("--kafka", "kafka.servers", self.kafka.as_ref())
            .flag("--stages", "stages", self.stages.as_ref())
            .flag("--listen", "http.listen", self.listen.as_ref())
            .flag("--log-level", "telemetry.log_level", self.log_level.as_ref());
        Config::read(loader)
    }
}
