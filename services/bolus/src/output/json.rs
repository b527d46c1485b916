//! JSON lines on standard output.

use std::io::Write;

use serde::Serialize;

use super::streams::for_json;

/// Writes one JSON line.
///
/// # Errors
/// Where the value has no JSON, or standard output is closed.
pub fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    for_json().write_all(&line)?;
    Ok(())
}

/// Writes one JSON line of the type `kind`: the field `type`, then those of `value`.
///
/// # Errors
/// As of [`json_line`].
pub fn json_line_of(kind: &'static str, value: &impl Serialize) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Line<'a, V> {
        r#type: &'static str,
        #[serde(flatten)]
        value: &'a V,
    }
    json_line(&Line { r#type: kind, value })
}

/// Writes the last JSON line of a command: its summary, of type `summary`.
///
/// # Errors
/// As of [`json_line`].
pub fn json_summary(summary: &impl Serialize) -> anyhow::Result<()> {
    json_line_of("summary", summary)
}
