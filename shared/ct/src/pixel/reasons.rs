//! Why pixel data is refused, in the words that all of the decoders use.

use bolus_study::{Reason, ReasonCode};

pub(super) fn pixel_data(detail: impl Into<String>) -> Reason {
    Reason::new(ReasonCode::PixelData, detail)
}

pub(crate) fn no_pixel_data() -> Reason {
    Reason::new(ReasonCode::NoPixelData, "no PixelData")
}

pub(super) fn truncated(expected: usize, found: usize) -> Reason {
    Reason::new(ReasonCode::Truncated, format!("expected {expected} bytes of pixel data, found {found}"))
}

pub(super) fn too_large(what: &str, found: usize, limit: usize) -> Reason {
    Reason::new(ReasonCode::TooLarge, format!("{what} is {found}, at most {limit} is allowed"))
}

/// The refusal of pixel data that is far longer than its samples.
pub(super) fn coded_too_large(what: &str, found: u64, limit: u64) -> Reason {
    let clamp = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    too_large(&format!("{what} in bytes"), clamp(found), clamp(limit))
}
