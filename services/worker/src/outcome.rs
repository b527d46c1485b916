//! What an event leads to, on its way into a commit.

use std::sync::Arc;

use bolus_study::LabelRow;
use tracing::Span;

use crate::meters::Meters;

/// What an event leads to.
#[derive(Debug)]
pub struct Outcome {
    /// Its rows; the commit takes them out.
    pub rows: Vec<LabelRow>,
    /// The topic that it came from.
    pub topic: Arc<str>,
    /// How it is counted.
    pub kind: &'static str,
    /// When its record was written, in milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// Its span, which stays open until it has landed.
    pub span: Span,
}

impl Outcome {
    /// Counts an event that has landed.
    pub fn count(&self, meters: &Meters) {
        meters.event(&self.topic, self.kind);
        match self.kind {
            "done" => meters.study("labelled"),
            "duplicate" => meters.study("skipped"),
            "failed" => meters.study("failed"),
            _ => {}
        }
        if let Some(written_ms) = self.timestamp_ms {
            let waited_ms = chrono::Utc::now().timestamp_millis() - written_ms;
            // Clocks of two machines may differ.
            meters.event_to_commit.observe(waited_ms.max(0) as f64 / 1_000.0);
        }
    }
}
