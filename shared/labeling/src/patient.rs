//! The patient's identity, as a keyed digest or not at all.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A secret key under which Patient IDs are digested. Without one, nothing of a Patient ID is kept.
#[derive(Clone)]
pub struct PatientKey(Vec<u8>);

/// Shorter keys could be found by trying.
const SHORTEST_KEY_BYTES: usize = 16;

impl PatientKey {
    /// Takes the key's bytes; white space at the ends, as editors leave it in files, is not part of it.
    ///
    /// # Errors
    /// A text that says how long the key must be.
    pub fn new(bytes: &[u8]) -> Result<Self, String> {
        let key = bytes.trim_ascii();
        if key.len() < SHORTEST_KEY_BYTES {
            return Err(format!("key has {} bytes, at least {SHORTEST_KEY_BYTES} are needed", key.len()));
        }
        Ok(Self(key.to_vec()))
    }

    /// HMAC-SHA-256 of the Patient ID, as hex; `None` where there is no ID.
    #[must_use]
    pub fn digest(&self, patient_id: Option<&str>) -> Option<String> {
        let id = patient_id.map(str::trim).filter(|id| !id.is_empty())?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(id.as_bytes());
        Some(hex::encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for PatientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_keyed_and_silent_without_an_id() {
        let key = PatientKey::new(b"0123456789abcdef\n").unwrap();
        let other = PatientKey::new(b"0123456789abcdeg").unwrap();
        assert_eq!(key.digest(Some("  ")), None);
        assert_ne!(key.digest(Some("P1")), other.digest(Some("P1")));
        assert!(PatientKey::new(b"short").is_err());
        assert_eq!(format!("{key:?}"), "PatientKey(secret)");
    }
}
