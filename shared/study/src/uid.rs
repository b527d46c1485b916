//! DICOM unique identifiers as checked newtypes (DICOM PS3.5 section 9).

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The reason a text is not a UID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UidError {
    /// The text is empty once padding is removed.
    #[error("UID is empty")]
    Empty,
    /// The text is longer than the 64 characters that PS3.5 section 9.1 allows.
    #[error("UID has {0} characters, at most 64 are allowed")]
    TooLong(usize),
    /// The text holds something other than digits and dots, or begins with a dot.
    #[error("UID holds a character other than digits and dots, or begins with a dot")]
    Character,
}

/// Checks and trims a UID: trailing NUL and space padding is removed, as real archives hold both.
///
/// Components with leading zeros are accepted: they break PS3.5, yet files with them are common and unambiguous.
fn checked(text: &str) -> Result<String, UidError> {
    let trimmed = text.trim_matches(|c: char| c == '\0' || c.is_ascii_whitespace());
    if trimmed.is_empty() {
        return Err(UidError::Empty);
    }
    if trimmed.len() > 64 {
        return Err(UidError::TooLong(trimmed.len()));
    }
    if trimmed.starts_with('.') || !trimmed.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(UidError::Character);
    }
    Ok(trimmed.to_owned())
}

/// A UID as data may hold it: as [`checked`], or with letters, `-` and `_` too, which anonymisers leave. None where it is something else.
/// None begins with a dot or a dash: UIDs become names of files.
fn odd(text: &str) -> Option<String> {
    let trimmed = text.trim_matches(|c: char| c == '\0' || c.is_ascii_whitespace());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let begins = trimmed.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    (begins && trimmed.len() <= 64 && trimmed.bytes().all(plain)).then(|| trimmed.to_owned())
}

/// A UUID-derived UID under the `2.25` root (PS3.5 section B.2), the same for the same parts, in order.
fn derived(domain: &str, parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(domain.as_bytes());
    for part in parts {
        hasher.update([0]);
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    format!("2.25.{}", u128::from_be_bytes(bytes))
}

macro_rules! uid {
    ($(#[$doc:meta])* $name:ident, $domain:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and removes its padding.
            ///
            /// # Errors
            /// [`UidError`] when the text is empty, too long or holds other characters than digits and dots.
            pub fn new(text: &str) -> Result<Self, UidError> {
                checked(text).map(Self)
            }

            /// The UID that data holds, whatever its form: two that differ stay different. One that PS3.5 does not allow is kept as it is
            /// where it consists of letters, digits, `.`, `-` and `_`, else a UID is derived from it. None where there is only padding.
            #[must_use]
            pub fn of_data(text: &str) -> Option<Self> {
                let trimmed = text.trim_matches(|c: char| c == '\0' || c.is_ascii_whitespace());
                let other = || (!trimmed.is_empty()).then(|| derived(concat!("odd ", $domain), &[trimmed]));
                odd(trimmed).or_else(other).map(Self)
            }

            /// Derives a stable UID from `parts`, for data whose own UID is missing.
            #[must_use]
            pub fn derive(parts: &[&str]) -> Self {
                Self(derived($domain, parts))
            }

            /// The UID as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = UidError;
            fn try_from(text: String) -> Result<Self, UidError> {
                match odd(&text) {
                    Some(kept) => Ok(Self(kept)),
                    None => Self::new(&text),
                }
            }
        }

        impl From<$name> for String {
            fn from(uid: $name) -> Self {
                uid.0
            }
        }
    };
}

uid!(
    /// A Study Instance UID (0020,000D).
    StudyUid,
    "study"
);
uid!(
    /// A Series Instance UID (0020,000E).
    SeriesUid,
    "series"
);
uid!(
    /// A SOP Instance UID (0008,0018).
    SopInstanceUid,
    "instance"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_removed_and_junk_refused() {
        assert_eq!(SeriesUid::new("1.2.3\0").unwrap().as_str(), "1.2.3");
        assert_eq!(SeriesUid::new(" \0"), Err(UidError::Empty));
        assert_eq!(SeriesUid::new("1.2.x"), Err(UidError::Character));
        assert_eq!(SeriesUid::new(".."), Err(UidError::Character));
        // A folder is called so.
        assert!(
            ["..", ".", "-x", "../a", "a/b"]
                .iter()
                .all(|odd| SeriesUid::of_data(odd).unwrap().as_str().starts_with("2.25."))
        );
        assert_eq!(SeriesUid::new(&"1".repeat(65)), Err(UidError::TooLong(65)));
    }

    #[test]
    fn odd_uids_of_data_stay_different() {
        let of = |text: &str| SeriesUid::of_data(text).map(|uid| uid.as_str().to_owned());
        assert_eq!(
            (of("anon.series.a1 ").as_deref(), of("1.2.3\0").as_deref()),
            (Some("anon.series.a1"), Some("1.2.3"))
        );
        assert_eq!((of(" \0"), of("")), (None, None));
        let long = "1".repeat(65);
        let others = [long.as_str(), "1.2 3", "1.2/3", "1.2\u{e4}"].map(|text| of(text).unwrap());
        let different: std::collections::BTreeSet<_> = others.iter().collect();
        assert_eq!(different.len(), others.len());
        assert!(others.iter().all(|uid| SeriesUid::new(uid).is_ok()));
    }

    #[test]
    fn derived_uids_are_valid_stable_and_told_apart() {
        let one = SeriesUid::derive(&["a", "b"]);
        assert_eq!(one, SeriesUid::derive(&["a", "b"]));
        assert_ne!(one, SeriesUid::derive(&["ab"]));
        assert_ne!(one.as_str(), StudyUid::derive(&["a", "b"]).as_str());
        assert_eq!(SeriesUid::new(one.as_str()).unwrap(), one);
    }
}
