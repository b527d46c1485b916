//! A value that knows where it stands, and its deserializer.

use std::collections::BTreeMap;
use std::collections::btree_map::IntoIter;
use std::fmt::Display;

use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::error::Origin;
use super::secret::MARKER;

/// A table's entries.
pub(super) type Table = BTreeMap<String, Node>;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// The kinds of values.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Table(Table),
    List(Vec<Node>),
    Boolean(bool),
    Integer(i64),
    Float(f64),
    String(String),
    /// From the environment or a flag: becomes what the field asks for.
    Text(String),
    /// Was refused, and is passed over as if it were not there.
    Refused,
    /// Stands for what is missing, so that the rest can be looked at: empty or zero, whatever the field asks for.
    Missing,
}

/// Why a value was refused, and the way to it, the innermost step first.
#[derive(Debug, thiserror::Error)]
#[error("{problem:?} at {steps:?}")]
pub(super) struct Failure {
    pub(super) steps: Vec<String>,
    pub(super) origin: Option<Origin>,
    pub(super) problem: Problem,
}

/// What a [`Failure`] is about.
#[derive(Debug)]
pub(super) enum Problem {
    Missing,
    Other(String),
}

impl Failure {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self { steps: Vec::new(), origin: None, problem: Problem::Other(problem.into()) }
    }

    /// The way to it, the outermost step first.
    pub(super) fn way(&self) -> Vec<String> {
        self.steps.iter().rev().cloned().collect()
    }

    /// Adds the step `step` that leads to it, and where it stands if nothing further in has said so.
    fn under(mut self, step: impl Into<String>, origin: &Origin) -> Self {
        self.steps.push(step.into());
        self.at(origin)
    }

    fn at(mut self, origin: &Origin) -> Self {
        self.origin.get_or_insert_with(|| origin.clone());
        self
    }

    /// The dotted key.
    pub(super) fn key(&self) -> String {
        dotted(&self.way())
    }
}

/// The key that a way leads to.
pub(super) fn dotted(way: &[String]) -> String {
    way.iter().fold(
        String::new(),
        |key, step| {
            if key.is_empty() || step.starts_with('[') { key + step } else { key + "." + step }
        },
    )
}

impl serde::de::Error for Failure {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}, found {found}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}, found {found}"))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("expected one of {}, found `{found}`", expected.join(", ")))
    }

    fn unknown_field(_field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("no such key; there are {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { steps: vec![field.to_owned()], origin: None, problem: Problem::Missing }
    }
}

impl Node {
    /// Puts `over` on top: tables are merged, anything else is replaced.
    pub(super) fn overlay(&mut self, over: Self) {
        match (&mut self.value, over.value) {
            (Value::Table(entries), Value::Table(others)) => {
                for (key, node) in others {
                    match entries.get_mut(&key) {
                        Some(entry) => entry.overlay(node),
                        None => drop(entries.insert(key, node)),
                    }
                }
            }
            (_, value) => *self = Self { origin: over.origin, value },
        }
    }

    fn is_refused(&self) -> bool {
        matches!(self.value, Value::Refused)
    }

    fn text(origin: &Origin, text: &str) -> Self {
        Self { origin: origin.clone(), value: Value::Text(text.to_owned()) }
    }

    /// What a missing value is taken for.
    fn or_if_missing(mut self, empty: Value) -> Self {
        if matches!(self.value, Value::Missing) {
            self.value = empty;
        }
        self
    }

    /// Reads a text as what the field asks for; any other value gives none.
    fn parsed<T: std::str::FromStr + Default>(&self, expected: &str) -> Option<Result<T, Failure>> {
        let text = match &self.value {
            Value::Text(text) => text,
            Value::Missing => return Some(Ok(T::default())),
            _ => return None,
        };
        let parsed = text.trim().parse();
        Some(parsed.map_err(|_| Failure::new(format!("expected {expected}, found \"{text}\"")).at(&self.origin)))
    }
}

