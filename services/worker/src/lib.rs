//! Kafka study events → labels in the lake.
//!
//! ```text
//! consumer ──records──▶ shell ──events──▶ studies: list, headers, known keys?, fetch, decode, infer
//!    ▲ ▲                 │  ▲                │
//!    │ └─starts, offsets─┤  └─────rows───────┘
//!    └───pause, resume───┤
//!                        └──drafts──▶ committer ──one Delta commit: rows and progress──▶ lake
//! ```
//!
//! The [`shell`] is one task that owns the [`book`]: which events of which partition have ended, and how far the unbroken
//! prefix reaches. Studies run in tasks of their own, a bounded number at a time, live topics first ([`gate`]). A commit takes
//! the prefixes of all partitions; the lake takes it only where each partition stands as this worker believes ([`commit`]).
//!
//! Before anything of a record is read it is marked at the broker ([`begun`], [`marks`]): a record that kills the process is
//! found by the marks that are left, and ends as a `failed` row after a few deaths.
//!
//! Invariant: an event is done only when the lake says so. What it led to lands in one commit with the partition's progress, and
//! the offsets given to the broker afterwards serve lag metrics alone.
//! Invariant: logs and metrics name partitions and offsets, never objects, studies or patients.

mod assignment;
mod backoff;
pub mod begun;
pub mod book;
pub mod cli;
pub mod commit;
pub mod config;
pub mod failpoints;
pub mod gate;
mod lookups;
pub mod marks;
mod message;
mod meters;
mod objects;
mod outcome;
mod resources;
mod rows;
pub mod shell;
mod start;
pub mod study;
pub mod tracker;

pub use resources::Resources;
pub use start::run;
