//! Places where a test may end the process, between "inferred" and "offset committed".
//!
//! They exist only where the crate `fail` is built with its feature `failpoints`, as the tests of the workspace do. The
//! environment says what happens: `FAILPOINTS="worker::after-lake-commit=return"` ends the process there as SIGKILL would;
//! `3*off->return` does so at the fourth time; `sleep(500)` and the other actions of the crate work as well.

/// The names, in the order in which an event passes them; `on-revoke` when partitions are given up.
pub const NAMES: [&str; 7] = [
    AFTER_INFERRED,
    BEFORE_FLUSH,
    BEFORE_LAKE_COMMIT,
    AFTER_LAKE_COMMIT,
    BEFORE_OFFSET_COMMIT,
    AFTER_OFFSET_COMMIT,
    ON_REVOKE,
];

/// The rows of an event are made; nothing is written.
pub const AFTER_INFERRED: &str = "worker::after-inferred";
/// A commit is about to be drafted.
pub const BEFORE_FLUSH: &str = "worker::before-flush";
/// A commit is drafted and about to be written.
pub const BEFORE_LAKE_COMMIT: &str = "worker::before-lake-commit";
/// Rows and progress are in the lake; this worker has not taken note.
pub const AFTER_LAKE_COMMIT: &str = "worker::after-lake-commit";
/// This worker has taken note; the broker has not been told.
pub const BEFORE_OFFSET_COMMIT: &str = "worker::before-offset-commit";
/// The broker has been told.
pub const AFTER_OFFSET_COMMIT: &str = "worker::after-offset-commit";
/// Partitions are being given up.
pub const ON_REVOKE: &str = "worker::on-revoke";

/// A record is being worked on: not one of [`NAMES`], since it takes an argument. `FAILPOINTS="worker::poison=return(TEXT)"`
/// ends the process where the record's text holds `TEXT`.
pub const POISON: &str = "worker::poison";

/// Ends the process at [`POISON`] where `text`, that of the record, holds the action's argument.
pub fn poison(text: impl Fn() -> String) {
    fail::fail_point!(POISON, |poison| {
        if poison.is_some_and(|poison| text().contains(&poison)) {
            std::process::abort();
        }
    });
    // Without the feature nothing is left of the lines above.
    let _ = text;
}

/// Passes the place `name`. Where failpoints are built in, the log says so, for a test that waits for it.
pub fn pass(name: &'static str) {
    if fail::has_failpoints() {
        tracing::debug!(place = name, "passing a failpoint");
    }
    // An action may sleep: this thread's other tasks go on meanwhile, as they would while the real thing takes its time.
    let flavor = tokio::runtime::Handle::try_current().map(|runtime| runtime.runtime_flavor());
    if fail::has_failpoints() && flavor.is_ok_and(|flavor| flavor == tokio::runtime::RuntimeFlavor::MultiThread) {
        tokio::task::block_in_place(|| act(name));
    } else {
        act(name);
    }
}

fn act(name: &'static str) {
    fail::fail_point!(name, |_| std::process::abort());
    // Without the feature nothing is left of the line above.
    let _ = name;
}
