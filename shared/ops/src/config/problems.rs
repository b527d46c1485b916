//! What a look at values that are of their types can find.

use std::fmt;

use super::Period;

/// What is wrong with the values of one table, each under its key in that table.
///
/// ```
/// # use bolus_ops::config::{Problems, at_least_one};
/// let mut problems = Problems::default();
/// problems.add(&["rows"], at_least_one(0));
/// problems.add(&["first", "last"], (3 > 2).then(|| "expected no more than last".into()));
/// assert_eq!(problems.first().unwrap().to_string(), "rows: expected at least 1");
/// ```
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

/// One of them.
#[derive(Debug)]
pub struct Problem {
    /// The key that it is about, and the others that it rests on.
    keys: Vec<String>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Invalid(String),
    Missing(String),
}

impl Problems {
    /// Notes `problem`, if there is one, about the first of `keys`. It rests on all of them: where one was refused for a reason of its
    /// own, it says nothing.
    pub fn add(&mut self, keys: &[&str], problem: Option<String>) {
        if let Some(problem) = problem {
            self.push(keys, Kind::Invalid(problem));
        }
    }

    /// Notes that the first of `keys` is to be set, and who needs it, where `is_missing`.
    pub fn need(&mut self, keys: &[&str], is_missing: bool, why: &str) {
        if is_missing {
            self.push(keys, Kind::Missing(why.to_owned()));
        }
    }

    /// Takes what is wrong with the table `name` of this one.
    pub fn table(&mut self, name: &str, problems: Self) {
        self.0.extend(problems.0.into_iter().map(|mut problem| {
            for key in &mut problem.keys {
                *key = format!("{name}.{key}");
            }
            problem
        }));
    }

    /// The first problem.
    #[must_use]
    pub fn first(&self) -> Option<&Problem> {
        self.0.first()
    }

    fn push(&mut self, keys: &[&str], kind: Kind) {
        self.0.push(Problem { keys: keys.iter().map(|key| (*key).to_owned()).collect(), kind });
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Problem {
    /// The key that it is about.
    #[must_use]
    pub fn key(&self) -> &str {
        self.keys.first().map_or("", String::as_str)
    }

    /// The keys that it rests on, its own among them.
    pub(super) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// What is wrong with the value; or who needs it, where it is missing.
    pub(super) fn invalid_or_missing(self) -> Result<String, String> {
        match self.kind {
            Kind::Invalid(problem) => Ok(problem),
            Kind::Missing(why) => Err(why),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Invalid(problem) => write!(formatter, "{}: {problem}", self.key()),
            Kind::Missing(why) => write!(formatter, "{} is missing: {why}", self.key()),
        }
    }
}

/// The problem of a number that must not be zero.
#[must_use]
pub fn at_least_one(number: usize) -> Option<String> {
    (number == 0).then(|| "expected at least 1".into())
}

/// The problem of a period that must not be zero.
#[must_use]
pub fn more_than_zero(period: Period) -> Option<String> {
    period.0.is_zero().then(|| "expected more than zero".into())
}
