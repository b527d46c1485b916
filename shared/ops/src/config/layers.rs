//! The layers of a configuration, the later over the earlier: the program's defaults, file, environment, flags.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, ConfigErrors, Origin};
use super::gather::{Gathered, gather};
use super::loaded::{Loaded, Names};
use super::tree::{Failure, Node, Problem, Table, Value};

/// Between the steps of a key in an environment variable: `BOLUS_WORKER__LAKE__URL` is `lake.url`.
const STEP: &str = "__";

/// Gathers the layers of a configuration; [`Loader::read`] and [`Loader::load`] read them.
#[derive(Debug)]
pub struct Loader {
    prefix: String,
    defaults: Vec<(String, String)>,
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

impl Loader {
    /// A loader whose environment variables start with `prefix` and two underscores: `BOLUS_WORKER__LAKE__URL`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), defaults: Vec::new(), file: None, variables: Vec::new(), flags: Vec::new() }
    }

    /// Gives the dotted `key` a default of this program's, for a type that several programs share. It is read as a variable is.
    #[must_use]
    pub fn default_value(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.defaults.push((key.into(), value.into()));
        self
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
    /// Everything that is wrong, by key and origin; see [`ConfigError`].
    pub fn load<T: DeserializeOwned>(self) -> Result<T, ConfigErrors> {
        self.read().finish()
    }

    /// Reads, merges and deserializes, and leaves room for more checks. After a value that is refused the rest is looked at all the
    /// same; where the file is not there or is no TOML, nothing else is: what it lacks may stand in what could not be read.
    pub fn read<T: DeserializeOwned>(self) -> Loaded<T> {
        let names = self.names();
        let (file, errors) = self.read_file();
        if !errors.is_empty() {
            return Loaded::new(names, None, errors);
        }
        let defaults = self.defaults();
        let mut root = defaults.clone();
        root.overlay(file);
        let mut loaded = Loaded::new(names, None, Vec::new());
        self.overlay_variables(&mut root, &mut loaded);
        note_origins("", &root, &mut loaded.origins);
        let Gathered { value, failures, refused } = gather(root, &defaults);
        loaded.value = value;
        loaded.refused.extend(refused);
        let errors = failures.into_iter().map(|failure| explain(&loaded.names, failure));
        loaded.errors.extend(errors.collect::<Vec<_>>());
        loaded
    }

    fn names(&self) -> Names {
        let file = self.file.as_ref().map_or_else(|| "a configuration file".into(), File::name);
        Names { prefix: format!("{}{STEP}", self.prefix), step: STEP, file }
    }

    fn defaults(&self) -> Node {
        let mut root = Node { origin: Origin::Default, value: Value::Table(Table::new()) };
        for (key, text) in &self.defaults {
            root.overlay(nested(&key.split('.').collect::<Vec<_>>(), text, &Origin::Default));
        }
        root
    }

    /// Puts variables and flags on top, and notes what is wrong with the variables themselves.
    fn overlay_variables<T>(&self, root: &mut Node, loaded: &mut Loaded<T>) {
        for (variable, value) in &self.variables {
            let key = variable.get(self.prefix.len() + STEP.len()..).unwrap_or_default().to_ascii_lowercase();
            let (steps, origin) = (key.split(STEP).collect::<Vec<_>>(), Origin::Environment(variable.clone()));
            root.overlay(nested(&steps, &value.to_string_lossy(), &origin));
            if value.to_str().is_none() {
                let key = steps.join(".");
                loaded.refused.insert(key.clone());
                loaded.errors.push(ConfigError::Invalid { key, origin, problem: "expected UTF-8 text".into() });
            }
        }
        for (flag, key, text) in &self.flags {
            root.overlay(nested(&key.split('.').collect::<Vec<_>>(), text, &Origin::Flag(flag.clone())));
        }
    }

    fn read_file(&self) -> (Node, Vec<ConfigError>) {
        let empty = || Node { origin: file_line("the configuration", 1), value: Value::Table(Table::new()) };
        let (name, content) = match &self.file {
            None => return (empty(), Vec::new()),
            Some(File::Text { name, content }) => (name.clone(), content.clone()),
            Some(File::Path(path)) => match std::fs::read_to_string(path) {
                Ok(content) => (path.display().to_string(), content),
                Err(error) => {
                    return (empty(), vec![ConfigError::Read { path: path.clone(), reason: error.to_string() }]);
                }
            },
        };
        let (table, mut errors) = DeTable::parse_recoverable(&content);
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        let syntax = |error: toml::de::Error| {
            let line = line_of(&content, error.span().map_or(0, |span| span.start));
            ConfigError::Syntax { origin: file_line(&name, line), message: error.message().to_owned() }
        };
        let errors = errors.into_iter().map(syntax).collect();
        let reader = TomlReader { name: name.as_str().into(), content: &content };
        (Node { origin: file_line(&name, 1), value: reader.table(table.get_ref()) }, errors)
    }
}

fn explain(names: &Names, failure: Failure) -> ConfigError {
    let key = failure.key();
    match failure.problem {
        Problem::Missing => names.missing(key, String::new()),
        Problem::Other(problem) => {
            ConfigError::Invalid { key, origin: failure.origin.unwrap_or(Origin::Default), problem }
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
