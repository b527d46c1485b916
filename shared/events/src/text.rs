//! Messages as text, as the rows that they end in keep them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Begins the text of a message that is not UTF-8, before its bytes in base64. Text that begins so itself is encoded too, so that the
/// beginning is never ambiguous.
const BASE64_MARK: &str = "base64:";

/// Begins what is kept of a message of which only the beginning is: the number of all its bytes and a colon follow, then the beginning
/// as any other message. Text that begins so itself is encoded too.
const CUT_MARK: &str = "cut:";

/// A message as text: as it is, or in base64 after a mark. [`message_of_text`] reads it.
#[must_use]
pub fn text_of_message(message: &[u8]) -> String {
    match std::str::from_utf8(message) {
        Ok(text) if !text.starts_with(BASE64_MARK) && !text.starts_with(CUT_MARK) => text.to_owned(),
        _ => format!("{BASE64_MARK}{}", BASE64.encode(message)),
    }
}

/// The text of a message of `whole_bytes` bytes of which only the beginning is kept.
#[must_use]
pub fn text_of_beginning(beginning: &[u8], whole_bytes: usize) -> String {
    // A character that is cut in two makes no text of bytes.
    let kept = match std::str::from_utf8(beginning) {
        Err(error) if error.error_len().is_none() => beginning.get(..error.valid_up_to()).unwrap_or(beginning),
        _ => beginning,
    };
    format!("{CUT_MARK}{whole_bytes}:{}", text_of_message(kept))
}

/// The message that `text` stands for; `None` where only its beginning was kept.
///
/// What has the mark of base64 and is none was written by nobody here, and is taken as it is.
#[must_use]
pub fn message_of_text(text: &str) -> Option<Vec<u8>> {
    if text.starts_with(CUT_MARK) {
        return None;
    }
    let decoded = text.strip_prefix(BASE64_MARK).and_then(|code| BASE64.decode(code).ok());
    Some(decoded.unwrap_or_else(|| text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_like_a_mark_is_not_taken_for_one() {
        for message in [&b"{\"a\": 1}"[..], b"\xff\x00", b"base64:AAAA", b"cut:9:", b"cut:9:x", b""] {
            assert_eq!(message_of_text(&text_of_message(message)).as_deref(), Some(message));
        }
        assert_eq!(text_of_message(b"cut:9:x"), "base64:Y3V0Ojk6eA==");
        assert_eq!(message_of_text("base64:?").as_deref(), Some(&b"base64:?"[..]));
    }

    #[test]
    fn a_beginning_is_no_message_and_ends_with_a_whole_character() {
        assert_eq!(text_of_beginning("xä".as_bytes().get(..2).unwrap_or_default(), 9), "cut:9:x");
        assert_eq!(text_of_beginning(b"\xff\x00", 9), "cut:9:base64:/wA=");
        assert_eq!(message_of_text("cut:9:x"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(message in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(message_of_text(&text_of_message(&message)), Some(message));
        }
    }
}
