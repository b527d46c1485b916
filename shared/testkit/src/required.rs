//! What a test does without something that lies outside the repository.

use std::io::Write;

/// The variable that makes a missing server, file or interpreter a failure. `infra/test` sets it.
const REQUIRE: &str = "BOLUS_TEST_REQUIRE";

/// Reads a variable of the environment; one that is empty counts as unset.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The found thing; where it is missing, a failure or a skip that says so: see [`missing`].
pub(crate) fn found_or_missing<T>(found: Result<T, Missing>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(what) => {
            missing(&what, variable(REQUIRE).as_deref());
            None
        }
    }
}

/// What a test needs and does not find.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// What is missing.
    pub(crate) what: String,
    /// How to get it.
    pub(crate) mend: String,
}

/// Panics where `require`, the value of [`REQUIRE`], is 1; otherwise tells a person that the running test leaves
/// something out.
fn missing(Missing { what, mend }: &Missing, require: Option<&str>) {
    assert!(require != Some("1"), "{what}: {mend} ({REQUIRE}=1 makes this a failure)");
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Written past the capture of the test runner, which shows nothing of a test that passes.
    let _closed = writeln!(std::io::stderr(), "SKIPPED {test}: {what}: {mend}");
}

#[cfg(test)]
mod tests {
    use super::{Missing, missing};

    fn fails(require: Option<&str>) -> bool {
        let what = Missing { what: "no server".into(), mend: "start one".into() };
        std::panic::catch_unwind(|| missing(&what, require)).is_err()
    }

    #[test]
    fn what_is_missing_fails_only_where_it_is_required() {
        assert!(fails(Some("1")));
        assert!(!fails(None) && !fails(Some("0")));
    }
}
