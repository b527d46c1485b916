//! DuckDB reads the live files and counts the same.

use std::process::Command;

use bolus_lake::Lake;

use crate::support::{KEEP, folder_url, local_store, one, refused, rows};

const SCRIPT: &str = "
import sys, duckdb
files = sys.argv[1:]
rows = duckdb.sql('''SELECT count(*), count(DISTINCT row_key), sum(len(slices)), sum(len(declared_evidence)),
    count(*) FILTER (status = 'refused'), max(created_at)::VARCHAR FROM read_parquet($files)''', params={'files': files})
print('|'.join(str(value) for value in rows.fetchall()[0]))
";

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_counts_the_same() {
    let Some(python) = bolus_testkit::servers::python(&["duckdb"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open_or_create(&folder_url(&folder), local_store(&folder)).await.unwrap();
    lake.append(&rows(0..20), &KEEP).await.unwrap();
    lake.append(&[refused(20), refused(21)], &KEEP).await.unwrap();
    let output = Command::new(&python).args(["-c", SCRIPT]).args(lake.files().await.unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout).unwrap();
    let ours = "SELECT count(*), count(DISTINCT row_key), sum(coalesce(array_length(slices), 0)),
                sum(array_length(declared_evidence)), count(*) FILTER (WHERE status = 'refused') FROM labels";
    assert!(found.starts_with(&format!("{}|", one(&lake, ours).await)), "{found}");
}
