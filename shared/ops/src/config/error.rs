//! What may be wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of the configuration file.
    File {
        /// The file as it was named.
        name: Arc<str>,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
    /// A file that holds one secret.
    SecretFile(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(formatter, "{name}:{line}"),
            Self::Environment(variable) => write!(formatter, "environment variable {variable}"),
            Self::Flag(flag) => write!(formatter, "flag {flag}"),
            Self::SecretFile(path) => write!(formatter, "secret file {}", path.display()),
        }
    }
}

/// The reason a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file could not be read.
    #[error("configuration file {} cannot be read: give the path of a readable TOML file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration file is not TOML.
    #[error("{origin}: not valid TOML: {message}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// What the parser says.
        message: String,
    },
    /// A key that has no default is nowhere.
    #[error("`{key}` is missing: set it in {file} or by the environment variable {variable}")]
    Missing {
        /// The dotted key.
        key: String,
        /// The configuration file as it was named, or what to call one.
        file: String,
        /// The variable that would set it.
        variable: String,
    },
    /// A key is unknown or its value is of no use.
    #[error("`{key}` ({origin}): {problem}")]
    Invalid {
        /// The dotted key.
        key: String,
        /// Where its value stands.
        origin: Origin,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A value that was set nowhere, a default then, does not fit the others.
    #[error("`{key}` (its default): {problem}")]
    Default {
        /// The dotted key.
        key: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}
