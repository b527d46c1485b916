//! Which rows are wanted.

use bolus_study::Status;
use deltalake::datafusion::common::ScalarValue;
use deltalake::datafusion::prelude::{Expr, col, lit, starts_with};

/// Which rows of the table are wanted: those that meet every condition given. None given is every row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowFilter {
    /// How the row ended.
    pub status: Option<Status>,
    /// Names of bundles, of which the row's is one; any bundle where the list is empty.
    pub bundles: Vec<String>,
    /// The digest of the row's bundle.
    pub bundle_digest: Option<String>,
    /// The code of the reason, as it is stored.
    pub reason_code: Option<String>,
    /// How the row's key begins.
    pub key_prefix: Option<String>,
    /// The row was made then or later, in microseconds since the Unix epoch, UTC.
    pub since_us: Option<i64>,
    /// The row's data lie at this URI, below it, or in the archive of that name.
    pub at: Option<String>,
}

impl RowFilter {
    /// The conditions as an expression over the columns of `labels`; none where every row is wanted.
    pub(crate) fn expression(&self) -> Option<Expr> {
        let equal =
            |column: &str, value: &Option<String>| value.as_ref().map(|value| col(column).eq(lit(value.as_str())));
        let bundles = (!self.bundles.is_empty()).then(|| {
            let names = self.bundles.iter().map(|name| lit(name.as_str())).collect();
            col("bundle_name").in_list(names, false)
        });
        let since = self.since_us.map(|since| {
            let instant = ScalarValue::TimestampMicrosecond(Some(since), Some("UTC".into()));
            col("created_at").gt_eq(lit(instant))
        });
        let conditions = [
            self.status.map(|status| col("status").eq(lit(status.as_str()))),
            bundles,
            equal("bundle_digest", &self.bundle_digest),
            equal("reason_code", &self.reason_code),
            self.key_prefix.as_ref().map(|prefix| starts_with(col("row_key"), lit(prefix.as_str()))),
            since,
            self.at.as_ref().map(|at| is_at(at.trim_end_matches('/'))),
        ];
        conditions.into_iter().flatten().reduce(Expr::and)
    }
}

fn is_at(place: &str) -> Expr {
    let source = || col("source_uri");
    let below = |by: &str| starts_with(source(), lit(format!("{place}{by}")));
    source().eq(lit(place)).or(below("/")).or(below("!/"))
}
