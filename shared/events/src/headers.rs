//! Headers of records that the assembler passes on because it cannot use them.

/// Header of a record that the assembler passes on because it cannot use it: where it came from, `topic/partition/offset`.
pub const ORIGIN_HEADER: &str = "bolus-origin";
/// Header of such a record: why it is passed on, a code, a colon and a text without anything of the payload but names of
/// objects. Whatever else the record holds has been dealt with.
pub const REASON_HEADER: &str = "bolus-reason";

/// Header of such a record where only its beginning is passed on: how long the whole was, in bytes.
pub const TRUNCATED_HEADER: &str = "bolus-truncated";
