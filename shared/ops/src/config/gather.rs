//! All that is wrong with a tree, where deserialization stops at the first of it.
//!
//! The tree is deserialized again and again, each time without what was refused before and with an empty value for what was
//! missing, until all the rest is taken. What is found so is never more than what is wrong: whatever follows from an earlier
//! failure is not told. It may be less in one case: where the type of a missing value takes no empty one, its whole table is set
//! aside.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::tree::{Failure, Node, Problem, Table, Value, dotted};

/// Beyond so many the rest of a file is not worth telling.
const MOST_ROUNDS: usize = 1_000;

/// What a tree holds, and what is wrong with it.
pub(super) struct Gathered<T> {
    /// The value, in which what was refused or missing has its default or is empty; none where that was not possible.
    pub(super) value: Option<T>,
    /// What is wrong.
    pub(super) failures: Vec<Failure>,
    /// The keys whose values are not those that were asked for.
    pub(super) refused: BTreeSet<String>,
}

/// Deserializes `root` and finds all failures; what is refused falls back to `defaults`, where they have it.
pub(super) fn gather<T: DeserializeOwned>(root: Node, defaults: &Node) -> Gathered<T> {
    let mut failures = Vec::new();
    let mut setting = Setting { root, defaults, refused: BTreeSet::new(), closed: BTreeSet::new() };
    for _ in 0..MOST_ROUNDS {
        let failure = match T::deserialize(setting.root.clone()) {
            Ok(value) => return Gathered { value: Some(value), failures, refused: setting.refused },
            Err(failure) => failure,
        };
        let way = failure.way();
        let (key, is_missing) = (failure.key(), matches!(failure.problem, Problem::Missing));
        let table = way.split_last().map_or(&way[..], |(_, table)| table);
        if is_missing && setting.is_missing(table) {
            // What the missing table lacks says more than that it is missing.
            failures.retain(|earlier: &Failure| !matches!(earlier.problem, Problem::Missing) || earlier.way() != table);
        }
        if setting.is_news(&way) {
            failures.push(failure);
        }
        setting.refused.insert(key);
        let goes_on = if is_missing { setting.fill(&way) } else { setting.refuse(&way) };
        if !goes_on {
            break;
        }
    }
    Gathered { value: None, failures, refused: setting.refused }
}

/// A tree from which what was refused is taken, bit by bit.
struct Setting<'a> {
    root: Node,
    defaults: &'a Node,
    refused: BTreeSet<String>,
    /// Of these the value was refused, or all was set aside: what is missing below them is no news.
    closed: BTreeSet<String>,
}

impl Setting<'_> {
    /// Whether an empty value stands at `way` for one that is missing.
    fn is_missing(&self, way: &[String]) -> bool {
        find(&self.root, way).is_some_and(|node| matches!(node.value, Value::Missing))
    }

    /// Whether a failure at `way` does not follow from an earlier one.
    fn is_news(&self, way: &[String]) -> bool {
        let is_below = (0..way.len()).any(|steps| self.closed.contains(&dotted(&way[..steps])));
        !is_below && !self.refused.contains(&dotted(way))
    }

    /// Takes the value at `way` away. False where nothing can be done.
    fn refuse(&mut self, way: &[String]) -> bool {
        let Some((_, table)) = way.split_last() else { return false };
        let instead = match find(&self.root, way).map(|node| &node.value) {
            // Even an empty value, or the default, is not taken: without its table it may go.
            None | Some(Value::Missing | Value::Refused) => return self.refuse(table),
            Some(_) if !self.closed.insert(dotted(way)) => return self.refuse(table),
            Some(_) => find(self.defaults, way).map_or(Value::Refused, |node| node.value.clone()),
        };
        self.put(way, instead)
    }

    /// Puts an empty value at `way`, where there is none.
    fn fill(&mut self, way: &[String]) -> bool {
        let Some((_, table)) = way.split_last() else { return false };
        if self.is_missing(table) {
            self.put(table, Value::Table(Table::new()));
        }
        self.put(way, Value::Missing)
    }

    fn put(&mut self, way: &[String], value: Value) -> bool {
        let Some((step, table)) = way.split_last() else { return false };
        let Some(table) = find_mut(&mut self.root, table) else { return false };
        match &mut table.value {
            Value::Table(entries) => {
                let origin = table.origin.clone();
                entries.entry(step.clone()).or_insert(Node { origin, value: Value::Refused }).value = value;
                true
            }
            Value::List(nodes) => match place(step).and_then(|place| nodes.get_mut(place)) {
                Some(node) => {
                    node.value = value;
                    true
                }
                None => false,
            },
            _ => false,
        }
    }
}

/// The place in a list that a step such as `[2]` means.
fn place(step: &str) -> Option<usize> {
    step.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn find<'a>(node: &'a Node, way: &[String]) -> Option<&'a Node> {
    let Some((step, rest)) = way.split_first() else { return Some(node) };
    let child = match &node.value {
        Value::Table(entries) => entries.get(step),
        Value::List(nodes) => place(step).and_then(|place| nodes.get(place)),
        _ => None,
    };
    find(child?, rest)
}

fn find_mut<'a>(node: &'a mut Node, way: &[String]) -> Option<&'a mut Node> {
    let Some((step, rest)) = way.split_first() else { return Some(node) };
    let child = match &mut node.value {
        Value::Table(entries) => entries.get_mut(step),
        Value::List(nodes) => place(step).and_then(|place| nodes.get_mut(place)),
        _ => None,
    };
    find_mut(child?, rest)
}
