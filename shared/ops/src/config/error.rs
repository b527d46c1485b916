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
    /// Nowhere: it is the program's default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(formatter, "{name}:{line}"),
            Self::Environment(variable) => write!(formatter, "environment variable {variable}"),
            Self::Flag(flag) => write!(formatter, "flag {flag}"),
            Self::SecretFile(path) => write!(formatter, "secret file {}", path.display()),
            Self::Default => formatter.write_str("its default"),
        }
    }
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file could not be read.
    #[error("configuration file {} cannot be read: {reason}; give the path of a readable TOML file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The configuration file is not TOML.
    #[error("{origin}: not valid TOML: {message}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// What the parser says.
        message: String,
    },
    /// A key that has no default, or that another one needs, is nowhere.
    #[error("`{key}` is missing{why}: set it in {file} or by the environment variable {variable}")]
    Missing {
        /// The dotted key.
        key: String,
        /// Who needs it, in parentheses after a space; empty for what is always needed.
        why: String,
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
}

/// Everything that is wrong with a configuration: at least one error. Shown a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// None where there is no error.
    pub(super) fn of(errors: Vec<ConfigError>) -> Option<Self> {
        (!errors.is_empty()).then_some(Self(errors))
    }

    /// For a configuration that nothing is known of.
    pub(super) fn unreadable() -> Self {
        let problem = "the values cannot be read".to_owned();
        Self(vec![ConfigError::Invalid { key: String::new(), origin: Origin::Default, problem }])
    }

    /// Each error.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            write!(formatter, "{}{error}", if place == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
