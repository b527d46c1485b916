//! From the configuration to running stages.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bolus_broker::{Admin, BrokerError, ErrorKind, NewTopic, Producer};
use bolus_ops::health::Health;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::beacon::Beacon;
use crate::config::{Config, Stage};
use crate::member::{Member, STUCK};
use crate::meters::Meters;
use crate::outbox::Outbox;
use crate::router::Router;
use crate::settle::Settler;
use crate::{assemble, route};

/// How long to wait before the broker is asked again for what was not there.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// What readiness waits for.
const BROKER: &str = "broker";

/// Runs the stages that the configuration names until `cancel`, then finishes what is under way.
///
/// # Errors
/// What stops the process; a broker that is away is waited for.
pub async fn run(config: Config, cancel: CancellationToken) -> Result<()> {
    let (meters, health) = (Arc::new(Meters::new()), Health::new());
    health.set_ready(BROKER, false, "not asked yet");
    bolus_ops::raise_open_files();
    let serving = CancellationToken::new();
    let server = bolus_ops::http::serve(config.http.listen, meters.registry(), health.clone(), serving.clone()).await?;
    tracing::info!(address = %server.address(), "serving metrics and health");
    let outcome = serve_stages(&config, &meters, &health, &cancel).await;
    serving.cancel();
    server.stopped().await;
    outcome
}

async fn serve_stages(
    config: &Config,
    meters: &Arc<Meters>,
    health: &Health,
    cancel: &CancellationToken,
) -> Result<()> {
    let admin = Admin::start(&config.kafka).context("cannot reach the broker")?;
    let producer = Producer::start(&config.kafka).context("cannot write to the broker")?;
    tokio::select! {
        ready = wait_for_topics(config, &admin, health) => ready?,
        () = cancel.cancelled() => return Ok(()),
    }
    health.set_ready(BROKER, true, "");
    let outbox = Outbox::new(producer, Arc::clone(meters));
    let mut stages = JoinSet::new();
    if config.stages.contains(&Stage::Route) {
        let member = Member::join(config.consumer(Stage::Route, config.topics.objects.clone()))?;
        let beacon = Beacon::new(outbox.clone(), admin, config.topics.objects.clone(), config.topics.internal.clone());
        stages.spawn(route::run(route_settings(config, meters, health, &outbox), member, beacon, cancel.clone()));
    }
    if config.stages.contains(&Stage::Assemble) {
        let member = Member::join(config.consumer(Stage::Assemble, vec![config.topics.internal.clone()]))?;
        stages.spawn(assemble::run(assemble_settings(config, meters, health, &outbox), member, cancel.clone()));
    }
    let mut outcome = Ok(());
    while let Some(ended) = stages.join_next().await {
        // One stage without the other would let the topic between them fill or run dry.
        cancel.cancel();
        outcome = outcome.and(ended.context("a stage panicked").flatten());
    }
    outcome
}

fn route_settings(config: &Config, meters: &Arc<Meters>, health: &Health, outbox: &Outbox) -> route::Settings {
    let router = Router {
        grouping: config.grouping(),
        outbox: outbox.clone(),
        settler: Settler::new(config.limits.head_requests),
        internal: config.topics.internal.clone(),
        studies: config.topics.studies.clone(),
        meters: Arc::clone(meters),
    };
    route::Settings {
        router: Arc::new(router),
        in_flight: config.limits.in_flight,
        tell_every: config.study.progress.0,
        revoke: config.shutdown.revoke.0,
        drain: config.shutdown.drain.0,
        meters: Arc::clone(meters),
        heartbeat: health.heartbeat("route", STUCK),
    }
}

fn assemble_settings(config: &Config, meters: &Arc<Meters>, health: &Health, outbox: &Outbox) -> assemble::Settings {
    assemble::Settings {
        rules: config.rules(),
        outbox: outbox.clone(),
        internal: config.topics.internal.clone(),
        studies: config.topics.studies.as_str().into(),
        in_flight: config.limits.in_flight,
        revoke: config.shutdown.revoke.0,
        drain: config.shutdown.drain.0,
        meters: Arc::clone(meters),
        heartbeat: health.heartbeat("assemble", STUCK),
    }
}

/// Makes the internal topic, and waits until the broker answers and the other topics are there.
async fn wait_for_topics(config: &Config, admin: &Admin, health: &Health) -> Result<()> {
    loop {
        match topics(config, admin).await {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Fatal => return Err(error).context("the broker refuses us"),
            Err(error) => {
                tracing::warn!(%error, "waiting for the broker and its topics");
                health.set_ready(BROKER, false, error.to_string());
            }
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

async fn topics(config: &Config, admin: &Admin) -> Result<(), BrokerError> {
    let retention = config.topics.internal_retention.0.as_millis().to_string();
    let internal = NewTopic {
        name: config.topics.internal.clone(),
        partitions: config.topics.internal_partitions,
        replication: config.topics.internal_replication,
        config: vec![("retention.ms".to_owned(), retention), ("cleanup.policy".to_owned(), "delete".to_owned())],
    };
    admin.create_topics(&[internal]).await?;
    for topic in config.topics.objects.iter().chain([&config.topics.studies]) {
        admin.topic_offsets(topic).await?;
    }
    Ok(())
}
