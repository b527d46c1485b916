//! How much of one message is read, and how long what it names may be.

/// Longest message that is read, in bytes; a longer one is refused whole.
pub const MAX_MESSAGE_BYTES: usize = 8 << 20;
/// Deepest nesting of lists, envelopes and texts that hold a message; a deeper one is refused. S3 in SNS in an answer
/// of SQS is five deep.
pub const MAX_WRAPPINGS: usize = 8;
/// Most records of one message; one with more is refused whole.
pub const MAX_RECORDS: usize = 100_000;
/// Longest object key in bytes of UTF-8, as S3 has it; a record with a longer one is refused.
pub const MAX_KEY_BYTES: usize = 1024;
