//! A query that costs too much ends by the name of its limit, and of the option that raises it.

use bolus_testkit::SyntheticSeries;

use crate::support::{bolus, data, label, sql, temp};

#[test]
fn a_query_that_costs_too_much_names_its_limit_and_the_option() {
    let folder = temp();
    let images = folder.path().join("images");
    SyntheticSeries::tiny("1.2.826.0.1.3680043.10.1700.77", 1).write(&images);
    let lake = folder.path().join("lake");
    let models = data().join("bundles");
    let run = label(&[&images], &lake, &["--model", "cheap", "--models", models.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.stderr);

    let refused = |query: &str, options: &[&str]| {
        let output =
            bolus().args(["sql", query, "--format", "csv", "--lake"]).arg(&lake).args(options).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{query}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let endless = "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t";
    let message = refused(endless, &["--timeout", "300ms"]);
    assert!(message.contains("within 0.3 s") && message.contains("--timeout"), "{message}");
    let message = refused("SELECT * FROM generate_series(1, 100000)", &["--max-rows", "1000"]);
    assert!(message.contains("more than 1000 rows") && message.contains("--max-rows"), "{message}");
    let message = refused("SELECT length(repeat('a', 2000000000))", &[]);
    assert!(message.contains("memory") && message.contains("--memory"), "{message}");
    let message = refused(&format!("SELECT {}", vec!["1"; 8_000].join("+")), &[]);
    assert!(message.contains("the limit is 2000"), "{message}");
    let output = bolus().args(["sql", "SELECT 1", "--memory", "1 MiB", "--lake"]).arg(&lake).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("at least 64 MiB"), "{output:?}");
    assert_eq!(sql(&lake, "SELECT count(*) AS n FROM series_labels")[0]["n"].as_u64(), Some(1));
}
