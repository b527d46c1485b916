//! Object keys, encoded or not, and the names of buckets.

use bolus_study::is_bucket_name;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::json::Node;
use crate::{EventError, MAX_KEY_BYTES, Problem};

/// An object's key as far as the notification tells it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKey {
    /// The key.
    Exact(String),
    /// The sender may or may not have form-encoded the key, and the two readings differ: a HEAD request settles it.
    Ambiguous {
        /// The text of the message, taken as the key itself.
        encoded: String,
        /// The text of the message, form-decoded.
        decoded: String,
    },
}

impl ObjectKey {
    /// The likelier reading: the exact key, or the decoded one of two. For grouping and for logs, not for reading.
    #[must_use]
    pub fn likely(&self) -> &str {
        match self {
            Self::Exact(key) => key,
            Self::Ambiguous { decoded, .. } => decoded,
        }
    }
}

/// How a sender writes keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As they are.
    Plain,
    /// As `application/x-www-form-urlencoded`: a plus sign is a space, `%2B` a plus sign.
    Form,
    /// One or the other, by release.
    Unknown,
}

/// Reads the key at `node`.
pub(crate) fn object_key(node: &Node, encoding: Encoding) -> Result<ObjectKey, EventError> {
    let text = node.non_empty_text()?;
    let decoded = if encoding == Encoding::Plain { Some(text.to_owned()) } else { form_decoded(text) };
    let key = match decoded {
        Some(decoded) if encoding == Encoding::Unknown && decoded != text => {
            ObjectKey::Ambiguous { encoded: text.to_owned(), decoded }
        }
        Some(decoded) => ObjectKey::Exact(decoded),
        // What no encoder can have written was not encoded.
        None if encoding == Encoding::Unknown => ObjectKey::Exact(text.to_owned()),
        None => return Err(node.error(Problem::KeyNotUtf8)),
    };
    // Decoding never makes a text longer, so the decoded reading tells whether any could be a key.
    check_length(node, key.likely())?;
    Ok(key)
}

/// Reads the key at `node`, written as it is.
pub(crate) fn plain_key(node: &Node) -> Result<String, EventError> {
    let key = node.non_empty_text()?;
    check_length(node, key)?;
    Ok(key.to_owned())
}

/// Checks a key, or the beginning of one, against S3's limit.
pub(crate) fn check_length(node: &Node, key: &str) -> Result<(), EventError> {
    let bytes = key.len();
    if bytes > MAX_KEY_BYTES {
        return Err(node.error(Problem::KeyTooLong { bytes, limit: MAX_KEY_BYTES }));
    }
    Ok(())
}

/// The text once plus signs and percent sequences are resolved, or `None` where that is not UTF-8. A percent sign that
/// begins no sequence stays, as in browsers (WHATWG URL standard, *percent-decode*).
fn form_decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Reads the bucket's name at `node`: see [`is_bucket_name`].
pub(crate) fn bucket(node: &Node) -> Result<String, EventError> {
    let name = node.non_empty_text()?;
    if !is_bucket_name(name) {
        return Err(node.error(Problem::Invalid {
            expected: "the name of a bucket: up to 63 lower-case letters, digits, hyphens and dots",
        }));
    }
    Ok(name.to_owned())
}

/// Reads the entity tag at the field `name` of `object`, without the quotes that some stores leave on.
pub(crate) fn etag(object: &Node, name: &'static str) -> Result<Option<String>, EventError> {
    let quoted = object.optional_text(name)?;
    Ok(quoted.map(|tag| tag.trim_matches('"').to_owned()).filter(|tag| !tag.is_empty()))
}
