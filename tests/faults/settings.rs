//! The programs' configuration: short times, so that a run is short.

use std::collections::BTreeMap;

use crate::fleet::models;
use crate::servers::{Kafka, Store};
use crate::studies::topic;

/// The lake's folder in the bucket.
pub const LAKE: &str = "lake";
/// The workers' consumer group.
pub const WORKER_GROUP: &str = "bolus-worker";
/// What the assembler reads, by consumer group and topic.
pub const ASSEMBLER_READS: [(&str, &str); 2] =
    [("bolus-assembler", topic::OBJECTS), ("bolus-assembler", topic::BY_STUDY)];
/// Where a worker can be made to die, from `inferred` to `offset committed`.
pub const FAILPOINTS: &[&str] = &[];

pub fn worker(kafka: &Kafka, store: &Store) -> String {
    format!(
        "[broker]\nservers = {:?}\n[lake]\nurl = \"s3://{}/{LAKE}\"\n[model]\nname = \"cheap\"\nfolders = [{:?}]\n",
        kafka.servers,
        store.bucket,
        models(),
    )
}

pub fn assembler(kafka: &Kafka, store: &Store) -> String {
    format!("[broker]\nservers = {:?}\n# {}", kafka.servers, store.bucket)
}

/// The variables of one worker.
pub fn worker_env(number: usize, static_member: bool) -> Vec<(&'static str, String)> {
    let mut env = Vec::new();
    if static_member {
        env.push(("BOLUS_WORKER__CONSUMER__INSTANCE_ID", format!("worker-{number}")));
    }
    env
}

/// The variables of every program.
pub fn common_env() -> BTreeMap<String, String> {
    [("RUST_LOG".to_owned(), "info".to_owned())].into()
}

/// Lets a worker die the second time that it comes by.
pub fn failpoint(name: &str) -> String {
    format!("{name}=1*off->return")
}
