//! `schemas/labels.json` and the code agree.

use bolus_lake::SCHEMA_VERSION;
use serde_json::Value;

use crate::support::memory_lake;

fn contract() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/labels.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn type_text(value: &Value) -> String {
    match value {
        Value::String(name) => name.clone(),
        Value::Object(list) => match &list["list"] {
            Value::Array(fields) => {
                let fields = fields.iter().map(|field| format!("{} {}", name(field), type_text(&field["type"])));
                format!("list<struct<{}>>", fields.collect::<Vec<_>>().join(", "))
            }
            element => format!("list<{}>", type_text(element)),
        },
        other => panic!("{other}"),
    }
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap()
}

fn columns(table: &Value) -> Vec<(String, String)> {
    let columns = table["columns"].as_array().unwrap();
    columns.iter().map(|column| (name(column).to_owned(), type_text(&column["type"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_lists_every_column_of_the_table_and_of_each_view() {
    let contract = contract();
    assert_eq!(contract["version"], SCHEMA_VERSION);
    let lake = memory_lake().await;
    let views = contract["views"].as_array().unwrap();
    assert_eq!(views.len(), 3);
    for table in views.iter().chain([&contract["table"]]) {
        let found = lake.sql(&format!("SELECT * FROM {}", name(table))).await.unwrap();
        assert_eq!(found.column_types(), columns(table), "{}", name(table));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_states_which_columns_may_be_null_and_says_what_each_means() {
    let contract = contract();
    let lake = memory_lake().await;
    let query = "SELECT column_name, is_nullable FROM information_schema.columns WHERE table_name = 'labels'";
    let (_, found) = lake.sql(query).await.unwrap().to_table().await.unwrap();
    let columns = contract["table"]["columns"].as_array().unwrap();
    let expected: Vec<Vec<String>> = columns
        .iter()
        .map(|column| vec![name(column).to_owned(), if column["nullable"] == true { "YES" } else { "NO" }.to_owned()])
        .collect();
    assert_eq!(found, expected);
    assert!(columns.iter().all(|column| column["meaning"].as_str().is_some_and(|text| text.ends_with('.'))));
}
