//! SQL: the views, the refusals, the outputs.

use bolus_lake::{ErrorKind, Lake, LakeError};

use crate::support::{KEEP, labelled, memory_lake, one, refused, rows};

async fn mixed_lake() -> Lake {
    let lake = memory_lake().await;
    let mut mixed = rows(0..3);
    mixed.push(refused(3));
    let mut other_bundle = labelled(4);
    other_bundle.series_uid = labelled(0).series_uid;
    other_bundle.bundle.name = "head".into();
    mixed.push(other_bundle);
    lake.append(&mixed, &KEEP).await.unwrap();
    lake
}

#[tokio::test(flavor = "multi_thread")]
async fn views_show_labels_slices_and_failures() {
    let lake = mixed_lake().await;
    assert_eq!(one(&lake, "SELECT count(*) FROM labels").await, "5");
    let counts = "SELECT count(*), min(scored_slices), max(positive_slices) FROM series_labels";
    assert_eq!(one(&lake, counts).await, "4|3|2");
    let slices =
        "SELECT count(*), min(z_mm), max(probability) FROM slice_scores WHERE series_instance_uid = '1.2.840.1'";
    assert_eq!(one(&lake, slices).await, "3|-3.0|0.75");
    let failures = "SELECT reason_code, reason, status FROM failures";
    assert_eq!(one(&lake, failures).await, "too_few_slices|2 slices, the bundle needs 8|refused");
    let nested = "SELECT declared_evidence[1]['rule'] FROM labels WHERE series_instance_uid = '1.2.840.1'";
    assert_eq!(one(&lake, nested).await, "agent-named");
    let joined = "SELECT count(*) FROM series_labels JOIN slice_scores USING (row_key)";
    assert_eq!(one(&lake, joined).await, "12");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_found_in_any_case_and_wrong_ones_are_explained() {
    let lake = mixed_lake().await;
    assert_eq!(one(&lake, "select Count(*) from LABELS where Status = 'labelled'").await, "4");
    let error = lake.sql("SELECT predicted_clas FROM labels").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Reject);
    assert!(error.to_string().contains("predicted_class"), "{error}");
    let error = lake.sql("SELECT * FROM label").await.unwrap_err();
    assert!(matches!(error, LakeError::Query(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_queries_are_run() {
    let lake = mixed_lake().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.csv");
    let path = file.display();
    std::fs::write(folder.path().join("secret.csv"), "a\n1\n").unwrap();
    let secret = folder.path().join("secret.csv").display().to_string();
    for query in [
        "DELETE FROM labels".to_owned(),
        "INSERT INTO labels SELECT * FROM labels".to_owned(),
        "UPDATE labels SET status = 'failed'".to_owned(),
        "DROP TABLE labels".to_owned(),
        "DROP VIEW failures".to_owned(),
        "CREATE TABLE x AS SELECT 1".to_owned(),
        "CREATE VIEW x AS SELECT 1".to_owned(),
        format!("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '{secret}'"),
        format!("COPY (SELECT 1) TO '{path}'"),
        format!("EXPLAIN ANALYZE COPY (SELECT 1) TO '{path}'"),
        format!("SELECT * FROM '{secret}'"),
        format!("SELECT * FROM read_csv('{secret}')"),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        "PREPARE x AS SELECT 1".to_owned(),
        "BEGIN".to_owned(),
        "SELECT 1; DROP TABLE labels".to_owned(),
    ] {
        let error = lake.sql(&query).await.err().unwrap_or_else(|| panic!("ran: {query}"));
        assert_eq!(error.kind(), ErrorKind::Reject, "{query}: {error}");
    }
    assert!(!file.exists());
    assert_eq!(one(&lake, "SELECT count(*) FROM labels").await, "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_written_as_json_lines_and_csv() {
    let lake = mixed_lake().await;
    let query = "SELECT manufacturer, probability, created_at, event, transfer_syntaxes FROM labels
                 WHERE series_instance_uid = '1.2.840.1'";
    let mut json = Vec::new();
    assert_eq!(lake.sql(query).await.unwrap().write_json_lines(&mut json).await.unwrap(), 1);
    let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(value["manufacturer"], "Maker, \"Co\"");
    assert_eq!(value["probability"], 0.9);
    assert_eq!(value["created_at"], "2025-06-15T15:06:40.000001Z");
    assert!(value["event"].is_null() && value.as_object().unwrap().contains_key("event"));
    assert_eq!(value["transfer_syntaxes"][1], "1.2.840.10008.1.2.4.90");

    let mut csv = Vec::new();
    assert_eq!(lake.sql(query).await.unwrap().write_csv(&mut csv).await.unwrap(), 1);
    let expected = "manufacturer,probability,created_at,event,transfer_syntaxes\n\
                    \"Maker, \"\"Co\"\"\",0.9,2025-06-15T15:06:40.000001Z,,\"[1.2.840.10008.1.2.1, 1.2.840.10008.1.2.4.90]\"\n";
    assert_eq!(String::from_utf8(csv).unwrap(), expected);
    let result = lake.sql("SELECT status, probability FROM labels").await.unwrap();
    assert_eq!(result.numeric_columns(), [false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_commits_fit_the_memory_of_a_query() {
    let lake = memory_lake().await;
    for commit in 0..300 {
        lake.append(&rows(commit * 4..commit * 4 + 4), &KEEP).await.unwrap();
    }
    for (view, expected) in [("series_labels", 1_200), ("slice_scores", 3_600), ("failures", 0)] {
        for order in ["", "ORDER BY row_key"] {
            let everything = lake.sql(&format!("SELECT * FROM {view} {order}")).await.unwrap();
            assert_eq!(everything.write_csv(&mut std::io::sink()).await.unwrap(), expected, "{view} {order}");
        }
    }
}
