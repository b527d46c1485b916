//! The layers of a configuration, the later over the earlier: file, environment, flags.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin};
use super::tree::{Failure, Node, Problem, Table, Value};

/// Between the steps of a key in an environment variable: `BOLUS_WORKER__LAKE__URL` is `lake.url`.
const STEP: &str = "__";

/// Gathers the layers of a configuration; [`Loader::load`] reads them.
#[derive(Debug)]
pub struct Loader {
    prefix: String,
    file: Option<File>,
    variables: Vec<(String, OsString)>,
    flags: Vec<(String, String, String)>,
}

/// The configuration file.
#[derive(Debug)]
enum File {
    Path(PathBuf),
    Text { name: String, content: String },
}

impl File {
    fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Text { name, .. } => name.clone(),
        }
    }
}

/// A configuration and where its values stand.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The configuration.
    pub value: T,
    origins: BTreeMap<String, Origin>,
}

impl<T> Loaded<T> {
    /// The error for a value that deserialized but will not do, such as a limit below another: names the dotted `key` and where
    /// it stands.
    #[must_use]
    pub fn invalid(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        let (key, problem) = (key.to_owned(), problem.into());
        match self.origin(&key).cloned() {
            Some(origin) => ConfigError::Invalid { key, origin, problem },
            None => ConfigError::Default { key, problem },
        }
    }

    /// Where the value of the dotted `key` stands; none for a default.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }
}

impl Loader {
    /// A loader whose environment variables start with `prefix` and two underscores: `BOLUS_WORKER__LAKE__URL`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), file: None, variables: Vec::new(), flags: Vec::new() }
    }

    /// Reads the TOML file at `path`, which must exist.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.file = Some(File::Path(path.as_ref().to_owned()));
        self
    }

    /// Takes TOML that is in memory, under `name` in messages.
    #[must_use]
    pub fn text(mut self, name: impl Into<String>, content: impl Into<String>) -> Self {
        self.file = Some(File::Text { name: name.into(), content: content.into() });
        self
    }

    /// Takes the variables with the loader's prefix, as from `std::env::vars_os()`; others and empty ones are passed over.
    #[must_use]
    pub fn environment(
        mut self,
        variables: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Self {
        let start = format!("{}{STEP}", self.prefix);
        for (name, value) in variables {
            let (Ok(name), value) = (name.into().into_string(), value.into()) else { continue };
            if name.starts_with(&start) && !value.is_empty() {
                self.variables.push((name, value));
            }
        }
        self
    }

    /// Sets the dotted `key` from the flag `flag` where the flag is given.
    #[must_use]
    pub fn flag(mut self, flag: impl Into<String>, key: impl Into<String>, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.flags.push((flag.into(), key.into(), value.to_string()));
        }
        self
    }

    /// Reads, merges and deserializes.
    ///
    /// # Errors
    /// The first thing wrong, by key and origin; see [`ConfigError`].
    pub fn load<T: DeserializeOwned>(self) -> Result<Loaded<T>, ConfigError> {
        let mut root = self.read_file()?;
        for (variable, value) in &self.variables {
            let key = variable.get(self.prefix.len() + STEP.len()..).unwrap_or_default().to_ascii_lowercase();
            let origin = Origin::Environment(variable.clone());
            let Some(text) = value.to_str() else {
                return Err(ConfigError::Invalid { key, origin, problem: "expected UTF-8 text".into() });
            };
            root.overlay(nested(&key.split(STEP).collect::<Vec<_>>(), text, &origin));
        }
        for (flag, key, text) in &self.flags {
            root.overlay(nested(&key.split('.').collect::<Vec<_>>(), text, &Origin::Flag(flag.clone())));
        }
        let mut origins = BTreeMap::new();
        note_origins("", &root, &mut origins);
        let value = T::deserialize(root).map_err(|failure| self.explain(failure))?;
        Ok(Loaded { value, origins })
    }

    fn read_file(&self) -> Result<Node, ConfigError> {
        let (name, content) = match &self.file {
            None => return Ok(Node { origin: file_line("the configuration", 1), value: Value::Table(Table::new()) }),
            Some(File::Text { name, content }) => (name.clone(), content.clone()),
            Some(File::Path(path)) => {
                let read = std::fs::read_to_string(path);
                let content = read.map_err(|source| ConfigError::Read { path: path.clone(), source })?;
                (path.display().to_string(), content)
            }
        };
        let table = DeTable::parse(&content).map_err(|error| {
            let line = line_of(&content, error.span().map_or(0, |span| span.start));
            ConfigError::Syntax { origin: file_line(&name, line), message: error.message().to_owned() }
        })?;
        let reader = TomlReader { name: name.as_str().into(), content: &content };
        Ok(Node { origin: file_line(&name, 1), value: reader.table(table.get_ref()) })
    }

    fn explain(&self, failure: Failure) -> ConfigError {
        let key = failure.key();
        let file = self.file.as_ref().map_or_else(|| "a configuration file".into(), File::name);
        match (failure.problem, failure.origin) {
            (Problem::Other(problem), Some(origin)) => ConfigError::Invalid { key, origin, problem },
            (Problem::Other(problem), None) => ConfigError::Default { key, problem },
            (Problem::Missing, _) => {
                let variable = format!("{}{STEP}{}", self.prefix, key.to_ascii_uppercase().replace('.', STEP));
                ConfigError::Missing { key, file, variable }
            }
        }
    }
}

