//! The manifest's Rust type against `schemas/bundle.v2.schema.json`: what one takes, the other takes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bolus_inference::Manifest;
use jsonschema::Validator;
use serde_json::{Value, json};

/// What the schema's description leaves to the code: how whole numbers are written, and relations between values.
const BEYOND_THE_SCHEMA: [&str; 8] = [
    // JSON knows one kind of number, TOML two.
    "invalid type: floating point",
    "reference.expected: expected one number a reference slice",
    "preprocessing.kept_slices: expected first <= last < crop[0]",
    "preprocessing.clip_hu: expected a lower and a higher number",
    "decision.indeterminate: expected two rising numbers",
    "calibration.raw: expected strictly rising",
    "calibration.calibrated: expected numbers within 0 to 1 that never fall",
    "calibration.calibrated: expected one number for each of raw",
];

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../schemas/bundle.v2.schema.json")).unwrap()
}

fn validator() -> Validator {
    assert!(jsonschema::meta::is_valid(&schema()));
    jsonschema::draft202012::new(&schema()).unwrap()
}

/// Reads the JSON form of a manifest by way of TOML, as a file would be.
fn read(manifest: &Value) -> Result<Manifest, String> {
    Manifest::parse(&toml::to_string(manifest).map_err(|error| error.to_string())?)
}

/// Every place in `value`, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => return,
    };
    for (name, child) in children {
        let place = format!("{at}/{name}");
        found.push(place.clone());
        places(child, &place, found);
    }
}

/// Values at the edges of what some key allows.
fn edges() -> Vec<Value> {
    let texts = ["", ".", "..", "x", "X", "a/b", "a\\b", "bundle.toml", "min-max", "clip", "float16", "int8", "nhwc"];
    let more = ["platt", "identity", "isotonic", "pad", "refuse", "chest", "neck", &"0f".repeat(32), &"0g".repeat(32)];
    let numbers = [json!(-1), json!(0), json!(1), json!(2), json!(16), json!(17), json!(2048), json!(2049), json!(91)];
    let fractions = [json!(-0.5), json!(0.0), json!(0.25), json!(1.0), json!(1.5), json!(90.0), json!(1e30)];
    let lists = [json!([]), json!([0.5]), json!([0.1, 0.2]), json!([0.2, 0.1]), json!([1, 2, 3]), json!(["chest"])];
    let texts = texts.iter().copied().chain(more).map(|text| json!(text));
    texts.chain(numbers).chain(fractions).chain(lists).chain([json!(true), json!({})]).collect()
}

/// The manifest with the place set to `value`, or taken away where that is `None`.
fn changed(manifest: &Value, place: &str, value: Option<&Value>) -> Value {
    let mut manifest = manifest.clone();
    let (parent, name) = place.rsplit_once('/').unwrap();
    match (manifest.pointer_mut(parent).unwrap(), value) {
        (Value::Object(fields), Some(value)) => drop(fields.insert(name.to_owned(), value.clone())),
        (Value::Object(fields), None) => drop(fields.remove(name)),
        (Value::Array(items), Some(value)) => items[name.parse::<usize>().unwrap()] = value.clone(),
        (Value::Array(items), None) => drop(items.remove(name.parse().unwrap())),
        _ => unreachable!("{place} lies in no container"),
    }
    manifest
}

#[test]
fn every_example_of_the_schema_is_read_and_written_back() {
    let validator = validator();
    let schema = schema();
    let examples = schema["examples"].as_array().unwrap();
    assert!(!examples.is_empty());
    for example in examples {
        assert!(validator.is_valid(example), "{example}");
        let manifest = read(example).unwrap();
        let again = serde_json::to_value(&manifest).unwrap();
        assert!(validator.is_valid(&again), "{again}");
        assert_eq!(Manifest::parse(&manifest.to_toml().unwrap()), Ok(manifest));
    }
}

/// Every key of every example, taken away and set to each edge, and a key that nobody knows in every section.
#[test]
fn schema_and_type_refuse_the_same() {
    let validator = validator();
    let edges = edges();
    let values: Vec<Option<&Value>> = edges.iter().map(Some).chain([None]).collect();
    let (mut taken, mut refused) = (0, 0);
    for example in schema()["examples"].as_array().unwrap() {
        let mut found = vec!["/unknown".to_owned()];
        places(example, "", &mut found);
        let sections = example.as_object().unwrap().iter().filter(|(_, value)| value.is_object());
        found.extend(sections.map(|(name, _)| format!("/{name}/unknown")));
        for place in &found {
            for value in &values {
                if place.ends_with("/unknown") && value.is_none() {
                    continue;
                }
                let manifest = changed(example, place, *value);
                let (read, valid) = (read(&manifest), validator.is_valid(&manifest));
                let beyond = read.as_ref().is_err_and(|p| BEYOND_THE_SCHEMA.iter().any(|rule| p.contains(rule)));
                assert!(
                    read.is_ok() == valid || (valid && beyond),
                    "{place} = {value:?}: schema {valid}, code {:?}",
                    read.err()
                );
                taken += usize::from(valid);
                refused += usize::from(!valid);
            }
        }
    }
    assert!(taken > 100 && refused > 3_000, "{taken} taken, {refused} refused: the test has lost its edges");
}

/// The example that people copy from.
#[test]
fn the_example_of_the_description_is_read() {
    let text = include_str!("../../../schemas/bundle.md");
    let (_, after) = text.split_once("```toml\n").unwrap();
    let (example, _) = after.split_once("```").unwrap();
    let manifest =
        Manifest::parse(&example.replacen("sha256 = \"…\"", &format!("sha256 = {:?}", "0".repeat(64)), 1)).unwrap();
    assert!(validator().is_valid(&serde_json::to_value(&manifest).unwrap()));
}
