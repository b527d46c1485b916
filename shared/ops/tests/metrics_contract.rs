//! The dashboard and the alert rules ask only for what `schemas/metrics.md` lists.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = include_str!("../../../schemas/metrics.md");
const DASHBOARD: &str = include_str!("../../../infra/grafana/bolus.json");
const ALERTS: &str = include_str!("../../../infra/prometheus/alerts.yml");
const SCRAPE: &str = include_str!("../../../infra/prometheus/prometheus.yml");

/// What Prometheus adds itself.
const OF_PROMETHEUS: [&str; 3] = ["instance", "job", "le"];

struct Metric {
    kind: String,
    labels: BTreeSet<String>,
}

fn listed() -> BTreeMap<String, Metric> {
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix("| `bolus_"));
    let metric = |row: &str| {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_end_matches('`')).collect();
        let [name, kind, labels, meaning, ..] = cells.as_slice() else { panic!("too few cells: {row}") };
        assert!(!meaning.is_empty(), "{name} has no meaning");
        let labels = labels.split(',').map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned).collect();
        (format!("bolus_{name}"), Metric { kind: (*kind).to_owned(), labels })
    };
    rows.map(metric).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

/// The metrics that an expression asks for, by the names in the table; the parts of a histogram are the histogram's.
fn asked(expression: &str, listed: &BTreeMap<String, Metric>) -> BTreeSet<String> {
    let name = |word: &str| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| word.strip_suffix(part));
        let histogram = base.filter(|base| listed.get(*base).is_some_and(|metric| metric.kind == "histogram"));
        histogram.unwrap_or(word).to_owned()
    };
    words(expression).filter(|word| word.starts_with("bolus_")).map(name).collect()
}

/// The labels that an expression names, in `by (…)` and before `=` in braces.
fn labels(expression: &str) -> BTreeSet<String> {
    let grouped = expression.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    let braces = expression.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let selected = braces.flat_map(|selector| selector.split(',')).filter_map(|pair| pair.split(['=', '!']).next());
    grouped.flat_map(words).chain(selected.map(str::trim)).map(str::to_owned).collect()
}

fn check(expression: &str, listed: &BTreeMap<String, Metric>) {
    let mut known: BTreeSet<String> = OF_PROMETHEUS.iter().map(|label| (*label).to_owned()).collect();
    for name in asked(expression, listed) {
        let metric = listed.get(&name).unwrap_or_else(|| panic!("{name} is not in schemas/metrics.md: {expression}"));
        let parts = metric.kind != "histogram" || expression.contains(&format!("{name}_"));
        assert!(parts, "{name} is a histogram and is told in parts: {expression}");
        known.extend(metric.labels.iter().cloned());
    }
    let unknown: Vec<_> = labels(expression).difference(&known).cloned().collect();
    assert!(unknown.is_empty(), "no metric has the labels {unknown:?}: {expression}");
}

fn dashboard_expressions() -> Vec<String> {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

fn alert_expressions() -> Vec<&'static str> {
    ALERTS.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect()
}

#[test]
fn the_table_is_well_formed_and_labels_tell_nobody_apart() {
    let listed = listed();
    assert!(listed.len() > 30, "{}", listed.len());
    for (name, metric) in &listed {
        assert!(["counter", "gauge", "histogram", "info"].contains(&metric.kind.as_str()), "{name}: {}", metric.kind);
        assert_eq!(metric.kind == "counter", name.ends_with("_total"), "{name}");
        for label in &metric.labels {
            let bounded = ["topic", "partition", "outcome", "status", "stage", "reason", "kind", "by", "version"];
            assert!(
                bounded.contains(&label.as_str()),
                "{name} has the label {label}: is it bounded, and nobody's identity?"
            );
        }
    }
}

#[test]
fn the_dashboard_asks_only_for_what_is_listed_and_shows_it_all() {
    let listed = listed();
    let expressions = dashboard_expressions();
    for expression in &expressions {
        check(expression, &listed);
    }
    let shown: BTreeSet<String> = expressions.iter().flat_map(|expression| asked(expression, &listed)).collect();
    let hidden: Vec<_> =
        listed.iter().filter(|(name, metric)| metric.kind != "info" && !shown.contains(*name)).collect();
    assert!(hidden.is_empty(), "not on the dashboard: {:?}", hidden.iter().map(|(name, _)| name).collect::<Vec<_>>());
}

#[test]
fn the_alerts_ask_only_for_what_is_listed() {
    let (listed, expressions) = (listed(), alert_expressions());
    assert_eq!(expressions.len(), ALERTS.matches("- alert: ").count(), "an expression on one line each");
    for expression in expressions {
        check(expression, &listed);
    }
}

#[test]
fn both_services_are_scraped_under_the_names_that_the_dashboard_knows() {
    for job in ["bolus-worker", "bolus-assembler"] {
        assert!(SCRAPE.contains(&format!("job_name: {job}")), "{job}");
    }
}

#[test]
fn a_wrong_name_or_label_is_noticed() {
    let listed = listed();
    for wrong in [
        "sum(rate(bolus_worker_comits_total[1m]))",
        "sum by (study) (bolus_worker_lag_records)",
        "rate(bolus_worker_commits_total{result=\"failed\"}[1m])",
        "rate(bolus_worker_stage_seconds[1m])",
    ] {
        assert!(std::panic::catch_unwind(|| check(wrong, &listed)).is_err(), "{wrong}");
    }
}
