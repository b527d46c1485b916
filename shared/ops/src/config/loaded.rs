//! A configuration that was read, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::error::{ConfigError, ConfigErrors, Origin};
use super::problems::Problems;
use super::show::show;

/// A configuration, where its values stand, and what has been found wrong so far.
#[derive(Debug)]
pub struct Loaded<T> {
    /// None where too much is wrong to make one. Where something is wrong, the keys of `refused` have values that nobody asked for.
    pub(super) value: Option<T>,
    pub(super) names: Names,
    pub(super) origins: BTreeMap<String, Origin>,
    pub(super) refused: BTreeSet<String>,
    pub(super) errors: Vec<ConfigError>,
}

/// How files and variables are called in messages.
#[derive(Debug)]
pub(super) struct Names {
    /// What variables begin with.
    pub(super) prefix: String,
    /// What stands between the steps of a key in a variable.
    pub(super) step: &'static str,
    pub(super) file: String,
}

impl Names {
    /// The error for a key that is nowhere, and for whom it is needed.
    pub(super) fn missing(&self, key: String, why: String) -> ConfigError {
        let variable = format!("{}{}", self.prefix, key.to_ascii_uppercase().replace('.', self.step));
        ConfigError::Missing { key, why, file: self.file.clone(), variable }
    }
}

impl<T> Loaded<T> {
    pub(super) fn new(names: Names, value: Option<T>, errors: Vec<ConfigError>) -> Self {
        Self { value, names, origins: BTreeMap::new(), refused: BTreeSet::new(), errors }
    }

    /// Adds what a look at the values finds, such as a limit below another or a file that is not there. Problems that rest on a value
    /// which was refused are passed over.
    pub fn check(&mut self, look: impl FnOnce(&T) -> Problems) {
        let Some(value) = &self.value else { return };
        for problem in look(value) {
            if problem.keys().iter().any(|key| self.is_refused(key)) {
                continue;
            }
            let key = problem.key().to_owned();
            let error = match problem.invalid_or_missing() {
                Ok(problem) => {
                    let origin = self.origin(&key).cloned().unwrap_or(Origin::Default);
                    ConfigError::Invalid { key, origin, problem }
                }
                Err(why) => self.names.missing(key, format!(" ({why})")),
            };
            self.errors.push(error);
        }
    }

    /// Where the value of the dotted `key` stands; none where it is set nowhere.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }

    /// The configuration.
    ///
    /// # Errors
    /// Everything that was found wrong.
    pub fn finish(self) -> Result<T, ConfigErrors> {
        match (self.value, ConfigErrors::of(self.errors)) {
            (_, Some(errors)) => Err(errors),
            (Some(value), None) => Ok(value),
            // Not met: without a value there is an error.
            (None, None) => Err(ConfigErrors::unreadable()),
        }
    }

    /// Whether the value of `key`, of something in it or of the table that holds it, is not the one that was asked for.
    fn is_refused(&self, key: &str) -> bool {
        let secret_file = format!("{key}_file");
        self.refused.iter().any(|refused| {
            *refused == secret_file || refused == key || is_within(refused, key) || is_within(key, refused)
        })
    }
}

impl<T: Serialize> Loaded<T> {
    /// The configuration as it is in effect, as TOML: all values, with a comment that says where those stand that are not defaults.
    /// Secrets are `[secret]`. None where a value was refused, since another stands in its place.
    #[must_use]
    pub fn show(&self) -> Option<String> {
        let value = self.value.as_ref().filter(|_| self.refused.is_empty())?;
        show(value, &self.origins)
    }
}

/// Whether `key` is inside of what `outer` names.
fn is_within(key: &str, outer: &str) -> bool {
    key.strip_prefix(outer).is_some_and(|rest| outer.is_empty() || rest.starts_with(['.', '[']))
}
