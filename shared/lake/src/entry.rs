//! What this crate writes into, and reads from, an entry of the table's log.

use bolus_study::RowKey;
use object_store::path::Path;
use serde_json::Value;

use crate::error::LakeError;

/// The field of `commitInfo` with the commit's identifier.
pub(crate) const COMMIT_ID: &str = "bolus.commitId";

/// The field of `commitInfo` with the keys of the rows that the commit adds.
pub(crate) const ROW_KEYS: &str = "bolus.rowKeys";

/// Keys that a commit names at most. A larger one names none, and who needs to know reads its files.
pub(crate) const KEYS_NAMED: usize = 4_096;

/// The parts of a log entry that appends need.
#[derive(Debug, Default)]
pub(crate) struct LogEntry {
    /// The identifier that the writer gave the commit; none for other programs' commits.
    pub commit_id: Option<String>,
    /// The keys of the rows that were added, where the commit names them.
    pub row_keys: Option<Vec<RowKey>>,
    /// The files that the commit adds with new rows: path in the table, size in bytes.
    pub added: Vec<(Path, Option<u64>)>,
    /// The transactions that the commit moves, with their new versions.
    pub transactions: Vec<(String, i64)>,
    /// Whether rows are taken away, which this program never does.
    pub takes_rows_away: bool,
    /// Whether the table's schema, properties or protocol change, which this program never does.
    pub redefines_table: bool,
}

impl LogEntry {
    /// Reads an entry: one JSON object a line.
    pub fn parse(version: u64, bytes: &[u8]) -> Result<Self, LakeError> {
        let broken = |what: String| LakeError::Log { version, what };
        let mut entry = Self::default();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            let action: Value = serde_json::from_slice(line).map_err(|error| broken(error.to_string()))?;
            if let Some(info) = action.get("commitInfo") {
                entry.commit_id = info.get(COMMIT_ID).and_then(Value::as_str).map(str::to_owned);
                entry.row_keys = info.get(ROW_KEYS).and_then(Value::as_array).map(|keys| stored_keys(keys));
            }
            if let Some(add) = action.get("add").filter(|add| add.get("dataChange") != Some(&Value::Bool(false))) {
                let path =
                    add.get("path").and_then(Value::as_str).ok_or_else(|| broken("an add names no file".into()))?;
                let path = Path::from_url_path(path).map_err(|error| broken(error.to_string()))?;
                entry.added.push((path, add.get("size").and_then(Value::as_u64)));
            }
            if let Some(transaction) = action.get("txn") {
                let app_id = transaction.get("appId").and_then(Value::as_str);
                let moved = app_id.zip(transaction.get("version").and_then(Value::as_i64));
                let (app_id, to) = moved.ok_or_else(|| broken("a transaction has no version".into()))?;
                entry.transactions.push((app_id.to_owned(), to));
            }
            let changes_rows = |remove: &Value| remove.get("dataChange") != Some(&Value::Bool(false));
            entry.takes_rows_away |= action.get("remove").is_some_and(changes_rows);
            entry.redefines_table |= action.get("metaData").is_some() || action.get("protocol").is_some();
        }
        Ok(entry)
    }

    /// Whether the writer gave the commit the identifier `id`.
    pub fn is_of(&self, id: &str) -> bool {
        self.commit_id.as_deref() == Some(id)
    }
}

fn stored_keys(keys: &[Value]) -> Vec<RowKey> {
    keys.iter().filter_map(Value::as_str).map(RowKey::from_stored).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_its_commit_its_keys_and_its_new_files() {
        let text = concat!(
            r#"{"commitInfo":{"operation":"WRITE","bolus.commitId":"c1","bolus.rowKeys":["k1","k2"]}}"#,
            "\n",
            r#"{"add":{"path":"a%20b.parquet","size":7,"dataChange":true}}"#,
            "\n",
            r#"{"add":{"path":"rewritten.parquet","size":7,"dataChange":false}}"#,
            "\n",
            r#"{"remove":{"path":"old.parquet","dataChange":false}}"#,
            "\n",
            r#"{"txn":{"appId":"bolus/g/t/0","version":41,"lastUpdated":7}}"#,
            "\n"
        );
        let entry = LogEntry::parse(3, text.as_bytes()).unwrap();
        assert_eq!(entry.commit_id.as_deref(), Some("c1"));
        assert_eq!(entry.row_keys, Some(vec![RowKey::from_stored("k1"), RowKey::from_stored("k2")]));
        assert_eq!(entry.added, vec![(Path::from("a b.parquet"), Some(7))]);
        assert_eq!(entry.transactions, [("bolus/g/t/0".to_owned(), 41)]);
        assert!(!entry.takes_rows_away && !entry.redefines_table);
        let other = b"{\"remove\":{\"path\":\"a\",\"dataChange\":true}}\n{\"protocol\":{}}";
        let other = LogEntry::parse(3, other).unwrap();
        assert!(other.takes_rows_away && other.redefines_table);
        assert!(matches!(LogEntry::parse(3, b"{\"txn\":{\"appId\":\"a\"}}"), Err(LakeError::Log { .. })));
        assert!(matches!(LogEntry::parse(3, b"{"), Err(LakeError::Log { version: 3, .. })));
    }
}
