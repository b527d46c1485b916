//! Refusals that the user overrides.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::ReasonCode;

/// Reason codes that do not keep a series from being labelled. Only judgements can be overridden: see [`ReasonCode::JUDGEMENTS`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed(BTreeSet<ReasonCode>);

/// A name that is no reason which can be overridden.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} cannot be allowed, only {}", judgements())]
pub struct NotAllowable {
    /// The name as given.
    pub name: String,
}

impl Allowed {
    /// Overrides nothing.
    pub const NOTHING: Self = Self(BTreeSet::new());

    /// Overrides the reasons of these names.
    ///
    /// # Errors
    /// [`NotAllowable`] names the first that is none, and those that are.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, NotAllowable> {
        let code = |name: &str| {
            let found = ReasonCode::JUDGEMENTS.into_iter().find(|code| code.as_str() == name);
            found.ok_or_else(|| NotAllowable { name: name.to_owned() })
        };
        names.into_iter().map(|name| code(name.trim())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether refusals of this code are overridden.
    #[must_use]
    pub fn contains(&self, code: ReasonCode) -> bool {
        self.0.contains(&code)
    }

    /// Whether nothing is overridden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The codes, sorted.
    pub fn codes(&self) -> impl Iterator<Item = ReasonCode> + '_ {
        self.0.iter().copied()
    }
}

impl FromStr for Allowed {
    type Err = NotAllowable;

    /// Names with commas between them.
    fn from_str(text: &str) -> Result<Self, NotAllowable> {
        Self::of(text.split(',').filter(|name| !name.trim().is_empty()))
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|code| code.as_str()).collect();
        f.write_str(&names.join(","))
    }
}

fn judgements() -> String {
    ReasonCode::JUDGEMENTS.map(ReasonCode::as_str).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judgements_alone_can_be_allowed() {
        let allowed: Allowed = "not_a_patient, derived".parse().unwrap();
        assert!(allowed.contains(ReasonCode::Derived) && !allowed.contains(ReasonCode::NotAxial));
        assert_eq!(allowed.to_string(), "derived,not_a_patient");
        assert!("".parse::<Allowed>().unwrap().is_empty());
        let problem = "no_pixel_data".parse::<Allowed>().unwrap_err().to_string();
        assert!(problem.contains("no_pixel_data") && problem.contains("not_hounsfield"), "{problem}");
    }
}
