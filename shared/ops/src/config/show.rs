//! A configuration as TOML that says where its values stand.

use std::collections::BTreeMap;

use serde::Serialize;
use toml_edit::{DocumentMut, Item, Table};

use super::error::Origin;
use crate::printable::{printable, printable_json};

/// `value` as TOML, each value that is no default with its origin as a comment. None where TOML cannot hold it.
pub(super) fn show<T: Serialize>(value: &T, origins: &BTreeMap<String, Origin>) -> Option<String> {
    let mut document: DocumentMut = toml::to_string(value).ok()?.parse().ok()?;
    comment("", document.as_table_mut(), origins);
    Some(printable_json(&document.to_string()).into_owned())
}

fn comment(key: &str, table: &mut Table, origins: &BTreeMap<String, Origin>) {
    for (name, item) in table.iter_mut() {
        let key = if key.is_empty() { name.get().to_owned() } else { format!("{key}.{}", name.get()) };
        match item {
            Item::Table(table) => comment(&key, table, origins),
            Item::Value(value) => {
                if let Some(told) = told(&key, origins) {
                    value.decor_mut().set_suffix(format!("  # {}", printable(&told)));
                }
            }
            Item::None | Item::ArrayOfTables(_) => {}
        }
    }
}

/// Where the value of `key` stands; a secret may stand in a file that another key names.
fn told(key: &str, origins: &BTreeMap<String, Origin>) -> Option<String> {
    let file = format!("{key}_file");
    match (origins.get(key), origins.get(&file)) {
        (Some(Origin::Default), _) => None,
        (Some(origin), _) => Some(origin.to_string()),
        (None, Some(origin)) => Some(format!("from the file that {file} names, {origin}")),
        (None, None) => None,
    }
}