/// Deserializes numbers and truth values: a text is parsed, anything else is for the visitor to judge.
macro_rules! parse_text {
    ($($method:ident $visit:ident $expected:literal)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            match self.parsed($expected) {
                Some(parsed) => visitor.$visit(parsed?).map_err(|failure: Failure| failure.at(&self.origin)),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Node {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let origin = self.origin;
        let result = match self.value {
            Value::Table(entries) => visitor.visit_map(Entries::new(entries)),
            Value::List(nodes) => visitor.visit_seq(Elements { nodes: nodes.into_iter().enumerate() }),
            Value::Boolean(value) => visitor.visit_bool(value),
            Value::Integer(value) => visitor.visit_i64(value),
            Value::Float(value) => visitor.visit_f64(value),
            Value::String(value) | Value::Text(value) => visitor.visit_string(value),
            Value::Refused | Value::Missing => Err(Failure::new("expected a value")),
        };
        result.map_err(|failure: Failure| failure.at(&origin))
    }

    parse_text! {
        deserialize_bool visit_bool "true or false"
        deserialize_i8 visit_i8 "a whole number from -128 to 127"
        deserialize_i16 visit_i16 "a whole number from -32768 to 32767"
        deserialize_i32 visit_i32 "a whole number"
        deserialize_i64 visit_i64 "a whole number"
        deserialize_u8 visit_u8 "a whole number from 0 to 255"
        deserialize_u16 visit_u16 "a whole number from 0 to 65535"
        deserialize_u32 visit_u32 "a whole number, zero or more"
        deserialize_u64 visit_u64 "a whole number, zero or more"
        deserialize_f32 visit_f32 "a number"
        deserialize_f64 visit_f64 "a number"
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.or_if_missing(Value::String(String::new())).deserialize_any(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.or_if_missing(Value::Table(Table::new())).deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        let readable_by_others = matches!(self.origin, Origin::File { .. } | Origin::Flag(_));
        if name == MARKER && readable_by_others {
            let problem = "a secret is taken from the environment or, by the same key with `_file` added, from a file";
            return Err(Failure::new(problem).at(&self.origin));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Failure> {
        if let Value::Text(text) = &self.value {
            let elements = text.split(',').map(str::trim).filter(|element| !element.is_empty());
            self.value = Value::List(elements.map(|element| Self::text(&self.origin, element)).collect());
        }
        self.or_if_missing(Value::List(Vec::new())).deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self = self.or_if_missing(Value::Table(Table::new()));
        if let Value::Table(entries) = &mut self.value {
            read_secret_files(entries, fields)?;
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let origin = self.origin;
        let result = match self.value {
            Value::String(variant) | Value::Text(variant) => {
                let variant: StringDeserializer<Failure> = variant.into_deserializer();
                visitor.visit_enum(variant)
            }
            Value::Table(entries) => visitor.visit_enum(MapAccessDeserializer::new(Entries::new(entries))),
            _ => Err(Failure::new("expected one of a set of words")),
        };
        result.map_err(|failure| failure.at(&origin))
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// Where a table holds `KEY_file`, and the struct knows `KEY` but not `KEY_file`, puts the file's content under `KEY`.
fn read_secret_files(entries: &mut Table, fields: &[&str]) -> Result<(), Failure> {
    entries.retain(|_, node| !node.is_refused());
    let given: Vec<String> = entries.keys().filter(|key| !fields.contains(&key.as_str())).cloned().collect();
    for name in given {
        let Some(key) = name.strip_suffix("_file").filter(|key| fields.contains(key)) else { continue };
        let Some(node) = entries.remove(&name) else { continue };
        if entries.contains_key(key) {
            return Err(Failure::new(format!("`{key}` is set as well: keep one of the two")).under(name, &node.origin));
        }
        let (Value::String(path) | Value::Text(path)) = node.value else {
            return Err(Failure::new("expected the path of a file").under(name, &node.origin));
        };
        let content = std::fs::read_to_string(&path)
            .map_err(|error| Failure::new(format!("{path} cannot be read: {error}")).under(&name, &node.origin))?;
        let text = content.strip_suffix('\n').map_or(content.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        entries.insert(key.to_owned(), Node::text(&Origin::SecretFile(path.into()), text));
    }
    Ok(())
}

/// A table on its way to a visitor.
struct Entries {
    rest: IntoIter<String, Node>,
    value: Option<(String, Node)>,
}

impl Entries {
    fn new(entries: Table) -> Self {
        Self { rest: entries.into_iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let Some((key, node)) = self.rest.find(|(_, node)| !node.is_refused()) else { return Ok(None) };
        let name: StringDeserializer<Failure> = key.clone().into_deserializer();
        let known = seed.deserialize(name).map_err(|failure| failure.under(&key, &node.origin))?;
        self.value = Some((key, node));
        Ok(Some(known))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let (key, node) = self.value.take().ok_or_else(|| Failure::custom("a value without its key"))?;
        let origin = node.origin.clone();
        seed.deserialize(node).map_err(|failure| failure.under(key, &origin))
    }
}

/// A list on its way to a visitor.
struct Elements {
    nodes: std::iter::Enumerate<std::vec::IntoIter<Node>>,
}

impl<'de> SeqAccess<'de> for Elements {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        let Some((index, node)) = self.nodes.find(|(_, node)| !node.is_refused()) else { return Ok(None) };
        let origin = node.origin.clone();
        seed.deserialize(node).map(Some).map_err(|failure| failure.under(format!("[{index}]"), &origin))
    }
}
