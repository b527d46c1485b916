//! The exit statuses that commands share; `--help` says what each means for its command.

/// Nothing could be done.
pub const NOTHING_DONE: u8 = 1;
/// Some of the work could not be done.
pub const SOME_REFUSED: u8 = 3;
/// A run was stopped on request, as shells tell an interrupt: what was finished is safe.
pub const INTERRUPTED: u8 = 130;
