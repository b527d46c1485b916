//! The programs' configuration: short times, so that a run is short.

use std::collections::BTreeMap;

use crate::fleet::models;
use crate::servers::{Kafka, Store};
use crate::studies::topic;

/// The lake's folder in the bucket.
pub const LAKE: &str = "lake";
/// The workers' consumer group.
pub const WORKER_GROUP: &str = "faults";
/// The group of the assembler's first stage, which reads the object topic.
pub const ROUTE_GROUP: &str = "bolus-assembler.route";
/// The group of its second stage, which reads the topic between the two.
pub const ASSEMBLE_GROUP: &str = "bolus-assembler.assemble";
/// Where a worker can be made to die, from `inferred` to `offset committed`. The last one is passed in a rebalance only.
pub const FAILPOINTS: &[&str] = &[
    "worker::after-inferred",
    "worker::before-flush",
    "worker::before-lake-commit",
    "worker::after-lake-commit",
    "worker::before-offset-commit",
    "worker::after-offset-commit",
    "worker::on-revoke",
];

/// What workers say when something happens to them.
pub const TELLING: &[&str] = &[
    " committed",
    "a commit did not land",
    "another owner has moved the partition on",
    "partitions are assigned",
    "partitions are revoked",
    "time is over",
];

pub fn worker(kafka: &Kafka, store: &Store) -> String {
    let (servers, bucket, models) = (&kafka.servers, &store.bucket, models());
    format!(
        r#"
[lake]
url = "s3://{bucket}/{LAKE}"
[kafka]
servers = "{servers}"
[consumer]
group = "{WORKER_GROUP}"
[model]
name = "cheap"
folders = ["{models}"]
device = "cpu"
threads = 1
[flush]
interval = "1s"
# Long enough for every fault of a plan to pass: then only the poisoned may fail.
[retry]
attempts = 12
longest_pause = "3s"
# The harness kills workers some thousand times as often as anything else does: no record is to be blamed for that.
deaths = 1000
[shutdown]
drain = "15s"
[http]
listen = "127.0.0.1:0"
"#,
        models = models.display(),
    )
}

pub fn assembler(kafka: &Kafka) -> String {
    let servers = &kafka.servers;
    format!(
        r#"
[kafka]
servers = "{servers}"
[consumer]
group = "bolus-assembler"
session_timeout = "6s"
[topics]
internal = "{internal}"
[study]
quiet = "2s"
progress = "500ms"
[http]
listen = "127.0.0.1:0"
"#,
        internal = topic::BY_STUDY,
    )
}

/// The variables of one worker: a static member keeps its partitions while it is away, another loses them soon.
pub fn worker_env(number: usize, static_member: bool) -> Vec<(&'static str, String)> {
    const SESSION: &str = "BOLUS_WORKER__CONSUMER__SESSION_TIMEOUT";
    if static_member {
        let instance = ("BOLUS_WORKER__CONSUMER__INSTANCE_ID", format!("worker-{number}"));
        return vec![instance, (SESSION, "10s".to_owned())];
    }
    vec![(SESSION, "3s".to_owned())]
}

/// The variables of every program.
pub fn common_env() -> BTreeMap<String, String> {
    let own = ["worker", "assembler", "broker", "lake", "labeling"].map(|name| format!("bolus_{name}=info"));
    [("RUST_LOG".to_owned(), format!("warn,{}", own.join(",")))].into()
}

/// Lets a worker die when it comes by: the second time, so that it has done something before.
pub fn failpoint(name: &str) -> String {
    if name == "worker::on-revoke" { format!("{name}=return") } else { format!("{name}=1*off->return") }
}
