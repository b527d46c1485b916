//! Kafka: a consumer that polls on a thread of its own, a producer that awaits acknowledgement, and a little
//! administration.
//!
//! Invariant: the only crate that names rdkafka, and never the truth about progress. Where a partition starts is told
//! by whoever owns the truth (the lake's `txn`), when the partition is assigned; offsets committed to the broker serve
//! lag metrics alone.

mod admin;
mod client;
mod config;
mod consumer;
mod error;
mod producer;
mod record;
mod security;
mod settings;

pub use admin::{Admin, GroupLag, NewTopic, TopicOffsets};
pub use bolus_ops::config::Secret;
pub use config::BrokerConfig;
pub use consumer::{Consumer, ConsumerConfig, Control, ControlEvents, Note, Records, Reply};
pub use error::{BrokerError, ErrorKind};
pub use producer::Producer;
pub use record::{Record, Start, TopicPartition};
pub use security::{Mechanism, OauthConfig, Protocol, SecurityConfig};
pub use settings::{ConsumerSettings, topic_problem};