/// A tree that holds `text` at the end of `steps`.
fn nested(steps: &[&str], text: &str, origin: &Origin) -> Node {
    let value = match steps.split_first() {
        None => Value::Text(text.to_owned()),
        Some((first, rest)) => Value::Table(Table::from([((*first).to_owned(), nested(rest, text, origin))])),
    };
    Node { origin: origin.clone(), value }
}

fn note_origins(key: &str, node: &Node, origins: &mut BTreeMap<String, Origin>) {
    origins.insert(key.to_owned(), node.origin.clone());
    if let Value::Table(entries) = &node.value {
        for (name, entry) in entries {
            note_origins(&if key.is_empty() { name.clone() } else { format!("{key}.{name}") }, entry, origins);
        }
    }
}

fn file_line(name: &str, line: usize) -> Origin {
    Origin::File { name: name.into(), line }
}

/// The line, from 1, of the byte at `offset`.
fn line_of(content: &str, offset: usize) -> usize {
    content.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// Turns parsed TOML into nodes that know their lines.
struct TomlReader<'a> {
    name: Arc<str>,
    content: &'a str,
}

impl TomlReader<'_> {
    fn table(&self, table: &DeTable<'_>) -> Value {
        let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
            let key: &std::borrow::Cow<'_, str> = key.get_ref();
            (key.clone().into_owned(), self.node(value))
        };
        Value::Table(table.iter().map(entry).collect())
    }

    fn node(&self, value: &toml::Spanned<DeValue<'_>>) -> Node {
        let origin = Origin::File { name: Arc::clone(&self.name), line: line_of(self.content, value.span().start) };
        let value = match value.get_ref() {
            DeValue::Table(table) => self.table(table),
            DeValue::Array(array) => Value::List(array.iter().map(|element| self.node(element)).collect()),
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::String(text) => Value::String(text.clone().into_owned()),
            DeValue::Datetime(moment) => Value::String(moment.to_string()),
            // Underscores are gone already; what does not fit 64 bits stays a string, which the field then refuses.
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                .map_or_else(|_| Value::String(digits.as_str().to_owned()), Value::Integer),
            DeValue::Float(digits) => {
                digits.as_str().parse().map_or_else(|_| Value::String(digits.as_str().to_owned()), Value::Float)
            }
        };
        Node { origin, value }
    }
}
