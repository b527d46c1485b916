//! A JSON value that knows where it lies, so that an error can name the place without showing what is there.

use std::fmt;

use serde_json::Value;

use crate::{EventError, Problem};

/// The way from the message to a value, as a list that grows towards its head.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path<'a> {
    /// The message.
    Root,
    /// A field, by a name of ours: names that only the payload has never get here.
    Field(&'a Path<'a>, &'static str),
    /// An element of a list.
    Index(&'a Path<'a>, usize),
    /// What the string at this place holds.
    Inside(&'a Path<'a>),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("$"),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
            Self::Inside(parent) => write!(f, "{parent} → $"),
        }
    }
}

impl Path<'_> {
    pub(crate) fn error(&self, problem: Problem) -> EventError {
        EventError::new(problem, self)
    }
}

/// A value and the way to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a> {
    pub(crate) value: &'a Value,
    pub(crate) path: Path<'a>,
}

impl<'a> Node<'a> {
    pub(crate) fn new(value: &'a Value, path: Path<'a>) -> Self {
        Self { value, path }
    }

    pub(crate) fn error(&self, problem: Problem) -> EventError {
        self.path.error(problem)
    }

    /// The field `name`; null counts as missing.
    pub(crate) fn field(&'a self, name: &'static str) -> Option<Node<'a>> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Node::new(value, Path::Field(&self.path, name)))
    }

    /// The field `name`, which has to be there.
    pub(crate) fn required(&'a self, name: &'static str) -> Result<Node<'a>, EventError> {
        self.field(name).ok_or_else(|| Path::Field(&self.path, name).error(Problem::Missing))
    }

    /// The elements of a list.
    pub(crate) fn elements(&'a self) -> Result<impl Iterator<Item = Node<'a>>, EventError> {
        let list = self.value.as_array().ok_or_else(|| self.wrong_type("a list"))?;
        Ok(list.iter().enumerate().map(|(index, value)| Node::new(value, Path::Index(&self.path, index))))
    }

    /// The text, which may be empty.
    pub(crate) fn text(&self) -> Result<&'a str, EventError> {
        self.value.as_str().ok_or_else(|| self.wrong_type("text"))
    }

    /// The text, which may not be empty.
    pub(crate) fn non_empty_text(&self) -> Result<&'a str, EventError> {
        let text = self.text()?;
        if text.is_empty() { Err(self.error(Problem::Missing)) } else { Ok(text) }
    }

    /// The text of the field `name`; missing, null and empty are one.
    pub(crate) fn optional_text(&self, name: &'static str) -> Result<Option<String>, EventError> {
        match self.field(name) {
            Some(node) => Ok(Some(node.text()?).filter(|text| !text.is_empty()).map(str::to_owned)),
            None => Ok(None),
        }
    }

    /// The whole number of the field `name`, at most `limit`; missing and null are one.
    pub(crate) fn optional_number(&self, name: &'static str, limit: u64) -> Result<Option<u64>, EventError> {
        let Some(node) = self.field(name) else { return Ok(None) };
        if !node.value.is_number() {
            return Err(node.wrong_type("a number"));
        }
        match whole_number(node.value).filter(|number| *number <= limit) {
            Some(number) => Ok(Some(number)),
            None => Err(node.error(Problem::Invalid { expected: "a whole number within bounds" })),
        }
    }

    pub(crate) fn wrong_type(&self, expected: &'static str) -> EventError {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.error(Problem::WrongType { expected, found })
    }
}

/// The largest whole number that every reader of JSON keeps exactly: 2^53 − 1.
pub(crate) const MAX_EXACT: u64 = (1 << 53) - 1;

/// A number that is whole, however it is written: JSON knows no difference between 5 and 5.0.
fn whole_number(value: &Value) -> Option<u64> {
    if let Some(number) = value.as_u64() {
        return Some(number);
    }
    let number = value.as_f64()?;
    let is_exact = number.fract() == 0.0 && (0.0..=MAX_EXACT as f64).contains(&number);
    is_exact.then_some(number as u64)
}

/// The JSON of a message or of a string in a message.
pub(crate) fn decode(bytes: &[u8], path: &Path) -> Result<Value, EventError> {
    serde_json::from_slice(bytes)
        .map_err(|error| path.error(Problem::NotJson { line: error.line(), column: error.column() }))
}
